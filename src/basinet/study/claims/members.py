"""Correlations of the members of ensembles by seed and width, and their statistics.

A grid is a DataFrame with a row per seed and a column per width, ascending; nan where a value is missing. Members that
carry the same seed number draw their initial weights from one stream, whatever their width, so every contrast is formed
within a seed, and Student's t of the seeds' contrasts gives the interval (a percentile bootstrap of 4 to 8 blocks would
be too narrow). Statistics that are no means over seeds (ranks, spreads) come from a bootstrap that draws whole seeds.
Neither covers the order of minibatches or the choice of the test frames, which all members share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from basinet.arrays import FloatArray
from basinet.frames.bootstrap import Interval, percentile_interval
from basinet.study.tables import OF_THE_START, member_rows, most_common, select, system_label

Architecture = tuple[str, int]
Elements = Mapping[str, tuple[str, ...]]

N_RESAMPLES = 500


def sweep_members(
    table: pd.DataFrame, split: str = "test", experiments: Sequence[str] = ("sweep",), model: str = "network"
) -> pd.DataFrame:
    """Single networks of the sweep (or controls too) on test frames (or others), main descriptor."""
    rows = member_rows(select(table, experiment=tuple(experiments), model=model, split=split))
    for name in ("rcut", "twojmax", "definition"):
        rows = select(rows, **{name: most_common(rows, name)})
    return rows


_ENSEMBLE = ["test_system", "activation", "depth", "parametrisation", "width", "initial_scale"]


def ensemble_means(table: pd.DataFrame, model: str, quantities: list[str]) -> pd.DataFrame:
    """Means over the members of every ensemble, main descriptor: of local energies of own test frames, raw gauge."""
    experiments = ("linearised",) if model == "linearised" else OF_THE_START
    rows = sweep_members(table, experiments=experiments, model=model)
    rows = select(rows, transferred=False, target="local", species="all", gauge="raw")
    return rows.groupby(_ENSEMBLE, as_index=False)[quantities].mean()


def linearised_beside_trained(table: pd.DataFrame) -> pd.DataFrame:
    """Mean r of every ensemble's local energies, as `trained` and as `linearised` at its start."""
    trained, linearised = (ensemble_means(table, model, ["pearson_r"]) for model in ("network", "linearised"))
    both = trained.merge(linearised, on=_ENSEMBLE, suffixes=("_trained", "_linearised"))
    return both.rename(columns=lambda name: name.removeprefix("pearson_r_")).dropna()


def own_rows(rows: pd.DataFrame, system: str, target: str, gauge: str = "raw") -> pd.DataFrame:
    """Rows of models tested on frames of their own system, all species together."""
    return select(rows, test_system=system, transferred=False, target=target, species="all", gauge=gauge)


def architectures(rows: pd.DataFrame) -> list[Architecture]:
    """Activation and depth of the networks, tanh with one hidden layer (the paper's main one) first."""
    found = set(rows[["activation", "depth"]].dropna().itertuples(index=False, name=None))
    return sorted(found, key=lambda item: (item != ("tanh", 1), item))


def architecture_name(architecture: Architecture) -> str:
    """Such as ``tanh, 2 layers``."""
    activation, depth = architecture
    return f"{activation}, {depth} layer{'s' if depth != 1 else ''}"


def of_architecture(rows: pd.DataFrame, architecture: Architecture) -> pd.DataFrame:
    """Rows of one architecture."""
    return select(rows, activation=architecture[0], depth=architecture[1])


def transfers(rows: pd.DataFrame, elements: Elements) -> dict[str, tuple[str, str]]:
    """System trained on and system tested on of every transfer, by a label such as ``Mx to Ar``."""
    pairs = select(rows, transferred=True)[["train_system", "test_system"]].itertuples(index=False, name=None)
    return {
        " to ".join(system_label(name, elements.get(name, ())) for name in pair): pair for pair in sorted(set(pairs))
    }


def moved_rows(rows: pd.DataFrame, train: str, test: str, target: str) -> pd.DataFrame:
    """Members of one transfer, raw gauge, all species."""
    moved = select(rows, train_system=train, test_system=test, transferred=True)
    return select(moved, target=target, species="all", gauge="raw")


def paired_fidelity(
    rows: pd.DataFrame, train: str, test: str, target: str
) -> tuple[FloatArray, FloatArray, list[tuple[str, int, int]]]:
    """Local r at home and transferred r of the same model, with each model's (activation, depth, width).

    Home of pure models side by side (``ar+kr``) is the mean over their systems.
    """
    homes = [own_rows(rows, home, "local") for home in train.split("+")]
    tables = [*homes, moved_rows(rows, train, test, target)]
    series = [table.set_index(["activation", "depth", "width", "seed"])["pearson_r"] for table in tables]
    pairs = pd.concat(series, axis="columns", join="inner").dropna()
    at_home, moved = pairs.iloc[:, :-1].mean(axis="columns"), pairs.iloc[:, -1]
    return at_home.to_numpy(float), moved.to_numpy(float), [key[:3] for key in pairs.index]


def width_grid(rows: pd.DataFrame, quantity: str = "pearson_r", by: str = "width") -> pd.DataFrame:
    """The grid of rows that differ in width (or another number) and seed only; of duplicates the last counts."""
    one_each = rows.assign(seed=rows["seed"].astype(int)).drop_duplicates(["seed", by], keep="last")
    grid = one_each.pivot(index="seed", columns=by, values=quantity)
    return grid.dropna(axis="columns", how="all").rename(columns=float)


def width_grids(rows: pd.DataFrame, quantity: str = "pearson_r") -> dict[Architecture, pd.DataFrame]:
    """The grid of each architecture, the paper's main one first."""
    return {name: width_grid(of_architecture(rows, name), quantity) for name in architectures(rows)}


def swept_grids(rows: pd.DataFrame) -> dict[Architecture, pd.DataFrame]:
    """Those :func:`width_grids` with at least two widths and two seeds."""
    return {name: grid for name, grid in width_grids(rows).items() if min(grid.shape) >= 2}


def spread(grid: pd.DataFrame) -> pd.Series[float]:
    """Standard deviation over seeds by width; 0 where there is one seed only."""
    return grid.std().fillna(0.0)


def best_elsewhere(grid: pd.DataFrame, chosen: Any = slice(None)) -> pd.Series[float]:
    """Each seed's value at the width that is best on average over the other seeds, among the columns chosen.

    Choosing the best width and measuring it on the same members would favour whichever width was lucky.
    """
    others = pd.DataFrame([grid.loc[:, chosen].drop(index=seed).mean() for seed in grid.index], index=grid.index)
    best = others.fillna(-np.inf).idxmax(axis="columns")
    return pd.Series([grid.at[seed, width] for seed, width in best.items()], grid.index)


def falls(grid: pd.DataFrame) -> pd.Series[float]:
    """Each seed's fall from the (cross-fitted) best narrower width to the widest; negative if that is the best."""
    return best_elsewhere(grid, grid.columns < grid.columns[-1]) - grid.iloc[:, -1]


def ends_and_best(grid: pd.DataFrame) -> str:
    """The means at the narrowest, best and widest network in words."""
    mean = grid.mean()
    best = mean.idxmax()
    return ", ".join(
        f"{mean[width]:.3f} at width {width:.0f}{' (best)' if width == best else ''}"
        for width in sorted({mean.index[0], best, mean.index[-1]})
    )


def width_slopes(grid: pd.DataFrame) -> pd.Series[float]:
    """Least-squares slope of each seed against log2(width): the change per doubling; nan for fewer than two widths.

    >>> width_slopes(pd.DataFrame([[0.9, 0.8, 0.7]], columns=[4, 8, 16])).round(6).tolist()
    [-0.1]
    """
    doublings = grid * 0.0 + np.log2(grid.columns.to_numpy(float))
    doublings = doublings.sub(doublings.mean(axis="columns"), axis="index")
    products, squares = (doublings * grid).sum(axis="columns"), (doublings**2).sum(axis="columns")
    return pd.Series(products / squares)


def spearman(x: FloatArray, y: FloatArray) -> FloatArray:
    """Spearman's rank correlation along the last axis, ``(...,)``; pairs with a nan are left out.

    nan where fewer than three pairs are left, or one side is constant.
    """
    present = np.isfinite(x) & np.isfinite(y)
    first, second = (_centred_ranks(np.where(present, values, np.nan)) for values in (x, y))
    with np.errstate(invalid="ignore"):
        r = (first * second).sum(axis=-1) / np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
    return np.asarray(np.where(present.sum(axis=-1) >= 3, r, np.nan))


def _centred_ranks(values: FloatArray) -> FloatArray:
    """Ranks along the last axis less their mean, equal values sharing theirs; 0 where there is no value."""
    ranks = rankdata(values, axis=-1, nan_policy="omit")
    count = np.isfinite(values).sum(axis=-1, keepdims=True)
    return np.asarray(np.where(np.isfinite(ranks), ranks - (count + 1) / 2.0, 0.0))


def width_rank_correlation(grid: pd.DataFrame) -> Interval:
    """Spearman correlation of the quantity with width over all members; the bootstrap draws whole seeds."""
    drawn = np.random.default_rng(0).integers(len(grid), size=(N_RESAMPLES, len(grid)))
    widths, values = np.tile(grid.columns.to_numpy(float), len(grid)), grid.to_numpy(float)
    samples = spearman(widths, values[drawn].reshape(N_RESAMPLES, -1))
    return percentile_interval(samples, float(spearman(widths, values.ravel())))
