"""Statements about transfer between the mixture and the pure systems."""

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
    WidthGrid,
    architectures,
    centred_ranks,
    of_architecture,
    spearman,
    width_grid,
)
from basinet.study.claims.verdict import (
    SMALLEST_EFFECT,
    SMALLEST_RANK_CORRELATION,
    Claim,
    Statement,
    judge_difference,
    spelled,
)
from basinet.study.claims.width import fall_claim, own_rows
from basinet.study.tables import distinct, is_mixture, select, system_label

NO_TRANSFER = "no transferred models in this study: it takes a mixture and the pure systems of its elements"

TRANSFER_TOTAL_FALLS = Statement(
    "transfer-total-falls",
    "Transferred models predict total energies well only when small: the fidelity falls with width.",
    "Transferability; Figs. 3 and 9",
)
TRANSFER_LOCAL_FALLS = Statement(
    "transfer-local-falls",
    "Transferred local energies degrade gradually with width.",
    "Transferability; Figs. 4 and 10",
)
TANH = Statement(
    "tanh-transfers-longer",
    "Tanh networks give better total energies after transfer than linear ones of the same widths.",
    "Transferability; Figs. 3 and 9",
)
BETTER_TRANSFER = Statement(
    "local-predicts-transfer",
    "Models with more accurate local energies transfer better to configurations they have not seen.",
    "Conclusion",
)


def transfer_cases(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """(train system, test system) of every transfer."""
    moved = select(rows, transferred=True)
    return sorted(set(zip(moved["train_system"], moved["test_system"], strict=True)))


def transfer_label(train: str, test: str, elements: Mapping[str, tuple[str, ...]]) -> str:
    """Such as ``Mx to Ar``."""
    return f"{system_label(train, elements.get(train, ()))} to {system_label(test, elements.get(test, ()))}"


def moved_rows(rows: pd.DataFrame, train: str, test: str, target: str) -> pd.DataFrame:
    """Members of one transfer, raw gauge, all species."""
    return select(
        rows, train_system=train, test_system=test, transferred=True, target=target, species="all", gauge="raw"
    )


def transfer_falls(rows: pd.DataFrame, elements: Mapping[str, tuple[str, ...]]) -> list[Claim]:
    """Fall of transferred r, total and local, from the best width to the widest."""
    claims = []
    for statement, target in ((TRANSFER_TOTAL_FALLS, "total"), (TRANSFER_LOCAL_FALLS, "local")):
        cases = transfer_cases(rows)
        if not cases:
            claims.append(statement.untestable("transfer", NO_TRANSFER))
        for train, test in cases:
            chosen = moved_rows(rows, train, test, target)
            claims.append(fall_claim(statement, transfer_label(train, test, elements), chosen))
    return claims


def tanh_transfers_longer(rows: pd.DataFrame, elements: Mapping[str, tuple[str, ...]]) -> list[Claim]:
    """Transferred total r, tanh less linear, averaged over the widths they share and over depths."""
    cases = transfer_cases(rows)
    if not cases:
        return [TANH.untestable("transfer", NO_TRANSFER)]
    claims = []
    for train, test in cases:
        label = transfer_label(train, test, elements)
        moved = moved_rows(rows, train, test, "total")
        depths = [d for d in distinct(moved, "depth") if {("tanh", d), ("linear", d)} <= set(architectures(moved))]
        by_depth = {depth: tanh_gain(moved, depth) for depth in depths}
        by_depth = {depth: gain for depth, gain in by_depth.items() if gain.size >= 2}
        if not by_depth:
            claims.append(TANH.untestable(label, "needs tanh and linear networks of equal depth, widths and two seeds"))
            continue
        n_seeds = min(gain.size for gain in by_depth.values())
        found = seed_interval(np.mean([gain[:n_seeds] for gain in by_depth.values()], axis=0))
        each = "; ".join(f"depth {depth}: {spelled(seed_interval(gain))}" for depth, gain in by_depth.items())
        claims.append(
            TANH.judged(
                label,
                f"transferred total r averaged over widths, tanh less linear: {found.estimate:.3f}",
                found,
                judge_difference(found),
                f"{each}. Equal widths and equal weight of every width; intervals over seeds, not over "
                f"frames; a difference below {SMALLEST_EFFECT} does not count.",
            )
        )
    return claims


def tanh_gain(rows: pd.DataFrame, depth: int) -> FloatArray:
    """(n_seeds,) r of tanh less r of linear, averaged over the widths that both have."""
    tanh, linear = (width_grid(of_architecture(rows, (kind, depth))) for kind in ("tanh", "linear"))
    common = np.intersect1d(tanh.widths, linear.widths)
    n_seeds = min(len(tanh.values), len(linear.values))
    if common.size == 0:
        return np.zeros(0)
    first = tanh.values[:n_seeds, np.isin(tanh.widths, common)]
    second = linear.values[:n_seeds, np.isin(linear.widths, common)]
    gain = WidthGrid(common, first - second).over_widths(np.ones(common.size, dtype=bool))
    return np.asarray(gain[np.isfinite(gain)])


def paired_fidelity(
    rows: pd.DataFrame, train: str, test: str, target: str
) -> tuple[FloatArray, FloatArray, list[tuple[str, int, int]]]:
    """Local r at home and transferred r of the same model, with each model's (activation, depth, width).

    Home of pure models side by side (``ar+kr``) is the mean over their systems.
    """
    homes = [fidelity_by_model(own_rows(rows, home, "local")) for home in train.split("+")]
    moved = fidelity_by_model(moved_rows(rows, train, test, target))
    shared = sorted(set(moved).intersection(*homes))
    shared = [key for key in shared if np.isfinite([moved[key], *(home[key] for home in homes)]).all()]
    x = np.array([np.mean([home[key] for home in homes]) for key in shared])
    y = np.array([moved[key] for key in shared])
    return x, y, [key[:3] for key in shared]


MODEL = ("activation", "depth", "width", "seed")


def fidelity_by_model(rows: pd.DataFrame) -> dict[tuple[str, int, int, str], float]:
    """Pearson r by (activation, depth, width, seed)."""
    return {
        (activation, depth, width, seed): r
        for activation, depth, width, seed, r in rows[[*MODEL, "pearson_r"]].itertuples(index=False, name=None)
    }


def better_local_transfers_better(rows: pd.DataFrame, elements: Mapping[str, tuple[str, ...]]) -> list[Claim]:
    """Spearman correlation over all models of local r at home with transferred r."""
    cases = transfer_cases(rows)
    if not cases:
        return [BETTER_TRANSFER.untestable("transfer", NO_TRANSFER)]
    claims = []
    for train, test in cases:
        for target in ("total", "local"):
            label = f"{transfer_label(train, test, elements)}, {target}"
            x, y, clusters = paired_fidelity(rows, train, test, target)
            labels = [str(cluster) for cluster in clusters]
            if len(set(labels)) < 3 or not np.isfinite(spearman(x, y)):
                claims.append(BETTER_TRANSFER.untestable(label, "needs models of at least three architectures"))
                continue
            _, index = np.unique(labels, return_inverse=True)
            found = clustered_spearman(x, y, index)
            within = spearman(*(rank_within(values, index) for values in (x, y)))
            claims.append(
                BETTER_TRANSFER.judged(
                    label,
                    f"Spearman correlation of local r at home with transferred {target} r: {spelled(found, 2)}",
                    found,
                    judge_difference(found, SMALLEST_RANK_CORRELATION),
                    f"{len(x)} models of {index.max() + 1} architectures and widths. Members of one "
                    "architecture are alike, so the bootstrap draws whole architectures; a correlation "
                    "between architectures need not be a cause. Between the seeds of one architecture it "
                    f"is {within:.2f}. Correlations below {SMALLEST_RANK_CORRELATION} do not count.",
                )
            )
    return claims


def clustered_spearman(x: FloatArray, y: FloatArray, cluster: NDArray[np.intp], seed: int = 0) -> Interval:
    """Spearman correlation with an interval from resampled clusters."""
    count = np.bincount(cluster)
    drawn = np.random.default_rng(seed).integers(count.size, size=(N_RESAMPLES, count.size))
    padded = np.full((2, count.size, count.max()), np.nan)
    for number in range(count.size):
        padded[:, number, : count[number]] = x[cluster == number], y[cluster == number]
    samples = spearman(*padded[:, drawn].reshape(2, N_RESAMPLES, -1))
    return percentile_interval(samples, float(spearman(x, y)))


def rank_within(values: FloatArray, cluster: NDArray[np.intp]) -> FloatArray:
    """Ranks within each cluster, centred: what remains when clusters are made equal."""
    centred = np.zeros(values.size)
    for number in np.unique(cluster):
        centred[cluster == number] = centred_ranks(values[cluster == number])
    return centred


LOWER = Statement(
    "mixture-lower",
    "Networks of the mixture reach a lower best local fidelity than those of the pure liquids.",
    "Local energy fitting, last paragraph; Fig. 2",
)
EARLIER = Statement(
    "mixture-falls-faster",
    "Local fidelity of the mixture falls off faster with width than that of the pure liquids.",
    "Local energy fitting, last paragraph; Fig. 2",
)


def mixture_struggles(table: pd.DataFrame, rows: pd.DataFrame, elements: Mapping[str, tuple[str, ...]]) -> list[Claim]:
    """Best r and fall of r, mixture against the pure liquids; raw and with the pair gauge removed."""
    pure = {s: main_grid(rows, s, "raw") for s, species in elements.items() if not is_mixture(species)}
    pure = {system: grid for system, grid in pure.items() if grid.testable}
    mixtures = [system for system, species in elements.items() if is_mixture(species)]
    if not mixtures or not pure:
        reason = "needs a mixture and at least one pure system with two widths and two seeds"
        return [LOWER.untestable("mixture", reason), EARLIER.untestable("mixture", reason)]
    claims = []
    for statement, compare in ((LOWER, lower_claim), (EARLIER, faster_claim)):
        for system in mixtures:
            for gauge, words in (("raw", "raw"), ("pair", "pair gauge removed")):
                label = f"{system_label(system, elements[system])}, {words}"
                grid = main_grid(rows, system, gauge)
                if not grid.testable:
                    claims.append(statement.untestable(label, f"no two widths and seeds with gauge {gauge}"))
                    continue
                half_widths = {s: frame_half_width(table, s, "raw", g) for s, g in pure.items()}
                half_widths[system] = frame_half_width(table, system, gauge, grid)
                claims.append(compare(label, grid, pure, half_widths, system))
    return claims


def lower_claim(
    label: str,
    mixture: WidthGrid,
    pure: Mapping[str, WidthGrid],
    half_widths: Mapping[str, float],
    system: str,
) -> Claim:
    """Best r of the worst pure liquid less that of the mixture."""
    gaps = {}
    for name, grid in pure.items():
        gap = difference(grid.cross_fitted_best(), mixture.cross_fitted_best())
        gaps[name] = widened(gap, half_widths[name], half_widths[system])
    nearest = min(gaps, key=lambda name: gaps[name].estimate)
    found = gaps[nearest]
    bests = "; ".join(f"{system_label(name)} {grid.describe()}" for name, grid in pure.items())
    return LOWER.judged(
        label,
        f"best local r of {system_label(nearest)} less that of the mixture: {found.estimate:.3f}",
        found,
        judge_difference(found),
        f"Mixture: r is {mixture.describe()}. Pure: {bests}. The pure liquid that is nearest to the mixture "
        "decides. The interval joins seeds and the choice of test frames (bootstrap intervals of the "
        f"ensemble means). A difference below {SMALLEST_EFFECT} does not count.",
    )


def faster_claim(
    label: str,
    mixture: WidthGrid,
    pure: Mapping[str, WidthGrid],
    half_widths: Mapping[str, float],
    system: str,
) -> Claim:
    """Fall of r of the mixture less the largest fall of a pure liquid."""
    del (
        half_widths,
        system,
    )  # the frames are shared by both ends of each fall: their noise cancels to first order
    falls = {name: difference(mixture.falls(), grid.falls()) for name, grid in pure.items()}
    nearest = min(falls, key=lambda name: falls[name].estimate)
    found = falls[nearest]
    pures = "; ".join(f"{system_label(name)} falls by {spelled(grid.fall())}" for name, grid in pure.items())
    return EARLIER.judged(
        label,
        f"fall of local r (best narrower to widest), mixture less {system_label(nearest)}: {found.estimate:.3f}",
        found,
        judge_difference(found),
        f"Mixture: falls by {spelled(mixture.fall())}; r is {mixture.describe()}. {pures}. The pure liquid "
        "that falls most decides. Intervals over seeds, not over frames; a difference below "
        f"{SMALLEST_EFFECT} does not count.",
    )


def main_grid(rows: pd.DataFrame, system: str, gauge: str) -> WidthGrid:
    """Local r of the system's first architecture (tanh with one layer if present)."""
    local = own_rows(rows, system, "local", gauge)
    found = architectures(local)
    return width_grid(of_architecture(local, found[0])) if found else WidthGrid(np.zeros(0), np.zeros((0, 0)))


def difference(first: np.ndarray, second: np.ndarray) -> Interval:
    """Interval of the difference of two systems' means over seeds, whose members are taken for independent.

    Welch's standard error; Student's t with the smaller number of seeds, which is on the safe side.
    """
    one, two = seed_interval(first), seed_interval(second)
    half = float(np.hypot(one.high - one.estimate, two.high - two.estimate))
    estimate = one.estimate - two.estimate
    return Interval(estimate, estimate - half, estimate + half)


def widened(found: Interval, *half_widths: float) -> Interval:
    """The interval with more independent half-widths added in squares; unknown (nan) ones are left out."""
    known = [half for half in half_widths if np.isfinite(half)]
    half = float(np.linalg.norm([found.high - found.estimate, *known]))
    return Interval(found.estimate, found.estimate - half, found.estimate + half)


def frame_half_width(table: pd.DataFrame, system: str, gauge: str, grid: WidthGrid) -> float:
    """Half of the bootstrap interval over frames of the ensemble mean at its best width."""
    rows = select(
        table, experiment="sweep", model="network", split="test", seed="mean", width=int(grid.widths[grid.best()])
    )
    rows = own_rows(rows, system, "local", gauge)
    found = architectures(rows)
    if not found:
        return float("nan")
    one = of_architecture(rows, found[0])
    span = one["pearson_r_high"].to_numpy(float) - one["pearson_r_low"].to_numpy(float)
    return float(span[0] / 2.0) if span.size else float("nan")
