"""Correlations of the members of ensembles by seed and width, and their statistics.

Members that carry the same seed number draw their initial weights from one stream, whatever their width, so every
contrast is formed within a seed, and Student's t of the seeds' contrasts gives the interval (a percentile bootstrap of
4 to 8 blocks would be too narrow). Statistics that are no means over seeds (ranks, spreads) come from a bootstrap that
draws whole seeds. Neither covers the order of minibatches or the choice of the test frames, which all members share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from basinet.fidelity.metrics import seed_interval
from basinet.frames.bootstrap import Interval, percentile_interval
from basinet.study.tables import member_rows, most_common, select

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from basinet.arrays import FloatArray

Architecture = tuple[str, int]

N_RESAMPLES = 500


@dataclass(frozen=True)
class WidthGrid:
    """A quantity of every member: ``values`` (n_seeds, n_widths), nan where missing, widths ascending."""

    widths: FloatArray
    values: FloatArray

    @property
    def testable(self) -> bool:
        """There are at least two widths and two seeds."""
        return self.widths.size >= 2 and len(self.values) >= 2

    def mean(self) -> FloatArray:
        """(n_widths,) mean over members; nan where there is none."""
        return _mean_of_present(self.values)

    def spread(self) -> FloatArray:
        """(n_widths,) standard deviation over members; 0 where there is one member only."""
        present = np.isfinite(self.values)
        squares = np.where(present, self.values - self.mean(), 0.0) ** 2
        return np.asarray(np.sqrt(squares.sum(axis=0) / np.maximum(present.sum(axis=0) - 1, 1)))

    def over_widths(self, chosen: NDArray[np.bool_]) -> FloatArray:
        """(n_seeds,) mean over the chosen widths (n_widths,); nan where there is no value."""
        return _mean_of_present(self.values[:, chosen].T)

    def best(self) -> int:
        """Index of the width with the highest mean."""
        return int(np.nanargmax(self.mean()))

    def cross_fitted_best(self, chosen: NDArray[np.bool_] | None = None) -> FloatArray:
        """(n_seeds,) each seed's value at the width that is best on average over the other seeds.

        Choosing the best width and measuring it on the same members would favour whichever width was lucky.
        ``chosen`` (n_widths,) restricts the choice.
        """
        seeds = np.arange(len(self.values))
        means = np.array([_mean_of_present(self.values[seeds != seed]) for seed in seeds]).reshape(self.values.shape)
        allowed = np.isfinite(means) & (True if chosen is None else chosen)
        return np.asarray(self.values[seeds, np.where(allowed, means, -np.inf).argmax(axis=1)])

    def falls(self) -> FloatArray:
        """(n_seeds,) fall of the quantity from its (cross-fitted) best narrower width to the widest."""
        narrower = np.arange(self.widths.size) < self.widths.size - 1
        return np.asarray(self.cross_fitted_best(narrower) - self.values[:, -1])

    def fall(self) -> Interval:
        """Interval over seeds of :meth:`falls`; negative if the widest networks are best."""
        return seed_interval(self.falls())

    def describe(self, digits: int = 3) -> str:
        """The means at the narrowest, best and widest network in words."""
        mean, best = self.mean(), self.best()
        return ", ".join(
            f"{mean[i]:.{digits}f} at width {self.widths[i]:.0f}{' (best)' if i == best else ''}"
            for i in sorted({0, best, len(mean) - 1})
        )


def _mean_of_present(values: FloatArray) -> FloatArray:
    """Mean over the rows that have a value; nan where none has."""
    present = np.isfinite(values)
    total = np.where(present, values, 0.0).sum(axis=0)
    return np.asarray(np.where(present.any(axis=0), total / np.maximum(present.sum(axis=0), 1), np.nan))


def sweep_members(table: pd.DataFrame) -> pd.DataFrame:
    """Single networks of the sweep on test frames; standard parametrisation, main descriptor."""
    rows = select(table, experiment="sweep", model="network", split="test", parametrisation="standard")
    rows = member_rows(rows)
    for name in ("rcut", "twojmax", "definition"):
        rows = select(rows, **{name: most_common(rows, name)})
    return rows


def width_grid(rows: pd.DataFrame, quantity: str = "pearson_r") -> WidthGrid:
    """The quantity of rows that differ in width and seed only; of duplicates the last counts."""
    one_each = rows.assign(seed=rows["seed"].astype(int)).drop_duplicates(["seed", "width"], keep="last")
    grid = one_each.pivot(index="seed", columns="width", values=quantity).dropna(axis="columns", how="all")
    return WidthGrid(grid.columns.to_numpy(float), grid.to_numpy(float))


def main_grid(rows: pd.DataFrame) -> WidthGrid:
    """Pearson r of the first architecture (tanh with one layer if present); empty if there is none."""
    return next(iter(width_grids(rows).values()), WidthGrid(np.zeros(0), np.zeros((0, 0))))


def width_grids(rows: pd.DataFrame, quantity: str = "pearson_r") -> dict[Architecture, WidthGrid]:
    """The quantity by architecture, the paper's main one first."""
    return {
        architecture: width_grid(of_architecture(rows, architecture), quantity) for architecture in architectures(rows)
    }


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


def spearman(x: FloatArray, y: FloatArray) -> FloatArray:
    """Spearman's rank correlation along the last axis, ``(...,)``; pairs with a nan are left out.

    nan where fewer than three pairs are left, or one side is constant.
    """
    present = np.isfinite(x) & np.isfinite(y)
    first, second = (centred_ranks(np.where(present, values, np.nan)) for values in (x, y))
    variances = (first * first).sum(axis=-1) * (second * second).sum(axis=-1)
    defined = (present.sum(axis=-1) >= 3) & (variances > 0.0)
    return np.asarray(
        np.where(defined, (first * second).sum(axis=-1) / np.sqrt(np.where(defined, variances, 1.0)), np.nan)
    )


def centred_ranks(values: FloatArray) -> FloatArray:
    """Ranks along the last axis less their mean, equal values sharing theirs; 0 where there is no value."""
    ranks = rankdata(values, axis=-1, nan_policy="omit")
    count = np.isfinite(values).sum(axis=-1, keepdims=True)
    return np.asarray(np.where(np.isfinite(ranks), ranks - (count + 1) / 2.0, 0.0))


def width_rank_correlation(grid: WidthGrid, seed: int = 0) -> Interval:
    """Spearman correlation of the quantity with width over all members; the bootstrap draws whole seeds."""
    drawn = np.random.default_rng(seed).integers(len(grid.values), size=(N_RESAMPLES, len(grid.values)))
    widths = np.tile(grid.widths, len(grid.values))
    samples = spearman(widths, grid.values[drawn].reshape(N_RESAMPLES, -1))
    return percentile_interval(samples, float(spearman(widths, grid.values.ravel())))
