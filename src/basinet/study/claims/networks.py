"""Statements about networks: of different width, of the mixture beside the pure liquids, and after transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from basinet.arrays import FloatArray, IntArray
from basinet.fidelity.metrics import seed_interval
from basinet.frames.bootstrap import Interval, percentile_interval
from basinet.study.claims import members
from basinet.study.claims.members import ends_and_best
from basinet.study.claims.verdict import (
    SMALLEST_EFFECT,
    SMALLEST_RANK_CORRELATION,
    SMALLEST_RATIO,
    Claim,
    Statement,
    judge_between,
    judge_difference,
    spelled,
)
from basinet.study.tables import distinct, is_mixture, member_rows, select, system_label

_TOO_FEW = "needs at least two widths and two seeds of one architecture on test frames"
_SMALL_WIDTHS = (12, 100)  # the paper's range of widths that suffice, inclusive
_ACCURATE = 0.9  # Pearson r of total energies above which they count as accurate
_ALIKE = 0.05  # architectures whose width-averaged r differs by less than this behave alike
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
_COMMON = Statement(
    "width-scatter",
    "What the paper leaves open: where local energies are lost with width, they are lost to scatter between seeds, and "
    "what the networks have in common stays as faithful.",
    "Figs. 2 and 8",
)
_FORETOLD = Statement(
    "start-decides",
    "What the paper leaves open: where local energies are lost with width, the random start and the totals decide it "
    "before training, and the networks linearised at their start foretell it.",
    "Figs. 2 and 8",
)
_SMALL_SHARE = 0.25  # of a fall with width, that does not count beside it
LOCAL_STATEMENTS = {
    statement.key
    for statement in (
        _FALLS, _COMMON, _FORETOLD, _SMALL_BETTER, _SMALL_SUFFICE, _ARCHITECTURES_ALIKE, _LOWER, _FASTER, _LOCAL_FALLS,
        _BETTER_TRANSFER,
    )
}  # fmt: skip
"""Keys of the statements about local energies."""


def network_claims(table: pd.DataFrame, rows: pd.DataFrame, elements: members.Elements) -> list[Claim]:
    """All statements about networks, from the table of results and its members of the sweep."""
    totals = [
        (system_label(name, species), members.own_rows(rows, name, "total")) for name, species in elements.items()
    ]
    gauges = {True: {"raw": ", raw", "pair": ", pair gauge removed"}, False: {"raw": ""}}
    curves = [
        (system_label(name, species) + words, members.own_rows(rows, name, "local", gauge))
        for name, species in elements.items()
        for gauge, words in gauges[is_mixture(species)].items()
    ]
    small = [_small_networks(*curve) for curve in curves]
    return [
        *(_totals_stay_accurate(*curve) for curve in totals),
        *(_small_networks_scatter(*curve) for curve in totals),
        *(_fall_claim(_FALLS, *curve) for curve in curves),
        *(claim for name, own in elements.items() for claim in _cause_claims(table, name, system_label(name, own))),
        *_mixture_struggles(table, rows, elements),
        *(_architectures_alike(*curve) for curve in curves),
        *_transfer_claims(rows, elements),
        *(better for better, _ in small),
        *(suffice for _, suffice in small),
        _small_networks_cheaper(table, rows, elements),
    ]


def _totals_stay_accurate(label: str, total: pd.DataFrame) -> Claim:
    """The worst network architecture and width decides: its mean r must exceed 0.9 with its interval."""
    cells = {
        f"{members.architecture_name(architecture)}, width {width:.0f}": seed_interval(values)
        for architecture, grid in members.width_grids(total).items()
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
        f"Worst: {worst}; median {np.median(means):.3f}, best {means[-1]:.3f}. Accurate means r > "
        f"{_ACCURATE}. Being the lowest of many, the value is biased low: the test is a hard one.",
        judge_between(cells[worst], low=_ACCURATE),
    )


def _small_networks_scatter(label: str, total: pd.DataFrame) -> Claim:
    """Ratio of standard deviations over seeds: narrowest over widest third of the widths."""
    # Spreads at all widths are to be over the same seeds.
    grids = {name: grid.dropna() for name, grid in members.width_grids(total).items()}
    grids = {name: grid for name, grid in grids.items() if len(grid) >= 3 and grid.shape[1] >= 2}
    if not grids:
        return _SCATTER.untestable(label, "needs at least three seeds at two widths")
    main, first = next(iter(grids.items()))
    ratio, spreads = _scatter_ratio([grid.to_numpy(float) for grid in grids.values()]), members.spread(first)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = Interval(*np.log([ratio.estimate, ratio.low, ratio.high]))
    return _SCATTER.judged(
        label,
        f"scatter of total r between seeds, narrowest third over widest third: {ratio.estimate:.2f}",
        ratio,
        f"Standard deviation of r over seeds, {members.architecture_name(main)}: {spreads.iloc[0]:.4f} at width "
        f"{first.columns[0]:.0f}, {spreads.iloc[-1]:.4f} at width {first.columns[-1]:.0f}. A ratio below "
        f"{SMALLEST_RATIO} does not count. The bootstrap draws seeds.",
        judge_difference(logarithm, float(np.log(SMALLEST_RATIO))),
    )


def _scatter_ratio(grids: Sequence[FloatArray]) -> Interval:
    """Geometric mean over architectures of the scatter of narrow widths over that of wide ones."""

    def statistic(values: Sequence[FloatArray]) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):  # a resample of one seed only has no spread: nan
            spreads = [np.log(one.std(axis=0, ddof=1)) for one in values]
            thirds = [max(1, one.size // 3) for one in spreads]
            ratios = [one[:third].mean() - one[-third:].mean() for one, third in zip(spreads, thirds, strict=True)]
            return float(np.exp(np.mean(ratios)))

    rng = np.random.default_rng(0)
    samples = [statistic([g[rng.integers(len(g), size=len(g))] for g in grids]) for _ in range(members.N_RESAMPLES)]
    return percentile_interval(samples, statistic(grids))


def _cause_claims(table: pd.DataFrame, system: str, label: str) -> list[Claim]:
    """What becomes of the fall of r, in the parametrisation whose networks (tanh, one hidden layer) fall most.

    That of r over the root of the networks' agreement (`basinet.fidelity.metrics.agreement`), and that of the same
    networks linearised at their start (`basinet.potentials.tangent`).
    """

    def grids(experiments: Sequence[str], model: str, quantity: str = "pearson_r") -> dict[str, pd.DataFrame]:
        rows = members.sweep_members(table, experiments=experiments, model=model)
        rows = members.of_architecture(members.own_rows(rows, system, "local"), ("tanh", 1))
        rows = select(rows, initial_scale=(*scales, None))
        kinds = distinct(rows, "parametrisation")
        found = {kind: members.width_grid(select(rows, parametrisation=kind), quantity) for kind in kinds}
        return {kind: grid for kind, grid in found.items() if min(grid.shape) >= 2}

    scales = distinct(members.sweep_members(table, experiments=("sweep", "parametrisation")), "initial_scale")
    trained = grids(("sweep", "parametrisation"), "network")
    if not trained:
        return [statement.untestable(label, _TOO_FEW) for statement in (_COMMON, _FORETOLD)]
    kind = max(trained, key=lambda name: members.falls(trained[name]).mean())
    grid, falls = trained[kind], members.falls(trained[kind])
    fall = seed_interval(falls)
    if judge_difference(fall) != "supported":
        reason = f"local fidelity does not fall with width in any parametrisation here: most {spelled(fall)} ({kind})"
        return [statement.untestable(label, reason) for statement in (_COMMON, _FORETOLD)]
    subject = f"{label}, {kind.replace('_', ' ')}"
    shared = grids(("sweep", "parametrisation"), "network", "agreement").get(kind, pd.DataFrame())
    lazy = grids(("linearised",), "linearised").get(kind, pd.DataFrame())
    return [
        _common_claim(subject, grid, fall, shared.reindex_like(grid)),
        _foretold_claim(subject, falls, lazy.reindex_like(grid)),
    ]


def _common_claim(subject: str, grid: pd.DataFrame, fall: Interval, shared: pd.DataFrame) -> Claim:
    if not (shared > 0.0).all(axis=None):
        return _COMMON.untestable(subject, "networks of different seeds have nothing in common, or it is not known")
    common = grid / shared**0.5
    left = seed_interval(members.falls(common))
    return _COMMON.judged(
        subject,
        f"fall of r with width: {fall.estimate:.3f} of single networks, {left.estimate:.3f} of their part in common",
        left,
        f"r of single networks is {ends_and_best(grid)}, a fall of {spelled(fall)}; with networks of other seeds they "
        f"correlate by q: {ends_and_best(shared)}. r / √q, that of the part in common (Spearman 1904), is "
        f"{ends_and_best(common)}. As faithful means a fall below a quarter of that of single networks. Intervals over "
        "seeds.",
        judge_between(left, high=_SMALL_SHARE * fall.estimate),
    )


def _foretold_claim(subject: str, falls: pd.Series[float], lazy: pd.DataFrame) -> Claim:
    if lazy.isna().any(axis=None):
        return _FORETOLD.untestable(subject, "needs the same networks linearised at their start")
    foretold = members.falls(lazy)
    apart, fall = seed_interval(falls - foretold), seed_interval(falls)
    return _FORETOLD.judged(
        subject,
        f"fall of r with width: {fall.estimate:.3f} of trained networks, {foretold.mean():.3f} foretold by their start",
        apart,
        f"Linearised at their start and fitted to the same totals in closed form, without training, r is "
        f"{ends_and_best(lazy)}, a fall of {spelled(seed_interval(foretold))} beside {spelled(fall)} of trained "
        f"networks; seed by seed they differ by {spelled(apart)}. To foretell means to miss the fall by less than a "
        "quarter. Intervals over seeds.",
        judge_between(apart, low=-_SMALL_SHARE * fall.estimate, high=_SMALL_SHARE * fall.estimate),
    )


def _fall_claim(statement: Statement, label: str, rows: pd.DataFrame) -> Claim:
    """The statement that r falls with width, for one curve; other architectures are in the detail."""
    grids = members.swept_grids(rows)
    if not grids:
        return statement.untestable(label, _TOO_FEW)
    found = {members.architecture_name(name): seed_interval(members.falls(grid)) for name, grid in grids.items()}
    (main, fall), grid = next(iter(found.items())), next(iter(grids.values()))
    trend, ranks = seed_interval(members.width_slopes(grid)), members.width_rank_correlation(grid)
    others = "; ".join(f"{name} {spelled(other)}" for name, other in found.items() if name != main)
    return statement.judged(
        label,
        f"fall of r from the best narrower width to the widest ({main}): {fall.estimate:.3f}",
        fall,
        f"r is {ends_and_best(grid)}. Trend {spelled(trend, 4)} per doubling of the width; Spearman correlation "
        f"with width {spelled(ranks, 2)}. {f'Fall of the others: {others}. ' if others else ''}The best "
        f"width is chosen on the other seeds; a fall below {SMALLEST_EFFECT} does not count. Intervals over "
        f"{len(grid)} seeds, not over frames.",
    )


def _small_networks(label: str, local: pd.DataFrame) -> tuple[Claim, Claim]:
    """The paper's range of widths against wider ones (mean), and against all others (best)."""
    low, high = _SMALL_WIDTHS
    name, grid = next(iter(members.width_grids(local).items()), (("", 0), pd.DataFrame()))
    widths = grid.columns.to_numpy(float)
    inside, wider = (widths >= low) & (widths <= high), widths > high
    if min(grid.shape) < 2 or not (inside.any() and wider.any()):
        reason = f"needs widths within {low}-{high} and above, and at least two seeds"
        return _SMALL_BETTER.untestable(label, reason), _SMALL_SUFFICE.untestable(label, reason)
    gain = seed_interval(grid.loc[:, inside].mean(axis="columns") - grid.loc[:, wider].mean(axis="columns"))
    loss = seed_interval(members.best_elsewhere(grid, ~inside) - members.best_elsewhere(grid, inside))
    detail = (
        f"Widths {', '.join(f'{w:.0f}' for w in widths[inside])} against "
        f"{', '.join(f'{w:.0f}' for w in widths[wider])}; {members.architecture_name(name)}; r is "
        f"{ends_and_best(grid)}. Differences below {SMALLEST_EFFECT} do not count."
    )
    statistic = f"mean local r at widths {low}-{high} less that of wider networks: {gain.estimate:.3f}"
    better = _SMALL_BETTER.judged(label, statistic, gain, detail)
    statistic = f"best local r outside widths {low}-{high} less the best inside: {loss.estimate:.3f}"
    return better, _SMALL_SUFFICE.judged(label, statistic, loss, detail, judge_between(loss, high=SMALLEST_EFFECT))


def _architectures_alike(label: str, local: pd.DataFrame) -> Claim:
    """Largest difference between architectures of local r averaged over the widths that all have."""
    grids = members.swept_grids(local)
    if len(grids) < 2:
        reason = "needs at least two architectures with widths and seeds"
        return _ARCHITECTURES_ALIKE.untestable(label, reason)
    common = [*set.intersection(*(set(grid.columns) for grid in grids.values()))]
    if not common:
        return _ARCHITECTURES_ALIKE.untestable(label, "the architectures have no width in common")
    averages = {name: grid[sorted(common)].mean(axis="columns") for name, grid in grids.items()}
    values = [average.dropna().to_numpy(float) for average in averages.values()]
    rng = np.random.default_rng(0)
    drawn = [[v[rng.integers(v.size, size=v.size)].mean() for v in values] for _ in range(members.N_RESAMPLES)]
    found = percentile_interval(np.ptp(drawn, axis=1), float(np.ptp([v.mean() for v in values])))
    means = "; ".join(
        f"{members.architecture_name(name)} {average.mean():.3f}, falls by {members.falls(grids[name]).mean():.3f}"
        for name, average in averages.items()
    )
    return _ARCHITECTURES_ALIKE.judged(
        label,
        f"largest difference of width-averaged local r between architectures: {found.estimate:.3f}",
        found,
        f"Width-averaged r, and its fall to the widest network: {means}. Alike means a difference "
        f"below {_ALIKE}. The bootstrap draws seeds; a largest difference is biased upwards by their "
        "scatter.",
        judge_between(found, high=_ALIKE),
    )


def _small_networks_cheaper(table: pd.DataFrame, rows: pd.DataFrame, elements: members.Elements) -> Claim:
    """CPU time of the widest network over that of the narrowest one that is as accurate on validation frames.

    One ratio per system and architecture; the interval of their geometric mean comes from resampling these.
    """
    swept = select(table, experiment="sweep", model="network", split="validation", transferred=False, target="total")
    scores = member_rows(swept)
    ratios: dict[str, float] = {}
    chosen_widths: list[float] = []
    for system, species in elements.items():
        accurate = members.width_grids(select(scores, test_system=system))
        for architecture, seconds in members.width_grids(
            members.own_rows(rows, system, "total"), "train_seconds"
        ).items():
            mean, cost = accurate.get(architecture, pd.DataFrame()).mean(), seconds.mean()
            if mean.size < 2 or not mean.index.equals(cost.index) or not (cost > 0.0).all():
                continue
            narrowest = mean.index[mean >= mean.max() - SMALLEST_EFFECT][0]
            name = f"{system_label(system, species)} {members.architecture_name(architecture)}"
            ratios[name] = float(np.log(cost.iloc[-1] / cost[narrowest]))
            chosen_widths.append(float(narrowest))
    if len(ratios) < 2:
        reason = "needs training times and validation scores of at least two architectures or systems"
        return _CHEAPER.untestable("all systems", reason)
    logs = np.array(list(ratios.values()))
    drawn = np.random.default_rng(0).integers(logs.size, size=(members.N_RESAMPLES, logs.size))
    logarithm = percentile_interval(logs[drawn].mean(axis=1), float(logs.mean()))
    found = Interval(*np.exp([logarithm.estimate, logarithm.low, logarithm.high]))
    cheapest, dearest = min(ratios, key=lambda k: ratios[k]), max(ratios, key=lambda k: ratios[k])
    return _CHEAPER.judged(
        "all systems",
        f"CPU time to train, widest network over the narrowest as accurate: {found.estimate:.2f}",
        found,
        f"{logs.size} pairs of system and architecture; narrowest width within {SMALLEST_EFFECT} of the "
        f"best total r on validation frames: {min(chosen_widths):.0f} to {max(chosen_widths):.0f}. "
        f"Ratios from {np.exp(ratios[cheapest]):.2f} ({cheapest}) to {np.exp(ratios[dearest]):.2f} "
        f"({dearest}). Training time of these networks on these processors, early stopping included; "
        "ease of deployment was not measured.",
        judge_difference(logarithm, float(np.log(SMALLEST_RATIO))),
    )


def _mixture_struggles(table: pd.DataFrame, rows: pd.DataFrame, elements: members.Elements) -> list[Claim]:
    """Best r and fall of r, mixture against the pure liquids; raw and with the pair gauge removed."""
    mixtures = [system for system, species in elements.items() if is_mixture(species)]
    pure = {
        system: _main_grid(members.own_rows(rows, system, "local")) for system in elements if system not in mixtures
    }
    pure = {system: grid for system, grid in pure.items() if min(grid.shape) >= 2}
    if not mixtures or not pure:
        reason = "needs a mixture and at least one pure system with two widths and two seeds"
        return [_LOWER.untestable("mixture", reason), _FASTER.untestable("mixture", reason)]
    noise = {system: _frame_half_width(table, system, "raw", grid) for system, grid in pure.items()}
    lower, faster = [], []
    for system in mixtures:
        for gauge, words in (("raw", "raw"), ("pair", "pair gauge removed")):
            label = f"{system_label(system, elements[system])}, {words}"
            grid = _main_grid(members.own_rows(rows, system, "local", gauge))
            if min(grid.shape) < 2:
                reason = f"no two widths and seeds with gauge {gauge}"
                lower.append(_LOWER.untestable(label, reason))
                faster.append(_FASTER.untestable(label, reason))
                continue
            own = _frame_half_width(table, system, gauge, grid)
            gaps = {
                name: _difference(members.best_elsewhere(one), members.best_elsewhere(grid), noise[name], own)
                for name, one in pure.items()
            }
            lower.append(_lower_claim(label, grid, pure, gaps))
            faster.append(_faster_claim(label, grid, pure))
    return lower + faster


def _main_grid(rows: pd.DataFrame) -> pd.DataFrame:
    return next(iter(members.width_grids(rows).values()), pd.DataFrame())


def _lower_claim(
    label: str, mixture: pd.DataFrame, pure: Mapping[str, pd.DataFrame], gaps: Mapping[str, Interval]
) -> Claim:
    nearest = min(gaps, key=lambda name: gaps[name].estimate)
    bests = "; ".join(f"{system_label(name)} {ends_and_best(grid)}" for name, grid in pure.items())
    return _LOWER.judged(
        label,
        f"best local r of {system_label(nearest)} less that of the mixture: {gaps[nearest].estimate:.3f}",
        gaps[nearest],
        f"Mixture: r is {ends_and_best(mixture)}. Pure: {bests}. The pure liquid that is nearest to the mixture "
        "decides. The interval joins seeds and the choice of test frames (bootstrap intervals of the "
        f"ensemble means). A difference below {SMALLEST_EFFECT} does not count.",
    )


def _faster_claim(label: str, mixture: pd.DataFrame, pure: Mapping[str, pd.DataFrame]) -> Claim:
    """Fall of r of the mixture less the largest fall of a pure liquid.

    Both ends of each fall share the frames, whose noise cancels to first order.
    """
    differences = {name: _difference(members.falls(mixture), members.falls(grid)) for name, grid in pure.items()}
    nearest = min(differences, key=lambda name: differences[name].estimate)
    found = differences[nearest]
    pures = "; ".join(
        f"{system_label(name)} falls by {spelled(seed_interval(members.falls(grid)))}" for name, grid in pure.items()
    )
    return _FASTER.judged(
        label,
        f"fall of local r (best narrower to widest), mixture less {system_label(nearest)}: {found.estimate:.3f}",
        found,
        f"Mixture: falls by {spelled(seed_interval(members.falls(mixture)))}; r is {ends_and_best(mixture)}. "
        f"{pures}. The pure liquid that falls most decides. Intervals over seeds, not over frames; a difference below "
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
    rows = select(members.own_rows(table, system, "local", gauge), experiment="sweep", model="network", split="test")
    rows = select(rows, seed="mean", width=grid.columns[int(grid.mean().argmax())])
    for architecture in members.architectures(rows)[:1]:
        mean = members.of_architecture(rows, architecture).iloc[0]
        return float(mean["pearson_r_high"] - mean["pearson_r_low"]) / 2.0
    return float("nan")


def _transfer_claims(rows: pd.DataFrame, elements: members.Elements) -> list[Claim]:
    cases = members.transfers(rows, elements)
    if not cases:
        reason = "no transferred models in this study: it takes a mixture and the pure systems of its elements"
        statements = (_TOTAL_FALLS, _LOCAL_FALLS, _TANH, _BETTER_TRANSFER)
        return [statement.untestable("transfer", reason) for statement in statements]
    moved = {
        target: {label: members.moved_rows(rows, *pair, target) for label, pair in cases.items()}
        for target in ("total", "local")
    }
    return [
        *(_fall_claim(_TOTAL_FALLS, label, found) for label, found in moved["total"].items()),
        *(_fall_claim(_LOCAL_FALLS, label, found) for label, found in moved["local"].items()),
        *(_tanh_transfers_longer(label, found) for label, found in moved["total"].items()),
        *(
            _better_local_transfers_better(f"{label}, {target}", target, *members.paired_fidelity(rows, *pair, target))
            for label, pair in cases.items()
            for target in moved
        ),
    ]


def _tanh_transfers_longer(label: str, moved: pd.DataFrame) -> Claim:
    """Transferred total r, tanh less linear, averaged over the widths they share and over depths."""
    by_depth: dict[int, pd.Series[float]] = {}
    for depth in distinct(moved, "depth"):
        tanh, linear = (
            members.width_grid(members.of_architecture(moved, (kind, depth))) for kind in ("tanh", "linear")
        )
        gain = (tanh - linear).mean(axis="columns").dropna()
        if gain.size >= 2:
            by_depth[depth] = gain
    if not by_depth:
        return _TANH.untestable(label, "needs tanh and linear networks of equal depth, widths and two seeds")
    found = seed_interval(pd.concat(by_depth, axis="columns", join="inner").mean(axis="columns"))
    each = "; ".join(f"depth {depth}: {spelled(seed_interval(gain))}" for depth, gain in by_depth.items())
    return _TANH.judged(
        label,
        f"transferred total r averaged over widths, tanh less linear: {found.estimate:.3f}",
        found,
        f"{each}. Equal widths and equal weight of every width; intervals over seeds, not over "
        f"frames; a difference below {SMALLEST_EFFECT} does not count.",
    )


def _better_local_transfers_better(
    label: str, target: str, home: FloatArray, moved: FloatArray, models: list[tuple[str, int, int]]
) -> Claim:
    """Spearman correlation over all models of local r at home with transferred r."""
    if len(set(models)) < 3 or not np.isfinite(members.spearman(home, moved)):
        return _BETTER_TRANSFER.untestable(label, "needs models of at least three architectures")
    _, cluster = np.unique([str(model) for model in models], return_inverse=True)
    found = _clustered_spearman(home, moved, cluster)
    ranks = pd.DataFrame({"home": home, "moved": moved}).groupby(cluster).rank()
    ranks -= ranks.groupby(cluster).transform("mean")  # what remains when clusters are made equal
    within = members.spearman(ranks["home"].to_numpy(float), ranks["moved"].to_numpy(float))
    return _BETTER_TRANSFER.judged(
        label,
        f"Spearman correlation of local r at home with transferred {target} r: {spelled(found, 2)}",
        found,
        f"{len(home)} models of {cluster.max() + 1} architectures and widths. Members of one "
        "architecture are alike, so the bootstrap draws whole architectures; a correlation "
        "between architectures need not be a cause. Between the seeds of one architecture it "
        f"is {within:.2f}. Correlations below {SMALLEST_RANK_CORRELATION} do not count.",
        judge_difference(found, SMALLEST_RANK_CORRELATION),
    )


def _clustered_spearman(x: FloatArray, y: FloatArray, cluster: IntArray) -> Interval:
    count = np.bincount(cluster)
    drawn = np.random.default_rng(0).integers(count.size, size=(members.N_RESAMPLES, count.size))
    padded = np.full((2, count.size, count.max()), np.nan)
    for number in range(count.size):
        padded[:, number, : count[number]] = x[cluster == number], y[cluster == number]
    samples = members.spearman(*padded[:, drawn].reshape(2, members.N_RESAMPLES, -1))
    return percentile_interval(samples, float(members.spearman(x, y)))
