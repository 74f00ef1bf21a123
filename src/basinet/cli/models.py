"""Models named on the command line, one or several that compose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from basinet.models import Ensemble

SUFFIX = ".basinet"


def composed(paths: Sequence[Path]) -> Ensemble:
    """Load a model, or compose several of which each knows other elements."""
    from basinet.models import compose, load_model

    loaded = [load_model(path) for path in paths]
    if len(loaded) == 1:
        return loaded[0]
    owner: dict[str, int] = {}
    for index, model in enumerate(loaded):
        for element in model.elements:
            if element in owner:
                first, second = paths[owner[element]], paths[index]
                msg = f"{first} and {second} both hold a network for {element}; give one model per element"
                raise InputError(msg)
            owner[element] = index
    return compose(**{element: loaded[index] for element, index in owner.items()})


def composed_by_element(assignments: Sequence[str]) -> Ensemble:
    """Compose the networks that ``Ar=ar.basinet`` and its like name, one for each element."""
    from basinet.models import compose, load_model

    models: dict[str, Ensemble] = {}
    for text in assignments:
        element, sign, path = text.partition("=")
        if not (element and sign and path):
            msg = f"--compose {text}: expected ELEMENT=MODEL, such as Ar=ar.basinet"
            raise InputError(msg)
        if element in models:
            msg = f"--compose names {element} twice; give one model per element"
            raise InputError(msg)
        models[element] = load_model(Path(path))
    return compose(**models)
