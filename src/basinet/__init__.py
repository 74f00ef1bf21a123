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
    from basinet.api import evaluate, train
    from basinet.data import load_isolated_atoms, load_reference
    from basinet.deploy.calculator import Calculator
    from basinet.descriptors import Bispectrum
    from basinet.electrostatics import hartree_potential
    from basinet.errors import InputError
    from basinet.io.frames import read_frames, write_frames
    from basinet.models import Ensemble, compose, load_model
    from basinet.qtaim import Basins, LocalEnergies, integrate_basins, local_hartree_energies
    from basinet.relation import Relation, fit_relation

# Where each public name lives; it is imported when first asked for, so that `import basinet` costs next to nothing.
_HOMES = {
    "Basins": "basinet.qtaim",
    "Bispectrum": "basinet.descriptors",
    "Calculator": "basinet.deploy.calculator",
    "Ensemble": "basinet.models",
    "InputError": "basinet.errors",
    "LocalEnergies": "basinet.qtaim",
    "Relation": "basinet.relation",
    "compose": "basinet.models",
    "evaluate": "basinet.api",
    "fit_relation": "basinet.relation",
    "hartree_potential": "basinet.electrostatics",
    "integrate_basins": "basinet.qtaim",
    "load_isolated_atoms": "basinet.data",
    "load_model": "basinet.models",
    "load_reference": "basinet.data",
    "local_hartree_energies": "basinet.qtaim",
    "read_frames": "basinet.io.frames",
    "train": "basinet.api",
    "write_frames": "basinet.io.frames",
}

__all__ = [
    "Basins",
    "Bispectrum",
    "Calculator",
    "Ensemble",
    "InputError",
    "LocalEnergies",
    "Relation",
    "compose",
    "evaluate",
    "fit_relation",
    "hartree_potential",
    "integrate_basins",
    "load_isolated_atoms",
    "load_model",
    "load_reference",
    "local_hartree_energies",
    "read_frames",
    "train",
    "write_frames",
]


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
