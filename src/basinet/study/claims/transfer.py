"""Statements about the mixture beside the pure liquids, and about transfer between them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basinet.arrays import FloatArray
from basinet.fidelity.metrics import seed_interval
from basinet.frames.bootstrap import Interval, percentile_interval
from basinet.study.claims.members import (
    N_RESAMPLES,
    Elements,
    architectures,
    best_elsewhere,
    centred_ranks,
    ends_and_best,
    falls,
    of_architecture,
    own_rows,
    spearman,
    width_grid,
    width_grids,
)
from basinet.study.claims.verdict import (
    SMALLEST_EFFECT,
    SMALLEST_RANK_CORRELATION,
    Claim,
    Statement,
    judge_difference,
    spelled,
)
from basinet.study.claims.width import fall_claim
from basinet.study.tables import distinct, is_mixture, select, system_label

_LOWER = Statement(
    "mixture-lower",
    "Networks of the mixture reach a lower best local fidelity than those of the pure liquids.",
    "Local energy fitting, last paragraph; Fig. 2",
)
_FASTER = Statement(
    "mixture-falls-faster",
    "Local fidelity of the mixture falls off faster with width than that of the pure liquids.",
    "Local energy fitting, last paragraph; Fig. 2",
)
_TOTAL_FALLS = Statement(
    "transfer-total-falls",
    "Transferred models predict total energies well only when small: the fidelity falls with width.",
    "Transferability; Figs. 3 and 9",
)
_LOCAL_FALLS = Statement(
    "transfer-local-falls",
    "Transferred local energies degrade gradually with width.",
    "Transferability; Figs. 4 and 10",
)
_TANH = Statement(
    "tanh-transfers-longer",
    "Tanh networks give better total energies after transfer than linear ones of the same widths.",
    "Transferability; Figs. 3 and 9",
)
_BETTER_TRANSFER = Statement(
    "local-predicts-transfer",
    "Models with more accurate local energies transfer better to configurations they have not seen.",
    "Conclusion",
)


def mixture_struggles(table: pd.DataFrame, rows: pd.DataFrame, elements: Elements) -> list[Claim]:
    """Best r and fall of r, mixture against the pure liquids; raw and with the pair gauge removed."""
    mixtures = [system for system, species in elements.items() if is_mixture(species)]
    pure = {system: _main_grid(own_rows(rows, system, "local")) for system in elements if system not in mixtures}
    pure = {system: grid for system, grid in pure.items() if min(grid.shape) >= 2}
    if not mixtures or not pure:
        reason = "needs a mixture and at least one pure system with two widths and two seeds"
        return [_LOWER.untestable("mixture", reason), _FASTER.untestable("mixture", reason)]
    noise = {system: _frame_half_width(table, system, "raw", grid) for system, grid in pure.items()}
    lower, faster = [], []
    for system in mixtures:
        for gauge, words in (("raw", "raw"), ("pair", "pair gauge removed")):
            label = f"{system_label(system, elements[system])}, {words}"
            grid = _main_grid(own_rows(rows, system, "local", gauge))
            if min(grid.shape) < 2:
                reason = f"no two widths and seeds with gauge {gauge}"
                lower.append(_LOWER.untestable(label, reason))
                faster.append(_FASTER.untestable(label, reason))
                continue
            own = _frame_half_width(table, system, gauge, grid)
            gaps = {
                name: _difference(best_elsewhere(one), best_elsewhere(grid), noise[name], own)
                for name, one in pure.items()
            }
            lower.append(_lower_claim(label, grid, pure, gaps))
            faster.append(_faster_claim(label, grid, pure))
    return lower + faster


def _main_grid(rows: pd.DataFrame) -> pd.DataFrame:
    """The grid of the first architecture (tanh with one layer if present); empty if there is none."""
    return next(iter(width_grids(rows).values()), pd.DataFrame())


def _lower_claim(
    label: str, mixture: pd.DataFrame, pure: Mapping[str, pd.DataFrame], gaps: Mapping[str, Interval]
) -> Claim:
    """Best r of the worst pure liquid less that of the mixture."""
    nearest = min(gaps, key=lambda name: gaps[name].estimate)
    bests = "; ".join(f"{system_label(name)} {ends_and_best(grid)}" for name, grid in pure.items())
    return _LOWER.judged(
        label,
        f"best local r of {system_label(nearest)} less that of the mixture: {gaps[nearest].estimate:.3f}",
        gaps[nearest],
        judge_difference(gaps[nearest]),
        f"Mixture: r is {ends_and_best(mixture)}. Pure: {bests}. The pure liquid that is nearest to the mixture "
        "decides. The interval joins seeds and the choice of test frames (bootstrap intervals of the "
        f"ensemble means). A difference below {SMALLEST_EFFECT} does not count.",
    )


def _faster_claim(label: str, mixture: pd.DataFrame, pure: Mapping[str, pd.DataFrame]) -> Claim:
    """Fall of r of the mixture less the largest fall of a pure liquid.

    Both ends of each fall share the frames, whose noise cancels to first order.
    """
    differences = {name: _difference(falls(mixture), falls(grid)) for name, grid in pure.items()}
    nearest = min(differences, key=lambda name: differences[name].estimate)
    found = differences[nearest]
    pures = "; ".join(
        f"{system_label(name)} falls by {spelled(seed_interval(falls(grid)))}" for name, grid in pure.items()
    )
    return _FASTER.judged(
        label,
        f"fall of local r (best narrower to widest), mixture less {system_label(nearest)}: {found.estimate:.3f}",
        found,
        judge_difference(found),
        f"Mixture: falls by {spelled(seed_interval(falls(mixture)))}; r is {ends_and_best(mixture)}. {pures}. The pure "
        "liquid that falls most decides. Intervals over seeds, not over frames; a difference below "
        f"{SMALLEST_EFFECT} does not count.",
    )


def _difference(first: pd.Series[float], second: pd.Series[float], *half_widths: float) -> Interval:
    """Interval of the difference of two systems' means over seeds, whose members are taken for independent.

    Welch's standard error; Student's t with the smaller number of seeds, which is on the safe side. Further independent
    `half_widths` are added in squares; unknown (nan) ones are left out.
    """
    one, two = seed_interval(first), seed_interval(second)
    known = [half for half in half_widths if np.isfinite(half)]
    half = float(np.linalg.norm([one.high - one.estimate, two.high - two.estimate, *known]))
    estimate = one.estimate - two.estimate
    return Interval(estimate, estimate - half, estimate + half)


def _frame_half_width(table: pd.DataFrame, system: str, gauge: str, grid: pd.DataFrame) -> float:
    """Half of the bootstrap interval over frames of the ensemble mean at its best width."""
    rows = select(own_rows(table, system, "local", gauge), experiment="sweep", model="network", split="test")
    rows = select(rows, seed="mean", width=grid.columns[int(grid.mean().argmax())])
    for architecture in architectures(rows)[:1]:
        mean = of_architecture(rows, architecture).iloc[0]
        return float(mean["pearson_r_high"] - mean["pearson_r_low"]) / 2.0
    return float("nan")


def transfers(rows: pd.DataFrame, elements: Elements) -> dict[str, tuple[str, str]]:
    """System trained on and system tested on of every transfer, by a label such as ``Mx to Ar``."""
    pairs = select(rows, transferred=True)[["train_system", "test_system"]].itertuples(index=False, name=None)
    return {
        " to ".join(system_label(name, elements.get(name, ())) for name in pair): pair for pair in sorted(set(pairs))
    }


def _moved_rows(rows: pd.DataFrame, train: str, test: str, target: str) -> pd.DataFrame:
    """Members of one transfer, raw gauge, all species."""
    moved = select(rows, train_system=train, test_system=test, transferred=True)
    return select(moved, target=target, species="all", gauge="raw")


def transfer_claims(rows: pd.DataFrame, elements: Elements) -> list[Claim]:
    """All statements about transferred models."""
    cases = transfers(rows, elements)
    if not cases:
        reason = "no transferred models in this study: it takes a mixture and the pure systems of its elements"
        statements = (_TOTAL_FALLS, _LOCAL_FALLS, _TANH, _BETTER_TRANSFER)
        return [statement.untestable("transfer", reason) for statement in statements]
    moved = {
        target: {label: _moved_rows(rows, *pair, target) for label, pair in cases.items()}
        for target in ("total", "local")
    }
    return [
        *(fall_claim(_TOTAL_FALLS, label, found) for label, found in moved["total"].items()),
        *(fall_claim(_LOCAL_FALLS, label, found) for label, found in moved["local"].items()),
        *(_tanh_transfers_longer(label, found) for label, found in moved["total"].items()),
        *(
            _better_local_transfers_better(f"{label}, {target}", target, *paired_fidelity(rows, *pair, target))
            for label, pair in cases.items()
            for target in moved
        ),
    ]


def _tanh_transfers_longer(label: str, moved: pd.DataFrame) -> Claim:
    """Transferred total r, tanh less linear, averaged over the widths they share and over depths."""
    by_depth = {depth: _tanh_gain(moved, depth) for depth in distinct(moved, "depth")}
    by_depth = {depth: gain for depth, gain in by_depth.items() if gain.size >= 2}
    if not by_depth:
        return _TANH.untestable(label, "needs tanh and linear networks of equal depth, widths and two seeds")
    found = seed_interval(pd.concat(by_depth, axis="columns", join="inner").mean(axis="columns"))
    each = "; ".join(f"depth {depth}: {spelled(seed_interval(gain))}" for depth, gain in by_depth.items())
    return _TANH.judged(
        label,
        f"transferred total r averaged over widths, tanh less linear: {found.estimate:.3f}",
        found,
        judge_difference(found),
        f"{each}. Equal widths and equal weight of every width; intervals over seeds, not over "
        f"frames; a difference below {SMALLEST_EFFECT} does not count.",
    )


def _tanh_gain(rows: pd.DataFrame, depth: int) -> pd.Series[float]:
    """R of tanh less r of linear by seed, averaged over the widths that both have; empty where there are none."""
    tanh, linear = (width_grid(of_architecture(rows, (kind, depth))) for kind in ("tanh", "linear"))
    return (tanh - linear).mean(axis="columns").dropna()


def _better_local_transfers_better(
    label: str, target: str, home: FloatArray, moved: FloatArray, models: list[tuple[str, int, int]]
) -> Claim:
    """Spearman correlation over all models of local r at home with transferred r."""
    if len(set(models)) < 3 or not np.isfinite(spearman(home, moved)):
        return _BETTER_TRANSFER.untestable(label, "needs models of at least three architectures")
    _, cluster = np.unique([str(model) for model in models], return_inverse=True)
    found = _clustered_spearman(home, moved, cluster)
    within = spearman(*(_ranks_within(values, cluster) for values in (home, moved)))
    return _BETTER_TRANSFER.judged(
        label,
        f"Spearman correlation of local r at home with transferred {target} r: {spelled(found, 2)}",
        found,
        judge_difference(found, SMALLEST_RANK_CORRELATION),
        f"{len(home)} models of {cluster.max() + 1} architectures and widths. Members of one "
        "architecture are alike, so the bootstrap draws whole architectures; a correlation "
        "between architectures need not be a cause. Between the seeds of one architecture it "
        f"is {within:.2f}. Correlations below {SMALLEST_RANK_CORRELATION} do not count.",
    )


def paired_fidelity(
    rows: pd.DataFrame, train: str, test: str, target: str
) -> tuple[FloatArray, FloatArray, list[tuple[str, int, int]]]:
    """Local r at home and transferred r of the same model, with each model's (activation, depth, width).

    Home of pure models side by side (``ar+kr``) is the mean over their systems.
    """
    homes = [own_rows(rows, home, "local") for home in train.split("+")]
    tables = [*homes, _moved_rows(rows, train, test, target)]
    series = [table.set_index(["activation", "depth", "width", "seed"])["pearson_r"] for table in tables]
    pairs = pd.concat(series, axis="columns", join="inner").dropna()
    at_home, moved = pairs.iloc[:, :-1].mean(axis="columns"), pairs.iloc[:, -1]
    return at_home.to_numpy(float), moved.to_numpy(float), [key[:3] for key in pairs.index]


def _clustered_spearman(x: FloatArray, y: FloatArray, cluster: NDArray[np.intp], seed: int = 0) -> Interval:
    """Spearman correlation with an interval from resampled clusters."""
    count = np.bincount(cluster)
    drawn = np.random.default_rng(seed).integers(count.size, size=(N_RESAMPLES, count.size))
    padded = np.full((2, count.size, count.max()), np.nan)
    for number in range(count.size):
        padded[:, number, : count[number]] = x[cluster == number], y[cluster == number]
    samples = spearman(*padded[:, drawn].reshape(2, N_RESAMPLES, -1))
    return percentile_interval(samples, float(spearman(x, y)))


def _ranks_within(values: FloatArray, cluster: NDArray[np.intp]) -> FloatArray:
    """Ranks within each cluster, centred: what remains when clusters are made equal."""
    return pd.Series(values).groupby(cluster).transform(lambda own: centred_ranks(own.to_numpy(float))).to_numpy(float)
