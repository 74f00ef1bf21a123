"""Atomic energies from density-functional theory, and the machine-learned potentials that should reproduce them.

>>> import basinet
>>> frames = basinet.load_reference("ar")
>>> relation = basinet.fit_relation(frames)
>>> local = relation.local_energies(frames[0])  # eV, one per atom
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from basinet.density.basins import Basins, integrate_basins
    from basinet.density.local_energies import LocalEnergies, direct_energies, local_hartree_energies
    from basinet.density.potential import hartree_potential
    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.errors import InputError
    from basinet.fidelity.score import score
    from basinet.fidelity.scoring import evaluate
    from basinet.frames.reading import read_frames, write_frames
    from basinet.frames.shipped import load_isolated_atoms, load_reference
    from basinet.potentials.calculator import Calculator
    from basinet.potentials.ensemble import Ensemble, compose, load_model
    from basinet.potentials.training import train
    from basinet.relation.fit import fit_relation
    from basinet.relation.relation import Relation

# Where each public name lives; it is imported when first asked for, so that `import basinet` costs next to nothing.
_ROOMS = {
    "basinet.density.basins": ("Basins", "integrate_basins"),
    "basinet.density.local_energies": ("LocalEnergies", "direct_energies", "local_hartree_energies"),
    "basinet.density.potential": ("hartree_potential",),
    "basinet.descriptors.bispectrum": ("Bispectrum",),
    "basinet.errors": ("InputError",),
    "basinet.fidelity.score": ("score",),
    "basinet.fidelity.scoring": ("evaluate",),
    "basinet.frames.reading": ("read_frames", "write_frames"),
    "basinet.frames.shipped": ("load_isolated_atoms", "load_reference"),
    "basinet.potentials.calculator": ("Calculator",),
    "basinet.potentials.ensemble": ("Ensemble", "compose", "load_model"),
    "basinet.potentials.training": ("train",),
    "basinet.relation.fit": ("fit_relation",),
    "basinet.relation.relation": ("Relation",),
}
_HOMES = {name: module for module, names in _ROOMS.items() for name in names}

__all__ = [
    "Basins", "Bispectrum", "Calculator", "Ensemble", "InputError", "LocalEnergies", "Relation", "compose",
    "direct_energies", "evaluate", "fit_relation", "hartree_potential", "integrate_basins", "load_isolated_atoms",
    "load_model", "load_reference", "local_hartree_energies", "read_frames", "score", "train",
    "write_frames",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("basinet")
    if name not in _HOMES:
        msg = f"module 'basinet' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, for completion in a terminal."""
    return [*__all__, "__version__"]
