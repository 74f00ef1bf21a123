"""How potentials are trained: every setting with its default, its unit and its meaning."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from basinet.config.loading import Cutoff, Positive, Section, TwoJMax
from basinet.descriptors import Bispectrum, element_radii


class TrainingSettings(Section):
    """Adam on minibatches of frames, cosine decay, early stopping of every network by itself."""

    learning_rates: tuple[Positive, ...] = Field(
        (3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
        min_length=1,
        description="candidates; validation frames choose per architecture",
    )
    search_members: int = Field(
        3, ge=1, description="members that take part in that choice; where there are more, all are trained again"
    )
    max_steps: int = Field(3000, ge=1, description="most steps, and the length of the cosine decay")
    batch_size: int = Field(10, ge=1, description="frames per step")
    evaluate_every: int = Field(25, ge=1, description="steps between looks at the validation frames")
    patience: int = Field(600, ge=1, description="steps without improvement after which a network stops")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay (AdamW), relative to the learning rate")
    dtype: Literal["float32", "float64"] = Field("float32", description="precision of training; prediction is float64")
    force_weight: float = Field(
        0.0, ge=0, description="weight of the forces beside total energies, A^2; 0: total energies only"
    )


class FixedDescriptor(Section):
    """One descriptor."""

    rcut: Cutoff = Field(5.25, description="cutoff, A")
    twojmax: TwoJMax = Field(6, description="twice the largest momentum")
    weights: dict[str, float] = Field({"Ar": 1.0, "Kr": 1.0}, description="neighbour weight of each element")
    radii: Literal["equal", "van_der_waals"] | dict[str, float] = Field(
        "van_der_waals", description="sizes R of the elements, or their kind; a pair is cut off at rcut (R_i + R_j)"
    )

    def bispectrum(self) -> Bispectrum:
        """Build the descriptor."""
        return Bispectrum(self.rcut, self.twojmax, self.weights, element_radii(self.weights, self.radii))


def default_descriptor(elements: Iterable[str]) -> Bispectrum:
    """Bispectrum with the defaults of a config: its elements, or others, weigh alike and are told apart by size."""
    usual = FixedDescriptor()
    if set(elements) <= set(usual.weights):
        return usual.bispectrum()
    return FixedDescriptor(weights=dict.fromkeys(elements, 1.0)).bispectrum()
