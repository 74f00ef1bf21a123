"""Every setting with its type, default and meaning; unknown keys are errors.

`basinet config schema` prints these as JSON schema, for editors.
"""

from collections.abc import Mapping
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from basinet.config.loading import (
    Cutoff,
    FrameCount,
    Listed,
    NonNegative,
    Positive,
    Section,
    Seed,
    TwoJMax,
    overlay,
    parse_yaml,
    read_settings,
    validated,
)
from basinet.errors import InputError
from basinet.potentials.network import Activation, Parametrisation
from basinet.potentials.training import FixedDescriptor, TrainingSettings

Width = Annotated[int, Field(ge=1, le=512)]
Depth = Annotated[int, Field(ge=1, le=2)]
Reading = Annotated[
    Literal["total", "electronic"], Field(description="reading of the local Hartree energy, for the relation")
]
Reference = Annotated[
    Literal["relation", "direct", "both"],
    Field(description="local energies to score on: the relation's, direct ones, or both where frames have those"),
]


class DataSettings(Section):
    """Which frames."""

    frames: Literal["reference", "synthetic"] | list[str] = Field(
        "reference", description="shipped DFT frames, a synthetic Lennard-Jones liquid, or extended XYZ files"
    )
    energy_key: str = Field("REF_energy", description="info key of the total energy, eV")
    forces_key: str = Field("REF_forces", description="array key of the forces, eV/A")
    synthetic_frames: int = Field(150, ge=12, le=100_000, description="frames per system of the synthetic liquid")
    size_transfer: bool = Field(True, description="test on other numbers of atoms where frames have them")

    @field_validator("frames", mode="before")
    @classmethod
    def _one_file(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) and value not in {"reference", "synthetic"} else value

    @field_validator("frames")
    @classmethod
    def _some_files(cls, value: Any) -> Any:
        if isinstance(value, list) and not value:
            raise ValueError("no files; give reference, synthetic or extended XYZ files")
        return value


class SplitSettings(Section):
    """Contiguous blocks of time, a gap between them."""

    fractions: tuple[Positive, Positive, Positive] = Field(
        (0.6, 0.2, 0.2), description="shares of training, validation and test frames"
    )
    gap: int = Field(1, ge=0, description="frames left out between blocks")

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        if abs(sum(self.fractions) - 1) > 1e-9:
            raise ValueError(f"fractions {list(self.fractions)} sum to {sum(self.fractions):g}, not 1")
        return self


class DescriptorSettings(Section):
    """Candidates for the descriptor; total energies on held-out fitted frames choose among them."""

    rcut: list[Cutoff] = Field([4.25, 4.75, 5.25, 5.75, 6.5, 7.5, 9.0], min_length=1, description="cutoffs, A")
    twojmax: list[TwoJMax] = Field([4, 6, 8], min_length=1, description="twice the largest momentum")
    weight_ratios: list[Positive] = Field(
        [0.8, 1.0, 1.3, 1.6], min_length=1,
        description="neighbour weight of an element over that of the one before it (alphabetical; the first has 1)",
    )  # fmt: skip
    sizes: list[Literal["equal", "van_der_waals"]] = Field(
        ["equal", "van_der_waals"], min_length=1, description="one cutoff for all pairs, or cutoffs by the atoms' sizes"
    )


class SweepSettings(Section):
    """Widths for each activation and depth."""

    parametrisation: Parametrisation = Field("standard", description="of all these networks")
    biases: bool = Field(True, description="of all networks; without, they are zero and stay so")
    tanh_1: list[Width] = Field([4, 8, 16, 32, 64, 128, 256, 512], description="one hidden layer, tanh")
    tanh_2: list[Width] = Field([4, 8, 16, 32, 64, 128], description="two hidden layers, tanh")
    linear_1: list[Width] = Field([4, 8, 16, 32, 64, 128], description="one hidden layer, linear")
    linear_2: list[Width] = Field([4, 8, 16, 32, 64, 128], description="two hidden layers, linear")


class LearningCurveSettings(Section):
    """Fidelity against the number of training frames."""

    fractions: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        [0.15, 0.3, 0.6, 1.0], description="shares of the training frames (the last ones in time); [] leaves this out"
    )
    widths: list[Width] = Field([8, 64], description="one hidden layer, tanh")


class ResolutionSettings(Section):
    """Fidelity of networks against cutoff (ridge is always there): does width matter more at a long cutoff."""

    rcut: list[Cutoff] = Field([4.25, 5.25, 6.5, 9.0], description="cutoffs for networks; [] leaves this out")
    widths: list[Width] = Field([8, 64], description="one hidden layer, tanh")


class CrossValidationSettings(Section):
    """Out-of-fold prediction of every frame by the architecture chosen on validation frames."""

    folds: int = Field(5, ge=0, description="contiguous folds; 0 leaves this out")
    inner: int = Field(4, ge=1, description="blocks of the remaining frames that take turns as validation frames")
    members: int = Field(2, ge=1, le=1000, description="networks per turn")


class ControlSettings(Section):
    """Controls of the reading that width dissolves local energies."""

    parametrisations: list[Parametrisation] = Field(
        ["zero_readout"], description="besides that of the sweep, one hidden layer, tanh; [] leaves this out"
    )
    initial_scales: list[NonNegative] = Field(
        [], description="factors of the initial readout, besides 1, in the sweep's parametrisation"
    )
    widths: list[Width] = Field([8, 64, 256], description="widths of these controls")
    ceiling_widths: list[Width] = Field([8, 64], description="tanh networks trained on local energies themselves")
    pair_widths: list[Width] = Field(
        [32], description="tanh networks that learn the difference to a literature pair potential (noble gases)"
    )
    untrained: int = Field(100, ge=0, le=100_000, description="untrained networks behind the floor")


class StudyConfig(Section):
    """The whole study (`basinet reproduce`)."""

    title: str = "Atomic energies of noble-gas potentials against density-functional theory"
    data: DataSettings = DataSettings()
    split: SplitSettings = SplitSettings()
    reference: Reference = "both"
    definition: Reading = "total"
    descriptor: DescriptorSettings = DescriptorSettings()
    sweep: SweepSettings = SweepSettings()
    members: int = Field(3, ge=1, le=1000, description="networks (seeds) per ensemble")
    seed: int = Field(0, ge=0, description="seed of the first member, of minibatches and of every bootstrap")
    optimiser: TrainingSettings = TrainingSettings()
    learning_curve: LearningCurveSettings = LearningCurveSettings()
    resolution: ResolutionSettings = ResolutionSettings()
    cross_validation: CrossValidationSettings = CrossValidationSettings()
    controls: ControlSettings = ControlSettings()


class TrainConfig(Section):
    """One ensemble, or a grid wherever a list is given (`basinet train`)."""

    data: DataSettings = DataSettings()
    split: SplitSettings = SplitSettings()
    reference: Reference = "both"
    definition: Reading = "total"
    descriptor: FixedDescriptor = FixedDescriptor()
    system: Listed[str] | None = Field(None, description="systems to train on; every one in the frames unless given")
    activation: Listed[Activation] = Field(["tanh"], description="activation; a list makes a grid")
    depth: Listed[Depth] = Field([1], description="hidden layers; a list makes a grid")
    width: Listed[Width] = Field([32], description="nodes per hidden layer; a list makes a grid")
    parametrisation: Listed[Parametrisation] = Field(["pytorch"], description="parametrisation; a list makes a grid")
    initial_scale: Listed[NonNegative] = Field([1.0], description="factor of the initial readout; a list makes a grid")
    biases: bool = Field(True, description="without, they are zero and stay so")
    n_train: Listed[FrameCount] | None = Field(
        None, description="training frames, the last ones in time; all unless given; a list makes a grid"
    )
    seed: Listed[Seed] = Field([0], description="seed of the first member; a list makes a grid")
    members: int = Field(8, ge=1, le=1000, description="networks per ensemble, of consecutive seeds")
    pair_potential: Literal["literature"] | None = Field(
        None, description="networks learn the difference to this potential; noble gases only"
    )
    optimiser: TrainingSettings = TrainingSettings()

    @model_validator(mode="after")
    def _seeds_apart(self) -> Self:
        """Refuse ensembles that share seeds: the table tells networks apart by them."""
        seeds = sorted(self.seed)
        for low, high in pairwise(seeds):
            if high - low < self.members:
                msg = f"seed: {low} and {high} are less than members = {self.members} apart, so ensembles would overlap"
                raise ValueError(msg)
        return self


def preset_names() -> list[str]:
    """Names of the shipped presets."""
    folder = resources.files("basinet.study") / "presets"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_study_config(
    preset: str = "quick", path: str | Path | None = None, changes: Mapping[str, Any] | None = None
) -> StudyConfig:
    """Settings of a study: the preset, overlaid by a file, overlaid by changes from the command line."""
    if preset not in preset_names():
        raise InputError(f"preset {preset!r} does not exist: choose {', '.join(preset_names())}")
    text = (resources.files("basinet.study") / "presets" / f"{preset}.yaml").read_text(encoding="utf-8")
    merged = parse_yaml(text, f"preset {preset}")
    if path is not None:
        merged = overlay(merged, read_settings(path))
    merged = overlay(merged, dict(changes or {}))
    source = str(path) if path is not None else f"preset {preset}{' with the options given' if changes else ''}"
    return validated(StudyConfig, merged, source)


def load_train_config(path: str | Path, changes: Mapping[str, Any] | None = None) -> TrainConfig:
    """Settings of a training run from a file, which has to name the frames: nobody means to train on all there are."""
    found = validated(TrainConfig, overlay(read_settings(path), dict(changes or {})), str(path))
    if "frames" not in found.data.model_fields_set:
        msg = f"{path}: data.frames: names no frames; give files, such as data: {{frames: [ar.extxyz]}}, or reference"
        raise InputError(msg)
    return found
