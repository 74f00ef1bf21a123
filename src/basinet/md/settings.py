"""Settings of `basinet sample` and of the synthetic liquid."""

import re
from math import gcd
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from basinet.config.loading import Count, Positive, Section
from basinet.md.liquids import _box_edges, _refuse_no_liquid
from basinet.potentials.pair_potential import LITERATURE_CUTOFF, noble_gas_potential, pair_parameters

FEWEST_ATOMS = 8
NO_NAMES = ("t", "f", "true", "false", "nan", "inf", "infinity")
"""Words that come back from extended XYZ as truth values or numbers."""
SHORTEST_CUTOFF = 2.0  # times the largest sigma: at 2 sigma a pair has a sixteenth of its deepest energy left


_MOST_ATOMS = 100_000


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
            raise ValueError(f"{sum(value.values())} atoms are no liquid; give at least {FEWEST_ATOMS}")
        if sum(value.values()) > _MOST_ATOMS:
            raise ValueError(f"{sum(value.values())} atoms are too many to sample; give at most {_MOST_ATOMS}")
        return value

    @field_validator("cell", mode="before")
    @classmethod
    def _a_box(cls, value: Any) -> Any:
        if value != "cubic" and not (isinstance(value, list | tuple) and len(value) == 3):
            raise ValueError("give cubic, or three edges in A such as [12, 12, 24]")
        return value

    @field_validator("system")
    @classmethod
    def _names_files(cls, value: str | None) -> str | None:
        if value is None:
            return value
        if not re.fullmatch(r"\w[\w.+-]*", value):
            raise ValueError("use letters, digits and . + - _ only, it names files")
        if not value[0].isalpha() or value.lower() in NO_NAMES:
            msg = "begin with a letter, and avoid T, F, true, false, nan, inf: read back, it would be no text"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.melting > 0 and self.hot <= self.temperature:
            msg = f"melt_temperature {self.hot:g} K is not above temperature {self.temperature:g} K; raise it"
            raise ValueError(msg)
        least = SHORTEST_CUTOFF * max(pair_parameters(element, element)[1] for element in self.composition)
        if self.cutoff < least:
            raise ValueError(
                f"cutoff {self.cutoff:g} A is below {least:.1f} A, twice the size (sigma) of the largest atoms, and "
                f"leaves out what holds a liquid together; give some {LITERATURE_CUTOFF:g}, in A"
            )
        if self.cell != "cubic" and self.density is not None:
            raise ValueError("cell and density are both given, and either fixes the volume; leave one out")
        _refuse_no_liquid(self.composition, _box_edges(self.composition, self.temperature, self.density, self.cell))
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


class _LiquidSettings(Section):
    """How the synthetic liquid is melted, cooled and sampled.

    Krypton at 120 K is just above freezing and keeps its lattice for tens of picoseconds at 240 K.
    """

    temperature: Positive = Field(120.0, description="K")
    timestep: Positive = Field(10.0, description="fs")
    friction: Positive = Field(0.001, description="of Langevin dynamics, 1/fs")
    melt_temperature: Positive = Field(500.0, description="K, at which the lattice is melted")
    melt_steps: Count = Field(1500, description="steps of melting")
    equilibration_steps: Count = Field(2000, description="steps at the temperature before the first frame")
    spacing_steps: Count = Field(300, description="steps between two frames")
    cutoff: Positive = Field(LITERATURE_CUTOFF, description="A, of the literature potential, unless one is given")
