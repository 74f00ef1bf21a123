"""rVV10's non-local part by DFTpy, in a process of its own: ``python dftpy_worker.py INPUT OUTPUT``.

INPUT is an .npz with `density` (e/bohr^3) and `cell` (bohr, vectors as rows). OUTPUT gets `energy` (hartree),
`potential` (hartree, on the grid) and the CPU time of the call (`seconds`).
"""

from __future__ import annotations

import sys
import time

import numpy as np


def main(source: str, target: str) -> None:
    """One call, timed."""
    from dftpy.field import DirectField
    from dftpy.functional.xc.rvv10 import RVV10NL
    from dftpy.grid import DirectGrid

    with np.load(source) as given:
        density, cell = given["density"], given["cell"]
    functional = RVV10NL()
    field = DirectField(DirectGrid(lattice=cell, nr=density.shape), griddata_3d=density)
    begun = time.process_time()
    found = functional.compute(field, calcType={"E", "V"})
    seconds = time.process_time() - begun
    np.savez(target, energy=float(found.energy), potential=np.asarray(found.potential), seconds=seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
