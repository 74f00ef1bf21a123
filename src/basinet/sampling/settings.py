"""Settings of `basinet sample`: which liquid, how it is melted, and which frames are taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import gcd
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from basinet.config.loading import read_yaml, validated
from basinet.config.settings import Positive, Section
from basinet.models.pair_potential import LITERATURE_CUTOFF
from basinet.sampling.potentials import largest_sigma, noble_gas_potential
from basinet.sampling.start import box_edges, refuse_no_liquid

Count = Annotated[int, Field(ge=1)]
FEWEST_ATOMS = 8
NO_NAMES = ("t", "f", "true", "false", "nan", "inf", "infinity")
"""Words that come back from extended XYZ as truth values or numbers."""
SHORTEST_CUTOFF = 2.0
"""Times the largest sigma: at 2 sigma a pair has a sixteenth of its deepest energy left."""


class SampleConfig(Section):
    """Configurations of a liquid of noble gases (`basinet sample`)."""

    composition: dict[str, Count] = Field(min_length=1, description="atoms of each element, such as {Ar: 24, Kr: 8}")
    temperature: Positive = Field(120.0, description="K")
    density: Positive | dict[str, Positive] | None = Field(
        None,
        description="g/cm3: of the liquid, or of each pure liquid, whose volumes are added; near 120 K argon and "
        "krypton need none",
    )
    cell: Literal["cubic"] | tuple[Positive, Positive, Positive] = Field(
        "cubic", description="cubic at the density, or three edges in A in its place"
    )
    system: str | None = Field(None, description="name of the liquid in the frames; by composition unless given")
    frames: int = Field(100, ge=1, description="configurations to take")
    spacing: Literal["auto"] | Positive = Field(
        "auto", description="ps between frames; auto: as long as the liquid is measured to remember"
    )
    melting: float = Field(10.0, ge=0, description="ps at the melt temperature; 0 leaves melting out")
    melt_temperature: Literal["auto"] | Positive = Field("auto", description="K; auto: four times the temperature")
    cooling: float = Field(10.0, ge=0, description="ps from the melt temperature to the temperature")
    equilibration: float = Field(40.0, ge=0, description="ps at the temperature before anything is measured")
    measurement: float = Field(
        60.0, ge=20, description="ps in which melting is checked and the memory is measured, before the first frame"
    )
    timestep: float = Field(2.0, gt=0, le=20, description="fs")
    damping: Positive = Field(100.0, description="fs, time scale of the Nose-Hoover chain")
    cutoff: float = Field(11.0, gt=0, le=50, description="A, cutoff of the pair potential")
    seed: int = Field(0, ge=0, description="seed of lattice, species' order and momenta")

    @field_validator("composition")
    @classmethod
    def _known_elements(cls, value: dict[str, int]) -> dict[str, int]:
        noble_gas_potential(value)
        if sum(value.values()) < FEWEST_ATOMS:
            msg = f"{sum(value.values())} atoms are no liquid; give at least {FEWEST_ATOMS}"
            raise ValueError(msg)
        return value

    @field_validator("cell", mode="before")
    @classmethod
    def _a_box(cls, value: Any) -> Any:
        if value != "cubic" and not (isinstance(value, list | tuple) and len(value) == 3):
            msg = "give cubic, or three edges in A such as [12, 12, 24]"
            raise ValueError(msg)
        return value

    @field_validator("system")
    @classmethod
    def _names_files(cls, value: str | None) -> str | None:
        if value is None:
            return value
        if not re.fullmatch(r"\w[\w.+-]*", value):
            msg = "use letters, digits and . + - _ only, it names files"
            raise ValueError(msg)
        if not value[0].isalpha() or value.lower() in NO_NAMES:
            msg = "begin with a letter, and avoid T, F, true, false, nan, inf: read back, it would be no text"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _possible(self) -> SampleConfig:
        """Refuse a melt colder than the liquid, too short a cutoff, and a box of no liquid or not determined."""
        if self.melting > 0 and self.hot <= self.temperature:
            msg = f"melt_temperature {self.hot:g} K is not above temperature {self.temperature:g} K; raise it"
            raise ValueError(msg)
        least = SHORTEST_CUTOFF * largest_sigma(self.composition)
        if self.cutoff < least:
            msg = (
                f"cutoff {self.cutoff:g} A is below {least:.1f} A, twice the size (sigma) of the largest atoms, and "
                f"leaves out what holds a liquid together; give some {LITERATURE_CUTOFF:g}, in A"
            )
            raise ValueError(msg)
        if self.cell != "cubic" and self.density is not None:
            msg = "cell and density are both given, and either fixes the volume; leave one out"
            raise ValueError(msg)
        refuse_no_liquid(self.composition, box_edges(self.composition, self.temperature, self.density, self.cell))
        return self

    @property
    def hot(self) -> float:
        """Melt temperature, K."""
        return 4.0 * self.temperature if self.melt_temperature == "auto" else self.melt_temperature

    @property
    def name(self) -> str:
        """Name of the system: as given, or ``ar``, ``mix`` (argon and krypton, equimolar), ``ar3kr`` by composition."""
        if self.system is not None:
            return self.system
        shares = dict(sorted(self.composition.items()))
        common = gcd(*shares.values())
        if shares.keys() == {"Ar", "Kr"} and len(set(shares.values())) == 1:
            return "mix"
        parts = [f"{element}{count // common if count > common else ''}" for element, count in shares.items()]
        return "".join(parts).lower()


def load_sample_config(path: str | Path, changes: Mapping[str, Any] | None = None) -> SampleConfig:
    """Settings of a sampling run from a file, with changes from the command line laid over it."""
    return validated(SampleConfig, {**read_yaml(path), **(changes or {})}, str(path))
