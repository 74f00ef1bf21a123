"""Settings of a campaign of CP2K calculations (`basinet dft run`): every key with its type, default and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from basinet.config.loading import overlay, parse_yaml, read_yaml, validated
from basinet.config.settings import Positive, Section
from basinet.errors import InputError

CampaignPreset = Literal["paper", "reference"]
Word = Annotated[str, Field(pattern=r"^[^\s&@#!$]+$")]
Count = Annotated[int, Field(ge=1)]

AIMD_EPS_SCF = 1e-7
"""A step begins with extrapolated wave functions and ends just below EPS_SCF, a single point far below: with 1e-6 the
electrostatic energies of dynamics, first order in the density, are off by up to 0.14 meV per atom (Ar4), with 1e-7 by
0.002."""


class Cp2kSettings(Section):
    """What CP2K calculates: Quickstep (GPW) with the functional rVV10 in place, GTH pseudopotentials and OT."""

    cutoff: float = Field(600, ge=50, le=5000, description="plane-wave cutoff of the finest grid, Ry")
    rel_cutoff: float = Field(60, ge=20, le=1000, description="cutoff that Gaussians are mapped to grids by, Ry")
    vdw_cutoff: float = Field(160, ge=20, le=5000, description="cutoff of the non-local correlation's grid, Ry")
    grids: int = Field(5, ge=1, le=10, description="levels of the multigrid")
    eps_default: Positive = Field(1e-12, description="EPS_DEFAULT, precision of everything else")
    eps_scf: Positive = Field(1e-6, description="convergence of the SCF cycle; of molecular dynamics 1e-7")
    max_scf: Count = Field(50, description="most SCF steps")
    minimiser: Literal["DIIS", "CG"] = Field("DIIS", description="minimiser of the orbital transformation")
    rvv10_b: Positive = Field(6.3, description="parameter b of rVV10")
    rvv10_c: Positive = Field(9.3e-3, description="parameter C of rVV10")
    basis_set: Word = Field("DZVP-MOLOPT-SR-GTH", description="Gaussian basis set, the same for every element")
    basis_set_file: Word = Field("BASIS_MOLOPT", description="file of basis sets")
    potential: Word = Field("GTH-PBE", description="GTH pseudopotential, the same for every element")
    potential_file: Word = Field("GTH_POTENTIALS", description="file of pseudopotentials")


class AimdSettings(Section):
    """Ab initio molecular dynamics in the canonical ensemble, every frame given being a start of its own."""

    temperature: Positive = Field(120, description="K")
    timestep: Positive = Field(2, description="fs")
    steps: Count = Field(500, description="of each trajectory")
    density_every: Count = Field(10, description="steps between densities, each of which becomes a labelled frame")
    segment: Count = Field(
        50,
        description="steps of one calculation, a multiple of density_every; a kill loses one segment at most, and as "
        "many densities as one holds lie on the disk at a time",
    )
    chain_length: Count = Field(3, description="of the Nose-Hoover chain")
    time_constant: Positive = Field(100, description="of the Nose-Hoover chain, fs")
    seed: int = Field(0, ge=0, le=10**8, description="of the first trajectory's velocities; the next ones count on")

    @model_validator(mode="after")
    def _whole_segments(self) -> AimdSettings:
        if self.segment % self.density_every or self.steps % self.density_every:
            msg = f"segment and steps must be multiples of density_every = {self.density_every}"
            raise ValueError(msg)
        return self


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

    command: str = Field("", description="CP2K's command line; found on the PATH unless given. Example: mpirun -np 8 cp2k.psmp")  # fmt: skip # noqa: E501
    workers: Count | None = Field(None, description="calculations at a time; as processors allow unless given")
    threads: Count = Field(1, description="OpenMP threads of each; one makes results the same to the last digit")
    time_limit: Positive = Field(86400, description="seconds that one calculation may take")
    retries: RetrySettings = RetrySettings()
    stop_after: Count = Field(5, description="calculations given up in a row after which the campaign stops")
    scratch: str | None = Field(None, description="directory for running calculations; DIR/scratch unless given")
    keep_cubes: bool = Field(False, description="keep the densities, in DIR/cubes")

    @field_validator("scratch")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        """CP2K and other machines' workers run elsewhere."""
        return None if value is None else str(Path(value).expanduser().absolute())


class ClusterSettings(Section):
    """Jobs of a queueing system, each a Dask worker that does one calculation after another."""

    system: Literal["slurm", "pbs", "sge", "lsf", "htcondor", "oar", "moab"] = "slurm"
    jobs: Count = Field(1, description="workers in the queue at a time")
    cores: Count | None = Field(None, description="of each job; MPI ranks of run.command times run.threads")
    memory: str = Field("4GB", description="of each job")
    walltime: str = Field("24:00:00", description="of each job; one that ends is replaced")
    queue: str | None = Field(None, description="or partition")
    account: str | None = Field(None, description="project that pays")
    directives: list[str] = Field([], description="further directives, such as --qos=low")
    prologue: list[str] = Field([], description="shell lines before the worker, such as module load cp2k")
    interface: str | None = Field(None, description="network interface, such as ib0")


class CampaignConfig(Section):
    """A campaign of CP2K calculations (`basinet dft run`)."""

    preset: CampaignPreset = Field(
        "reference", description="cutoff and vdw_cutoff: 300 and 60 Ry (reference), 600 and 160 Ry (paper)"
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
    cluster: ClusterSettings | None = Field(None, description="a queueing system, in place of this machine")

    @field_validator("frames", mode="before")
    @classmethod
    def _one_file(cls, value: Any) -> Any:
        """Take a single file for a list of one."""
        return [value] if isinstance(value, str) else value


def preset_values(preset: str) -> dict[str, Any]:
    """Values of a preset."""
    text = (resources.files("basinet.config") / "campaign_presets" / f"{preset}.yaml").read_text(encoding="utf-8")
    return parse_yaml(text, f"preset {preset}")


def load_campaign_config(path: str | Path, changes: Mapping[str, Any] | None = None) -> CampaignConfig:
    """Settings of a campaign: its preset, overlaid by a file, overlaid by changes from the command line.

    Raises
    ------
    InputError
        Names the file, the key, and what is wrong.
    """
    values = overlay(read_yaml(path), dict(changes or {}))
    return resolved(values, str(path))


def resolved(values: dict[str, Any], source: str) -> CampaignConfig:
    """Check values laid over those of their preset."""
    preset = values.get("preset", "reference")
    if preset not in ("paper", "reference"):
        raise InputError(f"{source}: preset: choose paper or reference, got {preset!r}")
    if values.get("template") and values.get("cp2k"):
        raise InputError(f"{source}: cp2k: is not used where a template is given; remove one of them")
    defaults = preset_values(preset)
    if values.get("mode") == "aimd":
        defaults = overlay(defaults, {"cp2k": {"eps_scf": AIMD_EPS_SCF}})
    return validated(CampaignConfig, overlay(defaults, values), source)
