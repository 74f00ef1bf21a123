"""Do two samplings of one liquid agree? Relation, g(r) and local DFT energies of two files of labelled frames.

    python campaigns/compare.py aimd.extxyz src/basinet/frames/data/ar32.extxyz --out docs/figures/aimd_argon.png

The second file is the yardstick: its relation gives the local DFT energies of both, and, resampled, what chance makes
of each difference. The frames of a trajectory remember each other, so the first file is worth fewer frames than it has
(n_eff, from the autocorrelation of its electrostatic energy about the mean of the second file). That many are drawn
from the second file, with replacement, and compared with as many as it has, drawn in the same way, 400 times over; a
difference beyond the 95 % quantile of these is marked, being more than chance. Where something forgets faster than the
electrostatic energy does, as g(r), less would be chance than is said. Frames must be of one composition, those of the
first file in the order of time and equally spaced.

g(r): int |g - g'| dr / int g' dr. Local energies: means, standard deviations, and the Wasserstein distance of the two
distributions (the mean distance that energy has to be moved by to turn one into the other), all in meV.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from basinet.errors import InputError
from basinet.files import atomic_write
from basinet.frames.labels import frame_energies
from basinet.frames.neighbours import species_pairs
from basinet.frames.reading import read_frames
from basinet.md.statistics import autocorrelation, effective_number
from basinet.md.structure import half_box, pair_distribution
from basinet.plotting import BLACK, BLUE, canvas, rc_context, render
from basinet.relation.fit import fit_relation
from basinet.relation.relation import Relation

FloatArray = NDArray[np.float64]

DRAWS = 400
QUANTILE = 0.95
WIDTH = 0.1
"""A: width of the bins of g(r)."""


@dataclass(frozen=True)
class Frames:
    """What is compared of a set of frames, one row for each.

    Attributes
    ----------
    electrostatic, rest
        E_es and E_rest, eV per atom.
    residuals
        Of the yardstick's relation, meV per atom.
    local
        Local DFT energies by the yardstick's relation, meV per atom and element: shape (n_frames, n_atoms).
    pairs
        g(r) of each frame and pair of elements: shape (n_frames, n_bins).
    """

    electrostatic: FloatArray
    rest: FloatArray
    residuals: FloatArray
    local: dict[str, FloatArray]
    pairs: dict[str, FloatArray]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.residuals)

    def __getitem__(self, index: NDArray[np.intp]) -> Frames:
        """Some of the frames."""
        return Frames(
            self.electrostatic[index],
            self.rest[index],
            self.residuals[index],
            {name: values[index] for name, values in self.local.items()},
            {name: values[index] for name, values in self.pairs.items()},
        )

    @property
    def slope(self) -> float:
        """Slope of the line through these frames alone; NaN where they are all the same."""
        deviations = self.electrostatic - self.electrostatic.mean()
        squares = float(deviations @ deviations)
        return float(deviations @ self.rest) / squares if squares > 0.0 else np.nan

    def worth(self, mean: float) -> int:
        """As many independent frames as these are worth, at least two; `mean` of E_es is known better from others."""
        correlation = autocorrelation(self.electrostatic, mean)
        return max(2, int(effective_number(correlation, 1.0, 1.0, len(self))))


def measured(frames: Sequence[Atoms], relation: Relation, reach: float) -> Frames:
    """Gather what is compared."""
    energies = frame_energies(frames)
    elements = sorted(set(frames[0].get_chemical_symbols()))
    local = [(atoms.symbols, 1e3 * relation.local_energies(atoms)) for atoms in frames]
    return Frames(
        energies.electrostatic / energies.n_atoms,
        (energies.total - energies.electrostatic) / energies.n_atoms,
        1e3 * relation.energy_residuals(energies) / energies.n_atoms,
        {element: np.array([values[symbols == element] for symbols, values in local]) for element in elements},
        {
            f"{a}-{b}": np.array([pair_distribution([one], a, b, reach=reach, width=WIDTH).values for one in frames])
            for a, b in species_pairs(elements)
        },
    )


Statistic = Callable[[Frames, Frames], float]


def statistics(frames: Frames) -> dict[str, Statistic]:
    """Differences of two sets of frames, by name."""
    found: dict[str, Statistic] = {
        "slope of E_rest over E_es": lambda one, other: one.slope - other.slope,
        "mean less the line, meV/atom": lambda one, other: float(one.residuals.mean() - other.residuals.mean()),
        "E_es, meV/atom": lambda one, other: 1e3 * float(one.electrostatic.mean() - other.electrostatic.mean()),
    }
    for pair in frames.pairs:

        def apart(one: Frames, other: Frames, pair: str = pair) -> float:
            mean, yardstick = one.pairs[pair].mean(axis=0), other.pairs[pair].mean(axis=0)
            return 100.0 * float(np.abs(mean - yardstick).sum() / yardstick.sum())

        found[f"g(r) of {pair}, %"] = apart
    for element in frames.local:

        def mean(one: Frames, other: Frames, element: str = element) -> float:
            return float(one.local[element].mean() - other.local[element].mean())

        def spread(one: Frames, other: Frames, element: str = element) -> float:
            return float(one.local[element].std() - other.local[element].std())

        def distance(one: Frames, other: Frames, element: str = element) -> float:
            return float(wasserstein_distance(one.local[element].ravel(), other.local[element].ravel()))

        found |= {
            f"local energies of {element}, mean, meV": mean,
            f"local energies of {element}, spread, meV": spread,
            f"local energies of {element}, distance, meV": distance,
        }
    return found


def by_chance(frames: Frames, worth: int, statistic: Statistic) -> float:
    """What as many frames of the yardstick differ from it by, drawn again and again: the 95 % quantile."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS):
        few, all_of_them = (frames[rng.integers(len(frames), size=size)] for size in (worth, len(frames)))
        found.append(abs(statistic(few, all_of_them)))
    return float(np.nanquantile(found, QUANTILE))


def figure(one: Frames, other: Frames, worth: int, relation: Relation, names: tuple[str, str], reach: float) -> bytes:
    """Relation, g(r) and local energies of both, as PNG."""
    columns = 1 + len(one.pairs) + len(one.local)
    title = f"{names[0]} and {names[1]}: the same relation, liquid and local energies?"
    footer = f"{len(one)} frames, worth {worth}, and {len(other)}; the line is fitted to {names[1]}"
    with rc_context():
        page = canvas(title, footer, (3.0 * columns, 3.2))
        axes = page.subplots(1, columns, squeeze=False)[0]
        mean = other.electrostatic.mean(), other.rest.mean()
        for frames, colour, name in ((other, BLACK, names[1]), (one, BLUE, names[0])):
            x, y = 1e3 * (frames.electrostatic - mean[0]), 1e3 * (frames.rest - mean[1])
            axes[0].plot(x, y, "o", color=colour, ms=2.5, alpha=0.6, lw=0, label=name)
        ends = np.array(axes[0].get_xlim())
        axes[0].plot(ends, relation.slope * ends, color=BLACK, lw=0.8, zorder=0)
        axes[0].set_xlabel("E_es less its mean (meV/atom)")
        axes[0].set_ylabel("E_rest less its mean (meV/atom)")
        axes[0].legend()
        for axis, pair in zip(axes[1:], one.pairs, strict=False):
            bins = one.pairs[pair].shape[1]
            middles = (np.arange(bins) + 0.5) * reach / bins
            axis.plot(middles, other.pairs[pair].mean(axis=0), color=BLACK, lw=1.0, label=names[1])
            axis.plot(middles, one.pairs[pair].mean(axis=0), color=BLUE, label=names[0])
            axis.set_xlim(left=2.5)
            axis.set_xlabel("r (Å)")
            axis.set_ylabel(f"g(r), {pair}")
        for axis, element in zip(axes[1 + len(one.pairs) :], one.local, strict=True):
            centre = other.local[element].mean()
            edges = np.histogram_bin_edges(other.local[element].ravel() - centre, 40)
            for frames, colour in ((other, BLACK), (one, BLUE)):
                values = frames.local[element].ravel() - centre
                axis.hist(values, edges, density=True, histtype="step", color=colour)
            axis.set_xlabel(f"local energy of {element}, centred (meV)")
            axis.set_ylabel("density (1/meV)")
        return render(page)[0]


def read_pair(options: argparse.Namespace) -> tuple[list[Atoms], list[Atoms]]:
    """Read both files, and refuse what cannot be compared."""
    if options.skip < 0:
        raise InputError(f"--skip {options.skip}: give a number of frames")
    pair = read_frames(options.frames)[options.skip :], read_frames(options.yardstick)
    for path, frames in zip((options.frames, options.yardstick), pair, strict=True):
        if len(frames) < 3:
            raise InputError(f"{path}: {len(frames)} frames are left, too few to compare")
        for index, atoms in enumerate(frames):
            here, there = atoms.symbols.formula.count(), pair[1][0].symbols.formula.count()
            if here != there or not atoms.pbc.all():
                raise InputError(f"{path}, frame {index}: {atoms.symbols} is not the periodic liquid of the others")
    return pair


def main() -> None:
    """Compare two files of frames."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", type=Path)
    parser.add_argument("yardstick", type=Path)
    parser.add_argument("--names", nargs=2, default=("AIMD", "classical"))
    parser.add_argument("--skip", type=int, default=0, help="frames left out at the start of the first file")
    parser.add_argument("--out", type=Path, help="PNG of the figure")
    options = parser.parse_args()
    first, second = read_pair(options)
    relation = fit_relation(second)  # offsets of elements, which isolated atoms would pin, cancel in all differences
    reach = WIDTH * np.floor(half_box([*first, *second]) / WIDTH)
    one, other = (measured(frames, relation, reach) for frames in (first, second))
    worth = one.worth(other.electrostatic.mean())
    print(f"{options.names[0]}: {len(one)} frames, worth {worth}; {options.names[1]}: {len(other)} frames")
    print(f"slopes {one.slope:.4f} and {other.slope:.4f}; scatter about the line of {options.names[1]}: "
          f"{one.residuals.std():.3f} and {other.residuals.std():.3f} meV/atom")  # fmt: skip
    print(f"{'difference':42s} {'measured':>9s} {'by chance':>9s}")
    for name, statistic in statistics(one).items():
        chance = by_chance(other, worth, statistic)
        value = statistic(one, other)
        print(f"{name:42s} {value:9.4f} {chance:9.4f}{'  *' if abs(value) > chance else ''}")
    if options.out:
        with atomic_write(options.out, "wb") as stream:
            stream.write(figure(one, other, worth, relation, tuple(options.names), reach))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"compare: {error}")
