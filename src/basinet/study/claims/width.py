"""Statements about networks of different width on frames of their own system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from basinet.arrays import FloatArray
from basinet.fidelity.metrics import seed_interval
from basinet.frames.bootstrap import Interval, percentile_interval
from basinet.study.claims.members import (
    N_RESAMPLES,
    Elements,
    architecture_name,
    best_elsewhere,
    ends_and_best,
    falls,
    own_rows,
    spread,
    swept_grids,
    width_grids,
    width_rank_correlation,
    width_slopes,
)
from basinet.study.claims.verdict import (
    SMALLEST_EFFECT,
    SMALLEST_RATIO,
    Claim,
    Statement,
    judge_between,
    judge_difference,
    spelled,
)
from basinet.study.tables import is_mixture, member_rows, select, system_label

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
    "small-better", "Networks of 12 to 100 nodes decompose the energy better than wider ones.", "Conclusion"
)
_SMALL_SUFFICE = Statement(
    "small-suffice", "12 to 100 nodes suffice: no network outside this range has better local energies.", "Conclusion"
)
_ARCHITECTURES_ALIKE = Statement(
    "architectures-alike",
    "All architectures behave alike, so that one of them can stand for the others.",
    "Local energy fitting, first paragraph; Figs. 7 and 8",
)
_CHEAPER = Statement(
    "small-cheaper", "Smaller networks are faster to train at the accuracy of larger ones.", "Conclusion"
)


def total_curves(rows: pd.DataFrame, elements: Elements) -> list[tuple[str, pd.DataFrame]]:
    """Label and rows of total energies of every system."""
    return [(system_label(name, species), own_rows(rows, name, "total")) for name, species in elements.items()]


def local_curves(rows: pd.DataFrame, elements: Elements) -> list[tuple[str, pd.DataFrame]]:
    """Label and rows of local energies of every system; of mixtures also without pair gauge."""
    gauges = {True: {"raw": ", raw", "pair": ", pair gauge removed"}, False: {"raw": ""}}
    return [
        (system_label(name, species) + words, own_rows(rows, name, "local", gauge))
        for name, species in elements.items()
        for gauge, words in gauges[is_mixture(species)].items()
    ]


def totals_stay_accurate(label: str, total: pd.DataFrame) -> Claim:
    """The worst network architecture and width decides: its mean r must exceed 0.9 with its interval."""
    cells = {
        f"{architecture_name(architecture)}, width {width:.0f}": seed_interval(values)
        for architecture, grid in width_grids(total).items()
        for width, values in grid.items()
    }
    # A correlation ends at one.
    cells = {k: replace(found, high=min(found.high, 1.0)) for k, found in cells.items() if np.isfinite(found.low)}
    if not cells:
        return _TOTALS.untestable(label, _TOO_FEW)
    worst = min(cells, key=lambda name: cells[name].estimate)
    means = sorted(found.estimate for found in cells.values())
    return _TOTALS.judged(
        label,
        f"lowest mean r of totals over {len(cells)} networks: {cells[worst].estimate:.3f}",
        cells[worst],
        judge_between(cells[worst], low=_ACCURATE),
        f"Worst: {worst}; median {np.median(means):.3f}, best {means[-1]:.3f}. Accurate means r > "
        f"{_ACCURATE}. Being the lowest of many, the value is biased low: the test is a hard one.",
    )


def small_networks_scatter(label: str, total: pd.DataFrame) -> Claim:
    """Ratio of standard deviations over seeds: narrowest over widest third of the widths."""
    # Spreads at all widths are to be over the same seeds.
    grids = {name: grid.dropna() for name, grid in width_grids(total).items()}
    grids = {name: grid for name, grid in grids.items() if len(grid) >= 3 and grid.shape[1] >= 2}
    if not grids:
        return _SCATTER.untestable(label, "needs at least three seeds at two widths")
    main, first = next(iter(grids.items()))
    ratio, spreads = _scatter_ratio([grid.to_numpy(float) for grid in grids.values()]), spread(first)
    return _SCATTER.judged(
        label,
        f"scatter of total r between seeds, narrowest third over widest third: {ratio.estimate:.2f}",
        ratio,
        judge_difference(_logarithm(ratio), float(np.log(SMALLEST_RATIO))),
        f"Standard deviation of r over seeds, {architecture_name(main)}: {spreads.iloc[0]:.4f} at width "
        f"{first.columns[0]:.0f}, {spreads.iloc[-1]:.4f} at width {first.columns[-1]:.0f}. A ratio below "
        f"{SMALLEST_RATIO} does not count. The bootstrap draws seeds.",
    )


def _scatter_ratio(grids: Sequence[FloatArray], seed: int = 0) -> Interval:
    """Geometric mean over architectures of the scatter of narrow widths over that of wide ones."""

    def statistic(values: Sequence[FloatArray]) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):  # a resample of one seed only has no spread: nan
            spreads = [np.log(one.std(axis=0, ddof=1)) for one in values]
            thirds = [max(1, one.size // 3) for one in spreads]
            ratios = [one[:third].mean() - one[-third:].mean() for one, third in zip(spreads, thirds, strict=True)]
            return float(np.exp(np.mean(ratios)))

    rng = np.random.default_rng(seed)
    samples = [statistic([g[rng.integers(len(g), size=len(g))] for g in grids]) for _ in range(N_RESAMPLES)]
    return percentile_interval(samples, statistic(grids))


def _logarithm(ratio: Interval) -> Interval:
    with np.errstate(divide="ignore", invalid="ignore"):
        return Interval(*np.log([ratio.estimate, ratio.low, ratio.high]))


def local_falls(label: str, local: pd.DataFrame) -> Claim:
    """Fall of local r from its best width to the widest network, in the paper's main architecture."""
    return fall_claim(_FALLS, label, local)


def fall_claim(statement: Statement, label: str, rows: pd.DataFrame) -> Claim:
    """The statement that r falls with width, for one curve; other architectures are in the detail."""
    grids = swept_grids(rows)
    if not grids:
        return statement.untestable(label, _TOO_FEW)
    found = {architecture_name(name): seed_interval(falls(grid)) for name, grid in grids.items()}
    (main, fall), grid = next(iter(found.items())), next(iter(grids.values()))
    trend, ranks = seed_interval(width_slopes(grid)), width_rank_correlation(grid)
    others = "; ".join(f"{name} {spelled(other)}" for name, other in found.items() if name != main)
    return statement.judged(
        label,
        f"fall of r from the best narrower width to the widest ({main}): {fall.estimate:.3f}",
        fall,
        judge_difference(fall),
        f"r is {ends_and_best(grid)}. Trend {spelled(trend, 4)} per doubling of the width; Spearman correlation "
        f"with width {spelled(ranks, 2)}. {f'Fall of the others: {others}. ' if others else ''}The best "
        f"width is chosen on the other seeds; a fall below {SMALLEST_EFFECT} does not count. Intervals over "
        f"{len(grid)} seeds, not over frames.",
    )


def small_networks(label: str, local: pd.DataFrame) -> tuple[Claim, Claim]:
    """The paper's range of widths against wider ones (mean), and against all others (best)."""
    low, high = _SMALL_WIDTHS
    name, grid = next(iter(width_grids(local).items()), (("", 0), pd.DataFrame()))
    widths = grid.columns.to_numpy(float)
    inside, wider = (widths >= low) & (widths <= high), widths > high
    if min(grid.shape) < 2 or not (inside.any() and wider.any()):
        reason = f"needs widths within {low}-{high} and above, and at least two seeds"
        return _SMALL_BETTER.untestable(label, reason), _SMALL_SUFFICE.untestable(label, reason)
    gain = seed_interval(grid.loc[:, inside].mean(axis="columns") - grid.loc[:, wider].mean(axis="columns"))
    loss = seed_interval(best_elsewhere(grid, ~inside) - best_elsewhere(grid, inside))
    detail = (
        f"Widths {', '.join(f'{w:.0f}' for w in widths[inside])} against "
        f"{', '.join(f'{w:.0f}' for w in widths[wider])}; {architecture_name(name)}; r is {ends_and_best(grid)}. "
        f"Differences below {SMALLEST_EFFECT} do not count."
    )
    statistic = f"mean local r at widths {low}-{high} less that of wider networks: {gain.estimate:.3f}"
    better = _SMALL_BETTER.judged(label, statistic, gain, judge_difference(gain), detail)
    statistic = f"best local r outside widths {low}-{high} less the best inside: {loss.estimate:.3f}"
    return better, _SMALL_SUFFICE.judged(label, statistic, loss, judge_between(loss, high=SMALLEST_EFFECT), detail)


def architectures_alike(label: str, local: pd.DataFrame) -> Claim:
    """Largest difference between architectures of local r averaged over the widths that all have."""
    grids = swept_grids(local)
    if len(grids) < 2:
        reason = "needs at least two architectures with widths and seeds"
        return _ARCHITECTURES_ALIKE.untestable(label, reason)
    common = [*set.intersection(*(set(grid.columns) for grid in grids.values()))]
    if not common:
        return _ARCHITECTURES_ALIKE.untestable(label, "the architectures have no width in common")
    averages = {name: grid[sorted(common)].mean(axis="columns") for name, grid in grids.items()}
    found = _largest_difference([values.dropna().to_numpy(float) for values in averages.values()])
    means = "; ".join(
        f"{architecture_name(name)} {values.mean():.3f}, falls by {falls(grids[name]).mean():.3f}"
        for name, values in averages.items()
    )
    return _ARCHITECTURES_ALIKE.judged(
        label,
        f"largest difference of width-averaged local r between architectures: {found.estimate:.3f}",
        found,
        judge_between(found, high=_ALIKE),
        f"Width-averaged r, and its fall to the widest network: {means}. Alike means a difference "
        f"below {_ALIKE}. The bootstrap draws seeds; a largest difference is biased upwards by their "
        "scatter.",
    )


def _largest_difference(values: Sequence[FloatArray], seed: int = 0) -> Interval:
    """Largest less smallest mean of several sets of values, with a bootstrap within each set."""
    rng = np.random.default_rng(seed)
    drawn = [[v[rng.integers(v.size, size=v.size)].mean() for v in values] for _ in range(N_RESAMPLES)]
    return percentile_interval(np.ptp(drawn, axis=1), float(np.ptp([v.mean() for v in values])))


def small_networks_cheaper(table: pd.DataFrame, rows: pd.DataFrame, elements: Elements) -> Claim:
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
            mean, cost = accurate.get(architecture, pd.DataFrame()).mean(), seconds.mean()
            if mean.size < 2 or not mean.index.equals(cost.index) or not (cost > 0.0).all():
                continue
            narrowest = mean.index[mean >= mean.max() - SMALLEST_EFFECT][0]
            name = f"{system_label(system, species)} {architecture_name(architecture)}"
            ratios[name] = float(np.log(cost.iloc[-1] / cost[narrowest]))
            chosen_widths.append(float(narrowest))
    if len(ratios) < 2:
        reason = "needs training times and validation scores of at least two architectures or systems"
        return _CHEAPER.untestable("all systems", reason)
    logs = np.array(list(ratios.values()))
    drawn = np.random.default_rng(0).integers(logs.size, size=(N_RESAMPLES, logs.size))
    logarithm = percentile_interval(logs[drawn].mean(axis=1), float(logs.mean()))
    found = Interval(*np.exp([logarithm.estimate, logarithm.low, logarithm.high]))
    cheapest, dearest = min(ratios, key=lambda k: ratios[k]), max(ratios, key=lambda k: ratios[k])
    return _CHEAPER.judged(
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
