"""One potential of several that were trained apart."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from basinet.errors import InputError
from basinet.models.ensemble import Ensemble
from basinet.models.network import Layer
from basinet.models.scaling import DescriptorRange, Scaling

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T", Scaling, DescriptorRange)


def compose(**models: Ensemble) -> Ensemble:
    """One potential from per-species networks: ``compose(Ar=argon, Kr=krypton)``.

    Each atom is handled by the network that its element's model holds for it; neighbours of the other element are seen
    through the descriptor's species weights. Member m of the result joins the members m of the parts.

    Raises
    ------
    InputError
        If the models read different descriptors, differ in architecture or in the number of members.
    """
    if not models:
        msg = "compose() needs at least one model, as in compose(Ar=argon, Kr=krypton)"
        raise InputError(msg)
    parts = [models[element].restrict(element) for element in sorted(models)]
    first = parts[0]
    for part in parts[1:]:
        for name in ("descriptor", "architecture", "members", "baseline"):
            if getattr(part, name) != getattr(first, name):
                msg = (
                    f"models of {first.elements[0]} and {part.elements[0]} differ in their {name} "
                    f"({getattr(first, name)} and {getattr(part, name)}): only equal ones compose"
                )
                raise InputError(msg)
    scaling, ranges = joined(parts, "scaling", Scaling), None
    if all(part.range is not None for part in parts):
        ranges = joined(parts, "range", DescriptorRange)
    layers = tuple(
        Layer(
            np.concatenate([layer.weight for layer in same], axis=1),
            np.concatenate([layer.bias for layer in same], axis=1),
        )
        for same in zip(*(part.networks for part in parts), strict=True)
    )
    return Ensemble(
        first.descriptor,
        first.architecture,
        tuple(sorted(models)),
        {part.elements[0]: part.e0[part.elements[0]] for part in parts},
        scaling,
        layers,
        {part.elements[0]: dict(part.training) for part in parts},
        ranges,
        first.baseline,
    )


def joined(parts: Sequence[Ensemble], name: str, kind: type[T]) -> T:
    """Join the arrays of one attribute of all parts, element after element."""
    values = [getattr(part, name) for part in parts]
    return kind(*(np.concatenate([getattr(value, field.name) for value in values]) for field in fields(values[0])))
