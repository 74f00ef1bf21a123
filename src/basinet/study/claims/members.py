"""Correlations of the members of ensembles by seed and width, and their statistics.

Members that carry the same seed number draw their initial weights from one stream, whatever their width, so every
contrast is formed within a seed, and Student's t of the seeds' contrasts gives the interval (a percentile bootstrap of
4 to 8 blocks would be too narrow). Statistics that are no means over seeds (ranks, spreads) come from a bootstrap that
draws whole seeds. Neither covers the order of minibatches or the choice of the test frames, which all members share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from basinet.arrays import FloatArray
from basinet.fidelity.seeds import seed_interval
from basinet.frames.bootstrap import Interval, percentile_interval
from basinet.study.claims.table import ResultsTable

Architecture = tuple[str, int]

N_RESAMPLES = 500


@dataclass(frozen=True)
class WidthGrid:
    """A quantity of every member: ``values`` (n_seeds, n_widths), nan where missing, widths ascending."""

    widths: FloatArray
    values: FloatArray

    @property
    def testable(self) -> bool:
        """Whether there are at least two widths and two seeds."""
        return self.widths.size >= 2 and len(self.values) >= 2

    def mean(self) -> FloatArray:
        """(n_widths,) mean over members."""
        present = np.isfinite(self.values)
        total = np.where(present, self.values, 0.0).sum(axis=0)
        return np.asarray(np.where(present.any(axis=0), total / np.maximum(present.sum(axis=0), 1), np.nan))

    def spread(self) -> FloatArray:
        """(n_widths,) standard deviation over members; 0 where there is one member only."""
        present = np.isfinite(self.values)
        squares = np.where(present, self.values - self.mean(), 0.0) ** 2
        return np.asarray(np.sqrt(squares.sum(axis=0) / np.maximum(present.sum(axis=0) - 1, 1)))

    def over_widths(self, chosen: NDArray[np.bool_]) -> FloatArray:
        """(n_seeds,) mean over the chosen widths (n_widths,); nan where there is no value."""
        return WidthGrid(np.arange(len(self.values), dtype=np.float64), self.values[:, chosen].T).mean()

    def best(self) -> int:
        """Index of the width with the highest mean."""
        return int(np.nanargmax(self.mean()))

    def cross_fitted_best(self, chosen: NDArray[np.bool_] | None = None) -> FloatArray:
        """(n_seeds,) each seed's value at the width that is best on average over the other seeds.

        Choosing the best width and measuring it on the same members would favour whichever width was lucky.
        ``chosen`` (n_widths,) restricts the choice.
        """
        present = np.isfinite(self.values)
        filled = np.where(present, self.values, 0.0)
        others = present.sum(axis=0) - present
        means = np.where(others > 0, (filled.sum(axis=0) - filled) / np.maximum(others, 1), -np.inf)
        if chosen is not None:
            means = np.where(chosen, means, -np.inf)
        index = means.argmax(axis=1)
        return np.asarray(self.values[np.arange(len(self.values)), index])

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


def sweep_members(table: ResultsTable) -> ResultsTable:
    """Single networks of the sweep on test frames; standard parametrisation, main descriptor."""
    rows = table.select(experiment="sweep", model="network", split="test").members()
    rows = rows.select(parametrisation=("standard", None))
    for name in ("rcut", "twojmax", "definition"):
        rows = rows.select(**{name: rows.most_common(name)})
    return rows


def width_grid(rows: ResultsTable, quantity: str = "pearson_r") -> WidthGrid:
    """The quantity of rows that differ in width and seed only; of duplicates the last counts."""
    widths, seeds = rows.distinct("width"), rows.distinct("seed")
    values = np.full((len(seeds), len(widths)), np.nan)
    column_of = {width: i for i, width in enumerate(widths)}
    row_of = {seed: i for i, seed in enumerate(seeds)}
    for seed, width, value in zip(rows.column("seed"), rows.column("width"), rows.floats(quantity), strict=True):
        if width is not None:
            values[row_of[seed], column_of[width]] = value
    kept = np.isfinite(values).any(axis=0)
    return WidthGrid(np.array(widths, dtype=np.float64)[kept], values[:, kept])


def architectures(rows: ResultsTable) -> list[Architecture]:
    """Activation and depth of the networks, tanh with one hidden layer (the paper's main one) first."""
    found = {
        (str(a), int(d))
        for a, d in zip(rows.column("activation"), rows.column("depth"), strict=True)
        if a and d is not None
    }
    return sorted(found, key=lambda item: (item != ("tanh", 1), item))


def architecture_name(architecture: Architecture) -> str:
    """Such as ``tanh, 2 layers``."""
    activation, depth = architecture
    return f"{activation}, {depth} layer{'s' if depth != 1 else ''}"


def of_architecture(rows: ResultsTable, architecture: Architecture) -> ResultsTable:
    """Rows of one architecture."""
    return rows.select(activation=architecture[0], depth=architecture[1])


def ranks(values: FloatArray) -> FloatArray:
    """Ranks from 0; equal values share their mean rank."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count + 1) / 2.0)[inverse], dtype=np.float64)


def spearman(x: FloatArray, y: FloatArray) -> float:
    """Spearman's rank correlation; nan for fewer than three values or a constant."""
    if x.size < 3 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return float("nan")
    first, second = (ranks(values) - (x.size - 1) / 2.0 for values in (x, y))
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def width_rank_correlation(grid: WidthGrid, seed: int = 0) -> Interval:
    """Spearman correlation of the quantity with width over all members; the bootstrap draws whole seeds."""

    def statistic(values: FloatArray) -> float:
        present = np.isfinite(values)
        widths = np.broadcast_to(grid.widths, values.shape)
        return spearman(widths[present], values[present])

    drawn = np.random.default_rng(seed).integers(len(grid.values), size=(N_RESAMPLES, len(grid.values)))
    return percentile_interval([statistic(grid.values[index]) for index in drawn], statistic(grid.values))
