"""Settings of a campaign of CP2K calculations (`basinet dft run`): every key with its type, default and meaning."""

import math
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from ase.data import atomic_numbers
from pydantic import Field, field_validator

from basinet.config.loading import Count, Positive, Section, overlay, parse_yaml, read_settings, validated
from basinet.cp2k.language import read_cp2k_text
from basinet.cp2k.potentials import data_directories, find_potential_file, read_gth_potentials
from basinet.cp2k.writer import AIMD_EPS_SCF, AimdSettings, Cp2kSettings
from basinet.errors import InputError
from basinet.jobs.queues import QueueSettings
from basinet.units import Bohr


class RetrySettings(Section):
    """How often a calculation is tried again after each kind of failure."""

    scf_not_converged: int = Field(1, ge=0, le=20, description="with four times the SCF steps and CG")
    crash: int = Field(1, ge=0, le=20, description="CP2K ended with an error")
    killed: int = Field(3, ge=0, le=20, description="CP2K or its worker was killed, by the system or by hand")
    time_limit: int = Field(0, ge=0, le=20, description="CP2K took longer than time_limit")
    damaged_density: int = Field(1, ge=0, le=20, description="the cube is missing, cut short or no density")
    out_of_disk: int = Field(0, ge=0, le=20, description="no space left for scratch files or results")
    unusable: int = Field(0, ge=0, le=20, description="the run ended well but cannot be partitioned")


class RunSettings(Section):
    """How calculations are run; nothing here changes what they give."""

    command: str | None = Field(None, description="CP2K's command line; found on the PATH unless given. Example: mpirun -np 8 cp2k.psmp")  # fmt: skip # noqa: E501
    workers: Count | None = Field(None, description="calculations at a time; as processors allow unless given")
    threads: Count = Field(1, description="OpenMP threads of each; one makes results the same to the last digit")
    time_limit: Positive = Field(86400, description="seconds that one calculation may take")
    retries: RetrySettings = RetrySettings()
    stop_after: Count = Field(5, description="calculations given up in a row after which the campaign stops")
    scratch: str | None = Field(None, description="directory for running calculations; DIR/scratch unless given")
    keep_cubes: bool = Field(False, description="keep cubes, inputs and outputs, in DIR/cubes")

    @field_validator("scratch")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        return None if value is None else str(Path(value).expanduser().absolute())


class CampaignConfig(Section):
    """A campaign of CP2K calculations (`basinet dft run`)."""

    preset: Literal["paper", "reference"] = Field(
        "reference", description="cutoff 300 Ry, with energy densities (reference), or 600 Ry (paper)"
    )
    frames: list[str] = Field(min_length=1, description="extended XYZ files of the configurations, or one of them")
    mode: Literal["single_points", "aimd"] = "single_points"
    cp2k: Cp2kSettings = Cp2kSettings()
    template: str | None = Field(None, description="an input of your own with placeholders, in place of section cp2k")
    aimd: AimdSettings = AimdSettings()
    wavefunction_chain: int = Field(
        0, ge=0, description="frames in a row that start from the wave functions of the one before; 0: none"
    )
    partition: bool = Field(True, description="false: total energies and forces alone, no density")
    error_bars: bool = Field(True, description="error bars of local energies from the grid")
    run: RunSettings = RunSettings()
    cluster: QueueSettings | None = Field(None, description="a queueing system, in place of this machine")

    @field_validator("frames", mode="before")
    @classmethod
    def _one_file(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


def load_campaign_config(path: str | Path, changes: Mapping[str, Any] | None = None) -> CampaignConfig:
    """Settings of a campaign: its preset, overlaid by a file, overlaid by changes from the command line."""
    return _resolved(overlay(read_settings(path), dict(changes or {})), str(path))


def _resolved(values: dict[str, Any], source: str) -> CampaignConfig:
    preset = values.get("preset", "reference")
    if preset not in ("paper", "reference"):
        raise InputError(f"{source}: preset: choose paper or reference, got {preset!r}")
    if values.get("template") and values.get("cp2k"):
        raise InputError(f"{source}: cp2k: is not used where a template is given; remove one of them")
    text = (resources.files("basinet.labelling") / "presets" / f"{preset}.yaml").read_text(encoding="utf-8")
    defaults = parse_yaml(text, f"preset {preset}")
    if values.get("mode") == "aimd":
        defaults = overlay(defaults, {"cp2k": {"eps_scf": AIMD_EPS_SCF}})
    return validated(CampaignConfig, overlay(defaults, values), source)


_UNRESOLVED = 1e-6  # share of a core's wave left at the cutoff above which it counts as cut off


def with_own_files(config: CampaignConfig) -> CampaignConfig:
    """A config that names files of the user's own by absolute paths: CP2K runs elsewhere.

    A name that CP2K's data directory has stays as it is.
    """
    own = {}
    for key, name in config.cp2k.model_dump(include={"basis_set_file", "potential_file"}).items():
        if Path(name).is_file() and find_potential_file(name, data_directories(None, None)) is None:
            own[key] = str(Path(name).absolute())
    return config.model_copy(update={"cp2k": config.cp2k.model_copy(update=own)})


def check_kinds(settings: Cp2kSettings, elements: Iterable[str]) -> None:
    """Refuse elements for which CP2K has no basis set or no pseudopotential of the names set.

    Files are looked for where CP2K would; those that are not on this machine are left to CP2K. InputError: names the
    element, what is missing, the file, and names that the file has for the element.
    """
    for kind, name, file_name in (
        ("basis_set", settings.basis_set, settings.basis_set_file),
        ("potential", settings.potential, settings.potential_file),
    ):
        file = find_potential_file(file_name, data_directories(None, None))
        if file is None:
            continue
        names = set(read_gth_potentials(file)) if kind == "potential" else _read_basis_names(file)
        for element in sorted(set(elements)):
            if (element, name.upper()) not in names:
                there = sorted(other for symbol, other in names if symbol == element)
                known = f"it has {', '.join(there[:8])}" if there else f"it has none of {element}"
                msg = f"cp2k.{kind}: {file} has no {name} of {element}; {known}; set cp2k.{kind} or cp2k.{kind}_file"
                raise InputError(msg)


def unresolved_cores(settings: Cp2kSettings, elements: Iterable[str]) -> list[str]:
    r"""Warnings of elements whose pseudopotential is too hard for the plane-wave cutoff.

    A Gaussian core of radius :math:`r_{loc}` has the share :math:`\exp(-E r_{loc}^2 / 2)` left at the cutoff E (Ry,
    hence the square of a wave number in 1/bohr). Neon (0.19 bohr) has 4e-3 at 300 Ry, and its energy then depends on
    where the grid lies by 25 meV per atom; argon (0.4 bohr) has 4e-11.
    """
    file = find_potential_file(settings.potential_file, data_directories(None, None))
    cores = {} if file is None else read_gth_potentials(file)
    notes = []
    for element in sorted(set(elements)):
        core = cores.get((element, settings.potential.upper()))
        if core is not None and math.exp(-settings.cutoff * (core[1] / Bohr) ** 2 / 2) > _UNRESOLVED:
            needed = -2 * math.log(_UNRESOLVED) / (core[1] / Bohr) ** 2
            notes.append(
                f"cp2k.cutoff: {settings.cutoff:g} Ry is too low for the core of {element} (r_loc {core[1] / Bohr:.2f} "
                f"bohr), so that energies and forces depend on where the grid lies; it wants {needed:.0f} Ry or more"
            )
    return notes


def _read_basis_names(path: Path) -> set[tuple[str, str]]:
    """Names of the basis sets in a file of CP2K's format: (element, NAME), aliases too, in capitals."""
    found = set()
    for raw in read_cp2k_text(path).split("\n"):
        words = raw.partition("#")[0].split()
        if len(words) > 1 and words[0].capitalize() in atomic_numbers:
            found |= {(words[0].capitalize(), name.upper()) for name in words[1:]}
    return found
