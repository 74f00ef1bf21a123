"""Compare direct energies by Bader's regions and by other divisions with what networks learn from totals.

    python campaigns/divisions.py campaigns/divisions/labelled.extxyz

The frames are shipped configurations calculated again, with `basinet partition --divisions voronoi hirshfeld`. Of every
division, the direct energies within frames (each species of a frame centred): Pearson's r, and in brackets the slope on

- the direct energies of Bader's regions,
- the local energies of the relation fitted to the other shipped frames,
- those of the literature's Lennard-Jones potential, which sampled the frames,
- those of ridge and of networks trained on total energies of the other shipped frames of the system, neighbours in time
  left out, too.

`positive` is the form of the kinetic energy |grad psi|^2 / 2, `laplacian` the other. Where a division moves electrons
from atom to atom it moves their energy, which holds the arbitrary zero of the potential: `less c N` is r once c times
the electrons is taken off, c (in brackets, eV) fitted to all atoms of the system. Printed as a table of Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

import basinet
from basinet.errors import InputError
from basinet.fidelity.metrics import centre_groups, local_metrics
from basinet.frames.reading import read_frames
from basinet.frames.shipped import load_isolated_atoms, load_reference
from basinet.frames.splits import by_system
from basinet.potentials.dataset import build_dataset
from basinet.potentials.pair_potential import literature_lennard_jones
from basinet.potentials.ridge import fit_ridge
from basinet.relation.fit import fit_relation

FloatArray = NDArray[np.float64]
LocalEnergies = Callable[[Atoms], FloatArray]

DIVISIONS = {  # arrays of direct energies and of electrons
    "Bader": ("REF_direct_energy", "bader_population"),
    "Voronoi, laplacian": ("voronoi_direct_energy", "voronoi_population"),
    "Voronoi, positive": ("voronoi_direct_energy_positive", "voronoi_population"),
    "Hirshfeld, laplacian": ("hirshfeld_direct_energy", "hirshfeld_population"),
    "Hirshfeld, positive": ("hirshfeld_direct_energy_positive", "hirshfeld_population"),
}


def others(system: str, frames: Sequence[Atoms]) -> list[Atoms]:
    """Shipped frames of the system that are none of these, nor next to one in time."""
    shipped = load_reference(system)
    apart = [[np.abs(atoms.positions - one.positions).max() for one in shipped] for atoms in frames]
    if np.max(np.min(apart, axis=1)) > 1e-6:
        raise InputError(f"system {system}: a frame is no shipped configuration")
    used = {int(index) + step for index in np.argmin(apart, axis=1) for step in (-1, 0, 1)}
    return [atoms for index, atoms in enumerate(shipped) if index not in used]


def compared(system: str, frames: Sequence[Atoms]) -> dict[str, LocalEnergies]:
    """Local energies that divisions are compared with, by name; ridge and networks above the isolated atoms."""
    rest = others(system, frames)
    e0 = {symbol: float(atom.info["REF_energy"]) for symbol, atom in load_isolated_atoms().items()}
    networks = basinet.train([*rest, *load_isolated_atoms().values()])
    data = build_dataset(system, rest, networks.descriptor, e0)
    ridge = fit_ridge(data)

    def of_ridge(atoms: Atoms) -> FloatArray:
        return ridge.predict(build_dataset(system, [atoms], networks.descriptor, e0))

    return {
        "Bader": lambda atoms: np.asarray(atoms.arrays["REF_direct_energy"]),
        "relation": fit_relation(rest).local_energies,
        "Lennard-Jones": literature_lennard_jones().local_energies,
        "ridge": of_ridge,
        "networks": lambda atoms: networks.local_energies(atoms).mean(axis=0),
    }


def rows(system: str, frames: Sequence[Atoms]) -> list[list[str]]:
    """Rows of the table: one for each species and division."""
    symbols = np.concatenate([atoms.get_chemical_symbols() for atoms in frames])
    frame = np.repeat(np.arange(len(frames)), [len(atoms) for atoms in frames])
    elements, species = np.unique(symbols, return_inverse=True)

    def centred(values: Sequence[FloatArray]) -> FloatArray:
        within = frame * len(elements) + species
        return centre_groups(np.concatenate(values), within, len(frames) * len(elements))

    functions = compared(system, frames)
    against = {name: centred([function(atoms) for atoms in frames]) for name, function in functions.items()}
    found: dict[str, list[list[str]]] = {element: [] for element in elements}
    for division, keys in DIVISIONS.items():
        direct, electrons = (centred([atoms.arrays[key] for atoms in frames]) for key in keys)
        for element, lines in found.items():
            own = symbols == element
            cells = [f"{element}, {system}", division, f"{1e3 * direct[own].std():.1f}"]
            for other in against.values():
                (metrics,) = local_metrics(direct[None, own], other[own], frame[own])
                cells.append(f"{metrics.pearson_r:.3f} ({metrics.slope:.2f})")
            for name in ("Bader", "networks"):
                each = np.stack([against[name], electrons], axis=1)
                per_electron = np.linalg.lstsq(each, direct, rcond=None)[0][1] if division != name else 0.0
                (metrics,) = local_metrics(
                    (direct - per_electron * electrons)[None, own], against[name][own], frame[own]
                )
                cells.append(f"{metrics.pearson_r:.3f} ({per_electron:+.0f})")
            lines.append(cells)
    return [cells for lines in found.values() for cells in lines]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", type=Path, help="extended XYZ of basinet partition --divisions voronoi hirshfeld")
    frames = read_frames(parser.parse_args().frames)
    for atoms in frames:
        if missing := sorted({key for keys in DIVISIONS.values() for key in keys} - set(atoms.arrays)):
            raise InputError(f"a frame has no {missing[0]}; use basinet partition --divisions voronoi hirshfeld")
    columns = ["atoms", "division", "spread, meV", "Bader", "relation", "Lennard-Jones", "ridge", "networks"]
    columns += ["Bader, less c N", "networks, less c N"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for system, own in by_system(frames).items():
        for cells in rows(system, own):
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"divisions: {error}")
