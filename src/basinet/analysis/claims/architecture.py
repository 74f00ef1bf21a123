"""Statements about architectures: that they behave alike, and that small ones cost less at equal accuracy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from basinet.analysis.bootstrap import Interval, percentile_interval
from basinet.analysis.claims.members import (
    N_RESAMPLES,
    WidthGrid,
    architecture_name,
    architectures,
    of_architecture,
    width_grid,
)
from basinet.analysis.claims.table import ResultsTable, system_label
from basinet.analysis.claims.verdict import (
    ALIKE,
    SMALLEST_EFFECT,
    SMALLEST_RATIO,
    Claim,
    Statement,
    judge_below,
    judge_difference,
)
from basinet.analysis.claims.width import own_cases, own_rows

ALIKE_STATEMENT = Statement(
    "architectures-alike",
    "All architectures behave alike, so that one of them can stand for the others.",
    "Local energy fitting, first paragraph; Figs. 7 and 8",
)
CHEAPER = Statement(
    "small-cheaper",
    "Smaller networks are faster to train at the accuracy of larger ones.",
    "Conclusion",
)


def architectures_alike(rows: ResultsTable, elements: Mapping[str, tuple[str, ...]]) -> list[Claim]:
    """Largest difference between architectures of local r averaged over the widths that all have."""
    claims = []
    for system, gauge, label in own_cases(elements):
        local = own_rows(rows, system, "local", gauge)
        grids = {a: width_grid(of_architecture(local, a)) for a in architectures(local)}
        grids = {a: grid for a, grid in grids.items() if grid.testable}
        if len(grids) < 2:
            claims.append(ALIKE_STATEMENT.untestable(label, "needs at least two architectures with widths and seeds"))
            continue
        common = common_widths(list(grids.values()))
        if common.size == 0:
            claims.append(ALIKE_STATEMENT.untestable(label, "the architectures have no width in common"))
            continue
        averages = {a: g.over_widths(np.isin(g.widths, common)) for a, g in grids.items()}
        found = largest_difference(list(averages.values()))
        means = "; ".join(
            f"{architecture_name(a)} {np.nanmean(values):.3f}, falls by {grids[a].fall().estimate:.3f}"
            for a, values in averages.items()
        )
        claims.append(
            ALIKE_STATEMENT.judged(
                label,
                f"largest difference of width-averaged local r between architectures: {found.estimate:.3f}",
                found,
                judge_below(found, ALIKE),
                f"Width-averaged r, and its fall to the widest network: {means}. Alike means a difference "
                f"below {ALIKE}. The bootstrap draws seeds; a largest difference is biased upwards by their "
                "scatter.",
            )
        )
    return claims


def common_widths(grids: list[WidthGrid]) -> NDArray[np.float64]:
    """Widths that every grid has."""
    common = grids[0].widths
    for grid in grids[1:]:
        common = np.intersect1d(common, grid.widths)
    return common


def largest_difference(values: list[NDArray[np.float64]], seed: int = 0) -> Interval:
    """Largest less smallest mean of several sets of values, with a bootstrap within each set."""
    values = [v[np.isfinite(v)] for v in values]
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(N_RESAMPLES):
        means = [v[rng.integers(v.size, size=v.size)].mean() for v in values]
        samples.append(max(means) - min(means))
    means = [v.mean() for v in values]
    return percentile_interval(samples, float(max(means) - min(means)))


def small_networks_cheaper(
    table: ResultsTable, rows: ResultsTable, elements: Mapping[str, tuple[str, ...]]
) -> list[Claim]:
    """CPU time of the widest network over that of the narrowest one that is as accurate on validation frames.

    One ratio per system and architecture; the interval of their geometric mean comes from resampling these.
    """
    validation = table.select(experiment="sweep", model="network", split="validation", transferred=False).members()
    validation = validation.select(target="total", parametrisation=("standard", None))
    ratios: dict[str, float] = {}
    chosen_widths: list[float] = []
    for system, species in elements.items():
        own, scores = own_rows(rows, system, "total"), validation.select(test_system=system)
        for architecture in architectures(own):
            accuracy = width_grid(of_architecture(scores, architecture))
            seconds = width_grid(of_architecture(own, architecture), "train_seconds")
            if accuracy.widths.size < 2 or not np.array_equal(accuracy.widths, seconds.widths):
                continue
            mean, cost = accuracy.mean(), seconds.mean()
            if not (cost > 0.0).all():
                continue
            narrowest = int(np.flatnonzero(mean >= np.nanmax(mean) - SMALLEST_EFFECT)[0])
            ratios[f"{system_label(system, species)} {architecture_name(architecture)}"] = float(
                np.log(cost[-1] / cost[narrowest])
            )
            chosen_widths.append(float(accuracy.widths[narrowest]))
    if len(ratios) < 2:
        reason = "needs training times and validation scores of at least two architectures or systems"
        return [CHEAPER.untestable("all systems", reason)]
    logs = np.array(list(ratios.values()))
    drawn = np.random.default_rng(0).integers(logs.size, size=(N_RESAMPLES, logs.size))
    logarithm = percentile_interval(logs[drawn].mean(axis=1), float(logs.mean()))
    found = Interval(*np.exp([logarithm.estimate, logarithm.low, logarithm.high]))
    cheapest, dearest = min(ratios, key=lambda k: ratios[k]), max(ratios, key=lambda k: ratios[k])
    return [
        CHEAPER.judged(
            "all systems",
            f"CPU time to train, widest network over the narrowest as accurate: {found.estimate:.2f}",
            found,
            judge_difference(logarithm, float(np.log(SMALLEST_RATIO))),
            f"{logs.size} pairs of system and architecture; narrowest width within {SMALLEST_EFFECT} of the "
            f"best total r on validation frames: {min(chosen_widths):.0f} to {max(chosen_widths):.0f}. "
            f"Ratios from {np.exp(ratios[cheapest]):.2f} ({cheapest}) to {np.exp(ratios[dearest]):.2f} "
            f"({dearest}). Training time of these networks on these processors, early stopping included; "
            "ease of deployment was not measured.",
        )
    ]
