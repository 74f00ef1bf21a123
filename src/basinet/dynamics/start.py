"""What a run begins with: a frame with calculator and velocities, checked before anything is written."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from basinet.deploy.extrapolation import ExtrapolationWarning
from basinet.dynamics.motion import set_velocities
from basinet.dynamics.settings import DynamicsConfig
from basinet.dynamics.structure import refuse_other_system
from basinet.errors import InputError
from basinet.io.files import read_bytes
from basinet.io.frames import read_frames


@dataclass(frozen=True)
class Start:
    """Where a run begins.

    Attributes
    ----------
    atoms
        With calculator and velocities.
    reference
        Frames to compare with.
    checksums
        SHA-256 of the files that the motion depends on.
    """

    atoms: Atoms
    reference: list[Atoms]
    checksums: dict[str, str]


def load_start(config: DynamicsConfig, calculator: Callable[[], Any]) -> Start:
    """Read the start, give it its calculator and its velocities, and evaluate it once.

    Raises
    ------
    InputError
        A file is bad, the frame cannot move, or the calculator refuses it.
    """
    atoms = moving(config)
    reference = read_frames(config.reference) if config.reference else []
    if reference:
        refuse_other_system(reference, atoms, ", ".join(config.reference))
        if not atoms.pbc.all():
            raise InputError(f"{config.start}: is not periodic, so that it has no g(r); leave out --reference")
    atoms.calc = calculator()
    refuse_senseless(atoms, config.start)
    paths = [*config.models, config.start]
    return Start(atoms, reference, {path: hashlib.sha256(read_bytes(path)).hexdigest() for path in paths})


def moving(config: DynamicsConfig) -> Atoms:
    """Species, positions, cell, masses and velocities of the frame asked for, and nothing else."""
    frames = read_frames(config.start)
    if not -len(frames) <= config.frame < len(frames):
        raise InputError(
            f"{config.start}: has no frame {config.frame}, there are {len(frames)}; choose another --frame"
        )
    frame = frames[config.frame]
    if len(frame) < 2:
        raise InputError(f"{config.start}: one atom alone does not move; give two at least")
    if frame.constraints:
        raise InputError(f"{config.start}: holds atoms fast (move_mask), and every atom moves here; remove that column")
    atoms = Atoms(frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc, masses=frame.get_masses())
    if frame.has("momenta"):
        atoms.set_momenta(frame.get_momenta())
    set_velocities(atoms, config)
    return atoms


def refuse_senseless(atoms: Atoms, source: str) -> None:
    """Refuse a start on which the calculator fails, or gives no numbers."""
    name = type(atoms.calc).__name__
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExtrapolationWarning)
            finite = bool(np.isfinite(atoms.get_potential_energy()) and np.isfinite(atoms.get_forces()).all())
    except InputError:
        raise
    except Exception as error:
        # Whatever the calculator raises; it is its author's to mend.
        raise InputError(f"{source}: {name} fails on the start ({type(error).__name__}: {error})") from error
    if not finite:
        raise InputError(f"{source}: {name} gives no finite energy and forces; look for atoms that overlap")
