"""Statements about the mixture against the pure liquids."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from basinet.analysis.bootstrap import Interval
from basinet.analysis.claims.members import WidthGrid, architectures, of_architecture, width_grid
from basinet.analysis.claims.table import ResultsTable, is_mixture, system_label
from basinet.analysis.claims.verdict import SMALLEST_EFFECT, Claim, Statement, judge_difference, spelled
from basinet.analysis.claims.width import own_rows
from basinet.analysis.seeds import seed_interval

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


def mixture_struggles(table: ResultsTable, rows: ResultsTable, elements: Mapping[str, tuple[str, ...]]) -> list[Claim]:
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


def main_grid(rows: ResultsTable, system: str, gauge: str) -> WidthGrid:
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


def frame_half_width(table: ResultsTable, system: str, gauge: str, grid: WidthGrid) -> float:
    """Half of the bootstrap interval over frames of the ensemble mean at its best width."""
    rows = table.select(
        experiment="sweep", model="network", split="test", seed="mean", width=int(grid.widths[grid.best()])
    )
    rows = own_rows(rows, system, "local", gauge)
    found = architectures(rows)
    if not found:
        return float("nan")
    one = of_architecture(rows, found[0])
    span = one.floats("pearson_r_high") - one.floats("pearson_r_low")
    return float(span[0] / 2.0) if span.size else float("nan")
