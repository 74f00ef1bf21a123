"""Frames calculated again from scratch, beside what is stored of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from basinet.campaign.campaign import open_campaign
from basinet.campaign.collecting import finished_frames
from basinet.config.campaign_settings import CampaignConfig, resolved
from basinet.config.loading import validated
from basinet.data import load_isolated_atoms, load_reference
from basinet.data.reference_data import SIZES, SYSTEMS
from basinet.errors import InputError
from basinet.io.files import read_json
from basinet.io.frames import read_frames, system_of
from basinet.relation import fit_relation

REFERENCE = "reference"
ENERGY_TOLERANCE = 0.01
"""meV per atom, of total and electrostatic energies."""
LOCAL_TOLERANCE = 0.1
"""meV, of local DFT energies."""
LOCAL = "REF_local_hartree_energy"


@dataclass(frozen=True)
class Stored:
    """Frames to verify: with the settings they were made with, and the number of each in its source."""

    frames: list[Atoms]
    numbers: list[int]
    config: CampaignConfig
    slopes: dict[str, float | None]


def choose(source: str, count: int, seed: int, config: CampaignConfig | None, n_atoms: int | None = None) -> Stored:
    """Choose frames at random without repetition, as many of each system and size as of the others.

    Parameters
    ----------
    source
        A campaign's directory, a file of labelled frames, or ``reference`` for the shipped data.
    count
        Of frames.
    seed
        Of the choice.
    config
        Settings in place of those stored with the frames.
    n_atoms
        Choose among frames of this size alone.

    Raises
    ------
    InputError
        The frames or their settings are not to be found, or there are none of the size.
    """
    frames, stored = load(source)
    settings = config or stored
    if settings is None:
        raise InputError(
            f"{source}: says nothing of its settings (no {Path(source).with_suffix('.json')}); give them with --config"
        )
    labelled = [index for index, atoms in enumerate(frames) if "REF_energy" in atoms.info and atoms.pbc.all()]
    if not labelled:
        raise InputError(f"{source}: no periodic frame has REF_energy, so there is nothing to verify")
    groups: dict[tuple[str, int], list[int]] = {}
    for index in labelled:
        if n_atoms in (None, len(frames[index])):
            groups.setdefault((system_of(frames[index]), len(frames[index])), []).append(index)
    if not groups:
        sizes = ", ".join(map(str, sorted({len(frames[index]) for index in labelled})))
        raise InputError(f"--atoms {n_atoms}: {source} has no frames of that size, but of {sizes} atoms")
    numbers = sorted(drawn(list(groups.values()), count, np.random.default_rng(seed)))
    return Stored([frames[index] for index in numbers], numbers, settings, slopes(frames))


def drawn(groups: Sequence[Sequence[int]], count: int, rng: np.random.Generator) -> list[int]:
    """Draw numbers from groups in turn, both in random order, until there are as many as asked for or none is left.

    Examples
    --------
    >>> sorted(drawn([[0, 1, 2, 3], [10, 11]], 4, np.random.default_rng(0)))
    [1, 3, 10, 11]
    """
    shuffled = [list(rng.permutation(np.array(group))) for group in groups]
    found: list[int] = []
    while len(found) < count and any(shuffled):
        for index in rng.permutation(len(shuffled)):
            if shuffled[index] and len(found) < count:
                found.append(int(shuffled[index].pop()))
    return found


def load(source: str) -> tuple[list[Atoms], CampaignConfig | None]:
    """Read stored frames, and the settings that go with them where those are known."""
    if source == REFERENCE and not Path(source).exists():
        liquids = [atoms for size in SIZES for system in SYSTEMS for atoms in load_reference(system, size)]
        return liquids + list(load_isolated_atoms().values()), resolved({"frames": [REFERENCE]}, REFERENCE)
    path = Path(source)
    if path.is_dir():
        campaign = open_campaign(path)
        frames = list(finished_frames(campaign))
        if campaign.template is not None:
            return frames, campaign.config.model_copy(update={"template": str(path / "template.inp")})
        return frames, campaign.config
    frames = read_frames(path)
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return frames, None
    found = read_json(beside)
    values = found.get("config") if isinstance(found, dict) else None
    return frames, None if values is None else validated(CampaignConfig, values, f"{beside}: config")


def slopes(frames: Sequence[Atoms]) -> dict[str, float | None]:
    """The share 1 + a of the electrostatic energy in local DFT energies, by system; None where it cannot be fitted."""
    found: dict[str, float | None] = {}
    for system in sorted({system_of(atoms) for atoms in frames}):
        group = [atoms for atoms in frames if system_of(atoms) == system and len(atoms) > 1]
        try:
            found[system] = 1 + fit_relation(group, n_resamples=2, n_shuffles=1).slope
        except InputError:
            found[system] = None
    return found


def single_points(stored: Stored) -> CampaignConfig:
    """Settings that calculate the chosen frames alone, from nothing."""
    changes: dict[str, Any] = {
        "mode": "single_points", "wavefunction_chain": 0, "frames": [REFERENCE], "error_bars": False,
    }  # fmt: skip
    return stored.config.model_copy(update=changes)


@dataclass(frozen=True)
class Comparison:
    """A frame calculated again less what is stored of it: meV per atom for energies, meV for the largest of an atom's.

    What the stored frame lacks is None. ``local`` is of local DFT energies; without a relation (`slopes`) of local
    Hartree energies, which vary four to five times more.
    """

    number: int
    system: str
    n_atoms: int
    energy: float
    electrostatic: float | None
    local: float | None
    local_hartree: float | None
    forces: float | None

    @property
    def agrees(self) -> bool:
        """Whether all is within the tolerances."""
        energies = [abs(value) for value in (self.energy, self.electrostatic) if value is not None]
        return max(energies) <= ENERGY_TOLERANCE and (self.local is None or self.local <= LOCAL_TOLERANCE)


def compare(stored: Stored, calculated: Sequence[Atoms]) -> list[Comparison]:
    """Compare frames with what is stored of them."""
    return [
        comparison(number, old, new, stored.slopes.get(system_of(old)))
        for number, old, new in zip(stored.numbers, stored.frames, calculated, strict=True)
    ]


def comparison(number: int, old: Atoms, new: Atoms, slope: float | None) -> Comparison:
    """Compare one frame."""

    def energy(key: str) -> float | None:
        if key not in old.info or key not in new.info:
            return None
        return float(new.info[key] - old.info[key]) * 1000 / len(old)

    def array(key: str) -> float | None:
        if key not in old.arrays or key not in new.arrays:
            return None
        return float(np.abs(new.arrays[key] - old.arrays[key]).max()) * 1000

    hartree = array(LOCAL)
    total = energy("REF_energy")
    if total is None:
        raise InputError(f"frame {number}: CP2K gave no total energy")
    return Comparison(
        number=number,
        system=system_of(old),
        n_atoms=len(old),
        energy=total,
        electrostatic=energy("REF_electrostatic_energy"),
        local=None if hartree is None else hartree * abs(1.0 if slope is None else slope),
        local_hartree=hartree,
        forces=array("REF_forces"),
    )
