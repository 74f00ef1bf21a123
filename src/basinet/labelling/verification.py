"""Finished frames in one file, and beside it where they come from."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms

from basinet.arrays import FloatArray
from basinet.config.loading import validated
from basinet.errors import InputError
from basinet.files import atomic_write, read_json, write_json
from basinet.frames.reading import format_frame, read_frames, system_of
from basinet.frames.shipped import SIZES, SYSTEMS, load_isolated_atoms, load_reference
from basinet.jobs.provenance import provenance
from basinet.labelling.campaign import _CONFIG, _FRAMES, Campaign, Unit, UnitResult, open_campaign
from basinet.labelling.driver import _schedule_of
from basinet.labelling.settings import CampaignConfig, RunSettings, _resolved
from basinet.labelling.work import _said_of
from basinet.relation.fit import fit_relation


def _finished_units(campaign: Campaign) -> Iterator[tuple[Unit, UnitResult]]:
    """Units that are done with their results, one at a time: by frame, and of a trajectory by time."""
    for unit in sorted(campaign.units.values(), key=lambda unit: (unit.frame, unit.start)):
        result = campaign.result(unit.name)
        if result is not None:
            yield unit, result


def finished_frames(campaign: Campaign) -> Iterator[Atoms]:
    """Labelled frames in order, with what the configurations' file says of them, and numbers."""
    aimd, numbered = campaign.config.aimd, _well_numbered(campaign.frames)
    for unit, result in _finished_units(campaign):
        start = campaign.frames[unit.frame]
        for atoms in result.frames:
            atoms.info.update(_said_of(start, unit))
            if unit.steps:
                first = unit.frame * (aimd.steps // aimd.density_every + 1)
                atoms.info["frame"] = first + int(atoms.info["step"]) // aimd.density_every
            elif not numbered:
                if "frame" in start.info:
                    atoms.info["source_frame"] = start.info["frame"]
                atoms.info["frame"] = unit.frame
            yield atoms


def _well_numbered(frames: Sequence[Atoms]) -> bool:
    """Tell if every frame has a number that no other frame of its system and size has."""
    if not all(isinstance(atoms.info.get("frame"), (int, np.integer)) for atoms in frames):
        return False
    known = {(system_of(atoms), len(atoms), atoms.info["frame"]) for atoms in frames}
    return len(known) == len(frames)


def collect_frames(campaign: Campaign, out: Path) -> dict[str, Any]:
    """Write finished frames to a file, and their provenance to one beside it; tell what is there and what is not.

    InputError: nothing is finished yet, or the file would replace one that the campaign is made from.
    """
    if out.suffix == ".json":
        raise InputError(f"{out}: frames are extended XYZ; name a file such as labelled.extxyz")
    made_from = [campaign.root / _CONFIG, campaign.root / _FRAMES, *map(Path, campaign.config.frames)]
    if out.resolve() in [path.resolve() for path in made_from]:
        raise InputError(f"{out}: the campaign is made from that file; name another, such as labelled.extxyz")
    schedule = _schedule_of(campaign)
    if not schedule.done:
        raise InputError(f"{campaign.root}: no frame is finished yet; see 'basinet dft status {campaign.root}'")
    count = 0
    with atomic_write(out) as stream:
        for atoms in finished_frames(campaign):
            stream.write(format_frame(atoms))
            count += 1
    given_up = [name for name in campaign.units if schedule.given_up(name)]
    summary = {
        "frames": count,
        "calculations": len(campaign.units),
        "done": len(schedule.done),
        "failed": len(given_up),
        "missing": len(campaign.units) - len(schedule.done) - len(given_up),
    }
    found = list(_finished_units(campaign))
    origin = {
        "config": campaign.config.model_dump(mode="json"),
        "template": None if campaign.template is None else campaign.template.text,
        "cp2k_versions": dict(Counter(result.cp2k_version for _, result in found)),
        "hosts": dict(Counter(result.host for _, result in found)),
        "seconds": sum(result.seconds for _, result in found),
        "inputs": {unit.name: result.input_sha256 for unit, result in found},
        "rescued": [unit.name for unit, result in found if result.report.get("rescued")],
        "provenance": provenance(),
    }
    write_json(out.with_suffix(".json"), summary | origin)
    return summary


_REFERENCE = "reference"
# The shipped frames were calculated with these, where preset `reference` has other values now.
_FIRST_EDITION = {"vdw_cutoff": 60, "eps_scf": 1e-6, "energy_density": False}
_ENERGY_TOLERANCE = 0.01  # meV per atom, of total and electrostatic energies
_LOCAL_TOLERANCE = 0.1  # meV, of local DFT energies
_LOCAL = "REF_local_hartree_energy"


@dataclass(frozen=True)
class Stored:
    """Frames to verify: with the settings they were made with, and the number of each in its source."""

    frames: list[Atoms]
    numbers: list[int]
    config: CampaignConfig
    slopes: dict[str, float | None]


def choose(source: str, count: int, seed: int, config: CampaignConfig | None, n_atoms: int | None = None) -> Stored:
    """Choose frames at random without repetition, as many of each system and size as of the others.

    The source is a campaign's directory, a file of labelled frames, or ``reference`` for the shipped data. A config
    takes the place of the settings stored with the frames; `n_atoms` chooses among frames of this size alone.
    InputError: the frames or their settings are not to be found, or there are none of the size.
    """
    frames, stored = _load_stored(source)
    settings = config
    if config is None and stored is not None:
        # What decides what is executed and where is written is the user's alone to give, and so is a template.
        if stored.template is not None:
            msg = f"{source}: made with a template, which came with it; read it, and name it in a --config"
            raise InputError(msg)
        settings = stored.model_copy(update={"run": RunSettings(), "cluster": None})
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
    numbers = sorted(_drawn(list(groups.values()), count, np.random.default_rng(seed)))
    return Stored([frames[index] for index in numbers], numbers, settings, _slopes(frames))


def _drawn(groups: Sequence[Sequence[int]], count: int, rng: np.random.Generator) -> list[int]:
    """Draw numbers from groups in turn, both in random order, until there are as many as asked for or none is left.

    >>> sorted(_drawn([[0, 1, 2, 3], [10, 11]], 4, np.random.default_rng(0)))
    [1, 3, 10, 11]
    """
    shuffled = [list(rng.permutation(np.array(group))) for group in groups]
    found: list[int] = []
    while len(found) < count and any(shuffled):
        for index in rng.permutation(len(shuffled)):
            if shuffled[index] and len(found) < count:
                found.append(int(shuffled[index].pop()))
    return found


def _load_stored(source: str) -> tuple[list[Atoms], CampaignConfig | None]:
    if source == _REFERENCE and not Path(source).exists():
        liquids = [atoms for size in SIZES for system in SYSTEMS for atoms in load_reference(system, size)]
        config = _resolved({"frames": [_REFERENCE], "cp2k": _FIRST_EDITION}, _REFERENCE)
        return liquids + list(load_isolated_atoms().values()), config
    path = Path(source)
    if path.is_dir():
        campaign = open_campaign(path)
        return list(finished_frames(campaign)), campaign.config
    frames = read_frames(path)
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return frames, None
    found = read_json(beside)
    values = found.get("config") if isinstance(found, dict) else None
    return frames, None if values is None else validated(CampaignConfig, values, f"{beside}: config")


def _slopes(frames: Sequence[Atoms]) -> dict[str, float | None]:
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
        "mode": "single_points", "wavefunction_chain": 0, "frames": [_REFERENCE], "error_bars": False,
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
        """True if all is within the tolerances."""
        energies = [abs(value) for value in (self.energy, self.electrostatic) if value is not None]
        return max(energies) <= _ENERGY_TOLERANCE and (self.local is None or self.local <= _LOCAL_TOLERANCE)


def compare(stored: Stored, calculated: Sequence[Atoms]) -> list[Comparison]:
    """Compare frames with what is stored of them."""
    return [
        _comparison(number, old, new, stored.slopes.get(system_of(old)))
        for number, old, new in zip(stored.numbers, stored.frames, calculated, strict=True)
    ]


def _comparison(number: int, old: Atoms, new: Atoms, slope: float | None) -> Comparison:
    def energy(key: str) -> float | None:
        if key not in old.info or key not in new.info:
            return None
        return float(new.info[key] - old.info[key]) * 1000 / len(old)

    def array(key: str) -> float | None:
        if key not in old.arrays or key not in new.arrays:
            return None
        return float(np.abs(new.arrays[key] - old.arrays[key]).max()) * 1000

    hartree = array(_LOCAL)
    total = energy("REF_energy")
    if total is None:
        raise InputError(f"frame {number}: CP2K gave no total energy")
    local = None if hartree is None else hartree * abs(1.0 if slope is None else slope)
    electrostatic, forces = energy("REF_electrostatic_energy"), array("REF_forces")
    return Comparison(number, system_of(old), len(old), total, electrostatic, local, hartree, forces)


@dataclass(frozen=True)
class Change:
    """Change of a frame under other settings: of its total energy, meV per atom, and of a force's component, meV/Å.

    `energy_centred` is less the mean over the frames of its system and size, a constant that no potential and no
    difference of energies sees; None where there is no second frame to tell. `local` and `local_largest`, meV, root
    mean square and largest, are of the atoms' local DFT energies less the mean over the atoms of the same element in
    these frames; None where densities were not partitioned.
    """

    number: int
    system: str
    n_atoms: int
    energy: float
    energy_centred: float | None
    local: float | None
    local_largest: float | None
    forces: float | None

    @property
    def agrees(self) -> bool:
        """True if all that is known is within the tolerances: 0.01 meV per atom, and 0.1 meV (root mean square)."""
        energy = self.energy_centred is None or abs(self.energy_centred) <= _ENERGY_TOLERANCE
        return energy and (self.local is None or self.local <= _LOCAL_TOLERANCE)


def changes(stored: Stored, calculated: Sequence[Atoms]) -> list[Change]:
    """Compare frames with what is stored of them under other settings.

    Local DFT energies change by 1 + a times what local Hartree energies change, a being the stored frames' slope.
    """
    plain = compare(stored, calculated)
    kinds = [(item.system, item.n_atoms) for item in plain]
    rest = _local_changes(stored, calculated)
    found = []
    for item, kind, local in zip(plain, kinds, rest, strict=True):
        energies = [other.energy for other, its in zip(plain, kinds, strict=True) if its == kind]
        centred = item.energy - float(np.mean(energies)) if len(energies) > 1 else None
        mean_square = None if local is None else float(np.sqrt(np.mean(local**2)))
        largest = None if local is None else float(np.abs(local).max())
        found.append(Change(item.number, *kind, item.energy, centred, mean_square, largest, item.forces))
    return found


def _local_changes(stored: Stored, calculated: Sequence[Atoms]) -> list[FloatArray | None]:
    """Changes of local DFT energies (n_atoms,), meV, of each frame, apart from constants; None where it has none.

    The constants are the means over the atoms of the same element in frames of the same system and size.
    """
    columns = []
    for index, (old, new) in enumerate(zip(stored.frames, calculated, strict=True)):
        if _LOCAL in old.arrays and _LOCAL in new.arrays:
            slope = stored.slopes.get(system_of(old))
            change = 1000 * (new.arrays[_LOCAL] - old.arrays[_LOCAL]) * (1.0 if slope is None else slope)
            about = {"frame": index, "system": system_of(old), "size": len(old), "element": [*old.symbols]}
            columns.append(pd.DataFrame(about | {"change": change}))
    if not columns:
        return [None] * len(calculated)
    atoms = pd.concat(columns)
    atoms["change"] -= atoms.groupby(["system", "size", "element"])["change"].transform("mean")
    rest = {index: group["change"].to_numpy() for index, group in atoms.groupby("frame")}
    return [rest.get(index) for index in range(len(calculated))]
