"""Statements about width: accuracy of totals, scatter between seeds, the fall of local fidelity, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from basinet.fidelity.metrics import seed_interval, width_trend
from basinet.frames.bootstrap import Interval, percentile_interval
from basinet.study.claims.members import (
    N_RESAMPLES,
    WidthGrid,
    architecture_name,
    own_rows,
    width_grids,
    width_rank_correlation,
)
from basinet.study.claims.verdict import (
    SMALLEST_EFFECT,
    SMALLEST_RATIO,
    Claim,
    Statement,
    judge_above,
    judge_below,
    judge_difference,
    spelled,
)
from basinet.study.tables import is_mixture, member_rows, select, system_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    Elements = Mapping[str, tuple[str, ...]]

_TOO_FEW = "needs at least two widths and two seeds of one architecture on test frames"
_SMALL_WIDTHS = (12, 100)
"""The paper's range of widths that suffice, inclusive."""
_ACCURATE = 0.9
"""Pearson r of total energies above which they count as accurate."""
_ALIKE = 0.05
"""Architectures whose width-averaged r differs by less than this behave alike."""

_TOTALS = Statement(
    "totals-accurate",
    "Total energies are predicted accurately by every architecture, at every width.",
    "Local energy fitting, first paragraph; Fig. 7",
)
_SCATTER = Statement(
    "small-scatter",
    "Small networks scatter more between random initialisations than wide ones.",
    "Local energy fitting, first paragraph; Fig. 7",
)
_FALLS = Statement(
    "local-falls",
    "The wider the network, the more arbitrary its local energies: local fidelity falls with width.",
    "Local energy fitting; Figs. 2 and 8",
)
_SMALL_BETTER = Statement(
    "small-better",
    "Networks of 12 to 100 nodes decompose the energy better than wider ones.",
    "Conclusion",
)
_SMALL_SUFFICE = Statement(
    "small-suffice",
    "12 to 100 nodes suffice: no network outside this range has better local energies.",
    "Conclusion",
)
_ARCHITECTURES_ALIKE = Statement(
    "architectures-alike",
    "All architectures behave alike, so that one of them can stand for the others.",
    "Local energy fitting, first paragraph; Figs. 7 and 8",
)
_CHEAPER = Statement(
    "small-cheaper",
    "Smaller networks are faster to train at the accuracy of larger ones.",
    "Conclusion",
)


def _totals_by_system(rows: pd.DataFrame, elements: Elements) -> list[tuple[str, pd.DataFrame]]:
    """Label and rows of total energies of every system."""
    return [(system_label(name, species), own_rows(rows, name, "total")) for name, species in elements.items()]


def _local_curves(rows: pd.DataFrame, elements: Elements) -> list[tuple[str, pd.DataFrame]]:
    """Label and rows of every curve of local fidelity; mixtures also without pair gauge."""
    curves = []
    for name, species in elements.items():
        gauges = {"raw": ", raw", "pair": ", pair gauge removed"} if is_mixture(species) else {"raw": ""}
        for gauge, words in gauges.items():
            curves.append((system_label(name, species) + words, own_rows(rows, name, "local", gauge)))
    return curves


def totals_stay_accurate(rows: pd.DataFrame, elements: Elements) -> list[Claim]:
    """The worst network architecture and width decides: its mean r must exceed 0.9 with its interval."""
    claims = []
    for label, total in _totals_by_system(rows, elements):
        cells = {
            f"{architecture_name(architecture)}, width {width:.0f}": seed_interval(values)
            for architecture, grid in width_grids(total).items()
            for width, values in zip(grid.widths, grid.values.T, strict=True)
        }
        # A correlation ends at one.
        cells = {k: replace(found, high=min(found.high, 1.0)) for k, found in cells.items() if np.isfinite(found.low)}
        if not cells:
            claims.append(_TOTALS.untestable(label, _TOO_FEW))
            continue
        worst = min(cells, key=lambda name: cells[name].estimate)
        means = sorted(found.estimate for found in cells.values())
        claims.append(
            _TOTALS.judged(
                label,
                f"lowest mean r of totals over {len(cells)} networks: {cells[worst].estimate:.3f}",
                cells[worst],
                judge_above(cells[worst], _ACCURATE),
                f"Worst: {worst}; median {np.median(means):.3f}, best {means[-1]:.3f}. Accurate means r > "
                f"{_ACCURATE}. Being the lowest of many, the value is biased low: the test is a hard one.",
            )
        )
    return claims


def small_networks_scatter(rows: pd.DataFrame, elements: Elements) -> list[Claim]:
    """Ratio of standard deviations over seeds: narrowest over widest third of the widths."""
    claims = []
    for label, total in _totals_by_system(rows, elements):
        found = width_grids(total)
        # Spreads at all widths are to be over the same seeds.
        grids = [WidthGrid(g.widths, g.values[np.isfinite(g.values).all(axis=1)]) for g in found.values()]
        grids = [grid for grid in grids if grid.testable and len(grid.values) >= 3]
        if not grids:
            claims.append(_SCATTER.untestable(label, "needs at least three seeds at two widths"))
            continue
        ratio, spread, widths = _scatter_ratio(grids), grids[0].spread(), grids[0].widths
        with np.errstate(divide="ignore", invalid="ignore"):
            logarithm = Interval(*np.log([ratio.estimate, ratio.low, ratio.high]))
        claims.append(
            _SCATTER.judged(
                label,
                f"scatter of total r between seeds, narrowest third over widest third: {ratio.estimate:.2f}",
                ratio,
                judge_difference(logarithm, float(np.log(SMALLEST_RATIO))),
                f"Standard deviation of r over seeds, {architecture_name(next(iter(found)))}: {spread[0]:.4f} at width "
                f"{widths[0]:.0f}, {spread[-1]:.4f} at width {widths[-1]:.0f}. A ratio below {SMALLEST_RATIO} does not "
                "count. The bootstrap draws seeds.",
            )
        )
    return claims


def _scatter_ratio(grids: Sequence[WidthGrid], seed: int = 0) -> Interval:
    """Geometric mean over architectures of the scatter of narrow widths over that of wide ones."""

    def statistic(tables: Sequence[NDArray[np.float64]]) -> float:
        ratios = []
        with np.errstate(divide="ignore", invalid="ignore"):  # a resample of one seed only has no spread: nan
            for values in tables:
                third = max(1, values.shape[1] // 3)
                spread = np.log(values.std(axis=0, ddof=1))
                ratios.append(np.mean(spread[:third]) - np.mean(spread[-third:]))
            return float(np.exp(np.mean(ratios)))

    rng = np.random.default_rng(seed)
    samples = [
        statistic([g.values[rng.integers(len(g.values), size=len(g.values))] for g in grids])
        for _ in range(N_RESAMPLES)
    ]
    return percentile_interval(samples, statistic([grid.values for grid in grids]))


def local_falls(rows: pd.DataFrame, elements: Elements) -> list[Claim]:
    """Fall of local r from its best width to the widest network, in the paper's main architecture."""
    return [fall_claim(_FALLS, label, local) for label, local in _local_curves(rows, elements)]


def fall_claim(statement: Statement, label: str, rows: pd.DataFrame) -> Claim:
    """The statement that r falls with width, for one curve; other architectures are in the detail."""
    grids = {architecture: grid for architecture, grid in width_grids(rows).items() if grid.testable}
    if not grids:
        return statement.untestable(label, _TOO_FEW)
    main = next(iter(grids))
    fall, grid = grids[main].fall(), grids[main]
    trend, ranks = width_trend(grid.widths, grid.values), width_rank_correlation(grid)
    others = "; ".join(f"{architecture_name(a)} {spelled(g.fall())}" for a, g in grids.items() if a != main)
    return statement.judged(
        label,
        f"fall of r from the best narrower width to the widest ({architecture_name(main)}): {fall.estimate:.3f}",
        fall,
        judge_difference(fall),
        f"r is {grid.describe()}. Trend {spelled(trend, 4)} per doubling of the width; Spearman correlation "
        f"with width {spelled(ranks, 2)}. {f'Fall of the others: {others}. ' if others else ''}The best "
        f"width is chosen on the other seeds; a fall below {SMALLEST_EFFECT} does not count. Intervals over "
        f"{len(grid.values)} seeds, not over frames.",
    )


def small_networks(rows: pd.DataFrame, elements: Elements) -> list[Claim]:
    """The paper's range of widths against wider ones (mean), and against all others (best)."""
    better, suffice = [], []
    low, high = _SMALL_WIDTHS
    for label, local in _local_curves(rows, elements):
        name, grid = next(iter(width_grids(local).items()), (("", 0), WidthGrid(np.zeros(0), np.zeros((0, 0)))))
        inside, wider = (grid.widths >= low) & (grid.widths <= high), grid.widths > high
        if not (grid.testable and inside.any() and wider.any()):
            reason = f"needs widths within {low}-{high} and above, and at least two seeds"
            better.append(_SMALL_BETTER.untestable(label, reason))
            suffice.append(_SMALL_SUFFICE.untestable(label, reason))
            continue
        gain = seed_interval(grid.over_widths(inside) - grid.over_widths(wider))
        loss = seed_interval(grid.cross_fitted_best(~inside) - grid.cross_fitted_best(inside))
        detail = (
            f"Widths {', '.join(f'{w:.0f}' for w in grid.widths[inside])} against "
            f"{', '.join(f'{w:.0f}' for w in grid.widths[wider])}; {architecture_name(name)}; r is {grid.describe()}. "
            f"Differences below {SMALLEST_EFFECT} do not count."
        )
        statistic = f"mean local r at widths {low}-{high} less that of wider networks: {gain.estimate:.3f}"
        better.append(_SMALL_BETTER.judged(label, statistic, gain, judge_difference(gain), detail))
        statistic = f"best local r outside widths {low}-{high} less the best inside: {loss.estimate:.3f}"
        suffice.append(_SMALL_SUFFICE.judged(label, statistic, loss, judge_below(loss, SMALLEST_EFFECT), detail))
    return better + suffice


def architectures_alike(rows: pd.DataFrame, elements: Elements) -> list[Claim]:
    """Largest difference between architectures of local r averaged over the widths that all have."""
    claims = []
    for label, local in _local_curves(rows, elements):
        grids = {architecture: grid for architecture, grid in width_grids(local).items() if grid.testable}
        if len(grids) < 2:
            reason = "needs at least two architectures with widths and seeds"
            claims.append(_ARCHITECTURES_ALIKE.untestable(label, reason))
            continue
        common = set.intersection(*(set(grid.widths) for grid in grids.values()))
        if not common:
            claims.append(_ARCHITECTURES_ALIKE.untestable(label, "the architectures have no width in common"))
            continue
        averages = {a: g.over_widths(np.isin(g.widths, [*common])) for a, g in grids.items()}
        found = _largest_difference(list(averages.values()))
        means = "; ".join(
            f"{architecture_name(a)} {np.nanmean(values):.3f}, falls by {grids[a].fall().estimate:.3f}"
            for a, values in averages.items()
        )
        claims.append(
            _ARCHITECTURES_ALIKE.judged(
                label,
                f"largest difference of width-averaged local r between architectures: {found.estimate:.3f}",
                found,
                judge_below(found, _ALIKE),
                f"Width-averaged r, and its fall to the widest network: {means}. Alike means a difference "
                f"below {_ALIKE}. The bootstrap draws seeds; a largest difference is biased upwards by their "
                "scatter.",
            )
        )
    return claims


def _largest_difference(values: Sequence[NDArray[np.float64]], seed: int = 0) -> Interval:
    """Largest less smallest mean of several sets of values, with a bootstrap within each set."""
    values = [v[np.isfinite(v)] for v in values]
    rng = np.random.default_rng(seed)
    drawn = [[v[rng.integers(v.size, size=v.size)].mean() for v in values] for _ in range(N_RESAMPLES)]
    return percentile_interval(np.ptp(drawn, axis=1), float(np.ptp([v.mean() for v in values])))


def small_networks_cheaper(table: pd.DataFrame, rows: pd.DataFrame, elements: Elements) -> list[Claim]:
    """CPU time of the widest network over that of the narrowest one that is as accurate on validation frames.

    One ratio per system and architecture; the interval of their geometric mean comes from resampling these.
    """
    scores = select(table, experiment="sweep", model="network", split="validation", transferred=False, target="total")
    scores = member_rows(select(scores, parametrisation="standard"))
    ratios: dict[str, float] = {}
    chosen_widths: list[float] = []
    for system, species in elements.items():
        accurate = width_grids(select(scores, test_system=system))
        for architecture, seconds in width_grids(own_rows(rows, system, "total"), "train_seconds").items():
            accuracy = accurate.get(architecture)
            if accuracy is None or accuracy.widths.size < 2 or not np.array_equal(accuracy.widths, seconds.widths):
                continue
            mean, cost = accuracy.mean(), seconds.mean()
            if not (cost > 0.0).all():
                continue
            narrowest = int(np.flatnonzero(mean >= np.nanmax(mean) - SMALLEST_EFFECT)[0])
            name = f"{system_label(system, species)} {architecture_name(architecture)}"
            ratios[name] = float(np.log(cost[-1] / cost[narrowest]))
            chosen_widths.append(float(accuracy.widths[narrowest]))
    if len(ratios) < 2:
        reason = "needs training times and validation scores of at least two architectures or systems"
        return [_CHEAPER.untestable("all systems", reason)]
    logs = np.array(list(ratios.values()))
    drawn = np.random.default_rng(0).integers(logs.size, size=(N_RESAMPLES, logs.size))
    logarithm = percentile_interval(logs[drawn].mean(axis=1), float(logs.mean()))
    found = Interval(*np.exp([logarithm.estimate, logarithm.low, logarithm.high]))
    cheapest, dearest = min(ratios, key=lambda k: ratios[k]), max(ratios, key=lambda k: ratios[k])
    return [
        _CHEAPER.judged(
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
