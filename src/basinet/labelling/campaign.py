"""The calculations of a campaign, each a unit with a result of its own."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from ase import Atoms
from pydantic.dataclasses import dataclass as checked_dataclass

from basinet.config.loading import read_yaml, validated
from basinet.cp2k.program import tail_of
from basinet.cp2k.writer import Request, Template, check_atoms, cp2k_input, read_template
from basinet.errors import InputError
from basinet.files import atomic_write, write_yaml
from basinet.frames.labels import frame_name
from basinet.frames.reading import read_frames, write_frames
from basinet.jobs.directory import refuse_links
from basinet.jobs.store import WITH_ATOMS, Results, fingerprint
from basinet.labelling.settings import CampaignConfig


@dataclass(frozen=True)
class Unit:
    """One calculation of the frame with that number, named ``00017``; of molecular dynamics with its segment after it.

    Dynamics (``00002-0005``) has so many steps from `start` on; a single point 0 from 0. It begins with the last state
    of the `previous` unit, or from nothing.
    """

    name: str
    frame: int
    start: int = 0
    steps: int = 0
    previous: str | None = None


def _plan(config: CampaignConfig, frames: Sequence[Atoms]) -> tuple[Unit, ...]:
    if config.mode == "aimd":
        segments = range(0, config.aimd.steps, config.aimd.segment)
        return tuple(_segment(config, frame, start) for start in segments for frame in range(len(frames)))
    return tuple(
        Unit(_name(index), index, previous=_name(index - 1) if _continues(config, frames, index) else None)
        for index in range(len(frames))
    )


def _name(frame: int) -> str:
    return f"{frame:05d}"


def _segment(config: CampaignConfig, frame: int, start: int) -> Unit:
    number = start // config.aimd.segment
    steps = min(config.aimd.segment, config.aimd.steps - start)
    previous = f"{_name(frame)}-{number - 1:04d}" if number else None
    return Unit(f"{_name(frame)}-{number:04d}", frame, start, steps, previous)


def _continues(config: CampaignConfig, frames: Sequence[Atoms], index: int) -> bool:
    """Tell if a single point starts from the wave functions of the frame before, which has the same atoms.

    Chains have a fixed length, so that a resumed campaign gives what an undisturbed one would have given.
    """
    length = config.wavefunction_chain
    if length < 2 or index % length == 0:
        return False
    return bool(frames[index].get_chemical_symbols() == frames[index - 1].get_chemical_symbols())


_RESCUE_STEPS = 4  # times as many SCF steps for a calculation that did not converge


def _request_for(unit: Unit, config: CampaignConfig, *, wavefunction: bool = False) -> Request:
    """Files and steps of a unit's calculation; `wavefunction`: the one before left its wave functions."""
    return Request(
        guess="RESTART" if wavefunction else "ATOMIC",
        density=config.partition,
        keep_wavefunction=config.wavefunction_chain > 1,
        steps=unit.steps,
        continued=bool(unit.steps and unit.previous),
        seed=config.aimd.seed + unit.frame if unit.steps else 0,
    )


def _unit_input(
    config: CampaignConfig, template: Template | None, atoms: Atoms, request: Request, *, rescue: bool = False
) -> str:
    """The input of a calculation; `rescue`: more patient than asked for, and as well converged."""
    if template is not None:
        return template.render(atoms, request, config.aimd)
    settings = config.cp2k
    if rescue:
        settings = settings.model_copy(update={"max_scf": _RESCUE_STEPS * settings.max_scf, "minimiser": "CG"})
    return cp2k_input(settings, atoms, request, config.aimd)


_RESULT_VERSION = 2  # of what is kept of a unit; results of another version are computed anew


def _unit_key(unit: Unit, config: CampaignConfig, template: Template | None, atoms: Atoms) -> str:
    """Fingerprint of all that settles a unit's result: its input, and its place in a trajectory or chain."""
    request = replace(_request_for(unit, config), guess="RESTART" if unit.previous and not unit.steps else "ATOMIC")
    text = _unit_input(config, template, atoms, request)
    return fingerprint(_RESULT_VERSION, text, unit.start, config.partition, config.error_bars)


@checked_dataclass(frozen=True, config=WITH_ATOMS)
class UnitResult:
    """A finished unit: labelled frames, one of a single point and several of molecular dynamics, and their origin.

    The seconds are those of CP2K and the partition; the report is of the partition and the dynamics; the restart is the
    state for the next segment of a trajectory.
    """

    frames: list[Atoms]
    seconds: float
    cp2k_version: str
    input_sha256: str
    attempt: int
    host: str
    finished: str
    report: dict[str, Any] = field(default_factory=dict)
    restart: str | None = None


@checked_dataclass(frozen=True, config=WITH_ATOMS)
class FailedTry:
    """A try of a unit that gave nothing; `forgiven` ones no longer count against the retries."""

    attempt: int
    kind: str
    message: str
    log: str | None
    seconds: float
    host: str
    time: str
    forgiven: bool = False


_CONFIG = "config.yaml"
_FRAMES = "frames.extxyz"
_TEMPLATE = "template.inp"
_LOG_LIMIT = 1 << 20  # bytes of each of CP2K's outputs that are kept of a failure


@dataclass(frozen=True)
class Campaign:
    """Calculations on frames, in a directory (`root`) that holds all they need; the template is the user's input."""

    root: Path
    config: CampaignConfig
    frames: tuple[Atoms, ...]
    template: Template | None

    @cached_property
    def units(self) -> dict[str, Unit]:
        """All units by name, in an order in which they can be done."""
        return {unit.name: unit for unit in _plan(self.config, self.frames)}

    @cached_property
    def keys(self) -> dict[str, str]:
        """Key of each unit, which its result must have."""
        units = self.units.values()
        return {unit.name: _unit_key(unit, self.config, self.template, self.frames[unit.frame]) for unit in units}

    @property
    def scratch(self) -> Path:
        """Where calculations run."""
        place = self.config.run.scratch
        own = f"basinet-{fingerprint(self.root.resolve())[:12]}"
        return self.root / "scratch" if place is None else Path(place) / own

    @property
    def results(self) -> Results[UnitResult]:
        """Results of units, by name."""
        return Results(self.root / "results", UnitResult)

    def result(self, name: str) -> UnitResult | None:
        """Result of a unit; None if it is not done."""
        return self.results.get(name, self.keys[name])

    def keep(self, name: str, result: UnitResult) -> None:
        """Keep the result of a unit."""
        self.results.put(name, self.keys[name], result)

    def done(self) -> dict[str, float]:
        """Names of units that are done, with the seconds they took."""
        return {name: result.seconds for name in self.units if (result := self.result(name)) is not None}

    def failures(self, name: str) -> list[FailedTry]:
        """Tries of a unit that failed, in their order."""
        return self._failures.get(name, self.keys[name]) or []

    def keep_failures(self, name: str, failures: Sequence[FailedTry]) -> None:
        """Keep all failed tries of a unit."""
        self._failures.put(name, self.keys[name], list(failures))

    @property
    def _failures(self) -> Results[list[FailedTry]]:
        return Results(self.root / "failures", list[FailedTry])

    def keep_log(self, name: str, attempt: int, *outputs: Path) -> str | None:
        """Copy the end of CP2K's output and complaints; give back its path in the campaign's directory."""
        parts = [part for path in outputs if (part := tail_of(path, _LOG_LIMIT))]
        if not parts:
            return None
        target = self.root / "logs" / f"{name}-{attempt}.out"
        with atomic_write(target, "wb") as stream:
            stream.write(b"\n".join(parts))
        return str(target.relative_to(self.root))

    def wavefunction(self, name: str) -> Path:
        """File of the wave functions that a unit hands on."""
        return self.root / "wavefunctions" / f"{name}.wfn"

    def clear(self) -> None:
        """Remove what no resumed campaign needs, once all is done."""
        for folder in ("wavefunctions", "scratch", "running"):
            shutil.rmtree(self.root / folder, ignore_errors=True)


def load_inputs(config: CampaignConfig) -> tuple[list[Atoms], Template | None]:
    """Read the frames and the template that a config names; InputError names the file and the frame at fault."""
    frames = read_frames(config.frames)
    for index, atoms in enumerate(frames):
        try:
            check_atoms(atoms)
        except InputError as error:
            raise InputError(f"{frame_name(atoms, index)}: {error}") from error
    template = None if config.template is None else read_template(config.template)
    if template is not None:
        steps = config.aimd.segment if config.mode == "aimd" else 0
        request = Request(density=config.partition, steps=steps, keep_wavefunction=config.wavefunction_chain > 1)
        template.check(frames[0], request, config.aimd)
    return frames, template


def create_campaign(root: Path, config: CampaignConfig, frames: list[Atoms], template: Template | None) -> Campaign:
    """Write what a campaign needs into its directory, and open it."""
    write_frames(root / _FRAMES, frames)
    if template is not None:
        with atomic_write(root / _TEMPLATE) as stream:
            stream.write(template.text)
    write_yaml(root / _CONFIG, config.model_dump(mode="json"))
    return open_campaign(root)


def open_campaign(root: str | Path) -> Campaign:
    """Open a campaign's directory. InputError: it holds no campaign."""
    root = Path(root)
    if not (root / _CONFIG).is_file() or not (root / _FRAMES).is_file():
        raise InputError(f"{root}: holds no campaign; name the directory that 'basinet dft run' made")
    stamps = tuple((root / name).stat().st_mtime_ns for name in (_CONFIG, _FRAMES))
    return _opened(root, stamps)


_FREE = ("run", "cluster", "frames", "template")  # keys that may change between the beginning of a campaign and its end


def check_same(root: Path, config: CampaignConfig, frames: list[Atoms], template: Template | None) -> None:
    """Refuse other settings than a campaign was begun with, or frames other than its own and more; names the first."""
    if not (root / _CONFIG).is_file():
        return
    before = open_campaign(root)
    old, new = before.config.model_dump(exclude=set(_FREE)), config.model_dump(exclude=set(_FREE))
    old["aimd"]["steps"] = max(new["aimd"]["steps"], old["aimd"]["steps"])  # trajectories may be made longer
    if config.mode == before.config.mode == "single_points":
        old["aimd"] = new["aimd"]
    other = next((key for key in new if old[key] != new[key]), None)
    texts = [None if one is None else one.text for one in (before.template, template)]
    if texts[0] != texts[1] and (other is None or None not in texts):
        other = "template"
    if other is not None:
        msg = f"{root}: begun with another {other}; resume with the same config, or use --overwrite or another --out"
        raise InputError(msg)
    for index, (was, now) in enumerate(zip(before.frames, frames, strict=False)):
        if was != now:
            raise InputError(f"{root}: frame {index} is another one than before; add new frames behind the old ones")
    if len(frames) < len(before.frames):
        raise InputError(f"{root}: {len(frames)} frames, was begun with {len(before.frames)}; keep those it has")


@lru_cache(maxsize=2)
def _opened(root: Path, _stamps: tuple[int, ...]) -> Campaign:
    refuse_links(root)
    try:
        config = validated(CampaignConfig, read_yaml(root / _CONFIG), str(root / _CONFIG))
        template = read_template(root / _TEMPLATE) if config.template is not None else None
        return Campaign(root, config, tuple(read_frames(root / _FRAMES)), template)
    except InputError as error:
        remedy = f"or delete {root / _CONFIG}, and give your own to 'basinet dft run' with --resume"
        raise InputError(f"{error}; {remedy}") from error
