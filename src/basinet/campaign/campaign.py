"""A campaign's directory: its config, its frames, and what they make of units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from ase import Atoms

from basinet.campaign.inputs import checksum, unit_key
from basinet.campaign.store import Store
from basinet.campaign.units import Unit, plan
from basinet.config.campaign_settings import CampaignConfig
from basinet.config.loading import read_yaml, validated
from basinet.dft.cp2k_writer import check_atoms
from basinet.dft.template import Template, read_template
from basinet.errors import InputError
from basinet.io.files import atomic_write, write_yaml
from basinet.io.frames import read_frames, write_frames

CONFIG = "config.yaml"
FRAMES = "frames.extxyz"
TEMPLATE = "template.inp"


@dataclass(frozen=True)
class Campaign:
    """Calculations on frames, in a directory that holds all they need.

    Attributes
    ----------
    root
        The directory.
    config
        Settings.
    frames
        Configurations, with what their file says of them.
    template
        The user's own input, or None.
    """

    root: Path
    config: CampaignConfig
    frames: tuple[Atoms, ...]
    template: Template | None

    @property
    def store(self) -> Store:
        """Results and failures."""
        return Store(self.root)

    @cached_property
    def units(self) -> dict[str, Unit]:
        """All units by name, in an order in which they can be done."""
        return {unit.name: unit for unit in plan(self.config, self.frames)}

    @cached_property
    def keys(self) -> dict[str, str]:
        """Key of each unit, which its result must have."""
        return {
            unit.name: unit_key(unit, self.config, self.template, self.frames[unit.frame])
            for unit in self.units.values()
        }

    @property
    def scratch(self) -> Path:
        """Where calculations run."""
        place = self.config.run.scratch
        return self.root / "scratch" if place is None else Path(place) / f"basinet-{self.identity}"

    @property
    def identity(self) -> str:
        """Tells this directory from others."""
        return checksum(str(self.root.resolve()))[:12]

    def done(self) -> dict[str, float]:
        """Units whose results are there and belong to these settings and frames; with the seconds they took."""
        found = {}
        for name, key in self.keys.items():
            result = self.store.read(name)
            if result is not None and result.key == key:
                found[name] = result.seconds
        return found


def load_inputs(config: CampaignConfig) -> tuple[list[Atoms], Template | None]:
    """Read the frames and the template that a config names, and check them.

    Raises
    ------
    InputError
        Names the file and the frame.
    """
    frames = read_frames(config.frames)
    for index, atoms in enumerate(frames):
        try:
            check_atoms(atoms)
        except InputError as error:
            raise InputError(f"{', '.join(config.frames)}, frame {index}: {error}") from error
    template = None if config.template is None else read_template(config.template)
    if template is not None:
        template.check(frames[0], config)
    return frames, template


def create_campaign(root: Path, config: CampaignConfig, frames: list[Atoms], template: Template | None) -> Campaign:
    """Write what a campaign needs into its directory, and open it."""
    write_frames(root / FRAMES, frames)
    if template is not None:
        with atomic_write(root / TEMPLATE) as stream:
            stream.write(template.text)
    write_yaml(root / CONFIG, config.model_dump(mode="json"))
    return open_campaign(root)


def open_campaign(root: str | Path) -> Campaign:
    """Open a campaign's directory.

    Raises
    ------
    InputError
        It holds no campaign.
    """
    root = Path(root)
    if not (root / CONFIG).is_file() or not (root / FRAMES).is_file():
        raise InputError(f"{root}: holds no campaign; name the directory that 'basinet dft run' made")
    stamps = tuple((root / name).stat().st_mtime_ns for name in (CONFIG, FRAMES))
    return opened(root, stamps)


FREE = ("run", "cluster", "frames", "template")
"""Keys that may change between the beginning of a campaign and its end."""


def check_same(root: Path, config: CampaignConfig, frames: list[Atoms], template: Template | None) -> None:
    """Refuse to go on with a campaign under other settings, or with frames that are not its own and more.

    Raises
    ------
    InputError
        Names the first key or frame that differs.
    """
    if not (root / CONFIG).is_file():
        return
    before = open_campaign(root)
    old, new = before.config.model_dump(exclude=set(FREE)), config.model_dump(exclude=set(FREE))
    old["aimd"]["steps"] = max(new["aimd"]["steps"], old["aimd"]["steps"])  # trajectories may be made longer
    if config.mode == before.config.mode == "single_points":
        old["aimd"] = new["aimd"]
    other = next((key for key in new if old[key] != new[key]), None)
    if other is None and (before.template is None) != (template is None):
        other = "template"
    if template is not None and before.template is not None and template.text != before.template.text:
        other = "template"
    if other is not None:
        raise InputError(
            f"{root}: begun with another {other}; resume with the same config, or use --overwrite or another --out"
        )
    for index, (was, now) in enumerate(zip(before.frames, frames, strict=False)):
        if was != now:
            raise InputError(f"{root}: frame {index} is another one than before; add new frames behind the old ones")
    if len(frames) < len(before.frames):
        raise InputError(f"{root}: {len(frames)} frames, was begun with {len(before.frames)}; keep those it has")


@lru_cache(maxsize=2)
def opened(root: Path, _stamps: tuple[int, ...]) -> Campaign:
    """Read a campaign's directory; not again for each unit."""
    config = validated(CampaignConfig, read_yaml(root / CONFIG), str(root / CONFIG))
    template = read_template(root / TEMPLATE) if config.template is not None else None
    return Campaign(root, config, tuple(read_frames(root / FRAMES)), template)
