"""Settings of a campaign of CP2K calculations (`basinet dft run`): every key with its type, default and meaning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from basinet.config.loading import Count, Positive, Section

Word = Annotated[str, Field(pattern=r"^[^\s&@#!$]+$")]

AIMD_EPS_SCF = 1e-7


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
