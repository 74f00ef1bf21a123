"""What changed between two looks at a frame: exactly, and quicker than ASE's comparison within tolerances.

That comparison takes longer than the forces of 32 atoms by a pair potential, and lets changes below 1e-15 A pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase.calculators.calculator import all_changes

if TYPE_CHECKING:
    from ase import Atoms


def exact_changes(old: Atoms | None, new: Atoms) -> list[str]:
    """Names, as ASE's calculators know them, of what differs; a potential sees no charges and no magnetic moments."""
    if old is None:
        return list(all_changes)
    same = {
        "positions": np.array_equal(old.positions, new.positions),
        "numbers": np.array_equal(old.numbers, new.numbers),
        "cell": np.array_equal(old.cell.array, new.cell.array),
        "pbc": np.array_equal(old.pbc, new.pbc),
    }
    return [name for name, unchanged in same.items() if not unchanged]
