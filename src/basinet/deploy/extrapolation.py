"""Warn where a potential is asked about surroundings unlike those it was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray


class ExtrapolationWarning(UserWarning):
    """Descriptors of some atoms lie outside of the training range."""


def extrapolation_message(atoms: Atoms, excess: NDArray[np.float64], margin: float) -> str:
    """Say how many atoms leave the training range, and which one the farthest.

    >>> import numpy as np
    >>> from ase import Atoms
    >>> extrapolation_message(Atoms("ArKr"), np.array([0.0, 2.5]), 0.1)
    '1 of 2 atoms leave the training range, atom 1 (Kr) by 2.5 times its width: energies and forces are extrapolated'
    """
    worst = int(np.argmax(excess))
    count = int(np.count_nonzero(excess > margin))
    return (
        f"{count} of {len(atoms)} atoms leave the training range, atom {worst} ({atoms.symbols[worst]}) by"
        f" {excess[worst]:.1f} times its width: energies and forces are extrapolated"
    )
