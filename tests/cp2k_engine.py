"""The real CP2K as the tests' reference; tests that use it carry the marker ``cp2k``.

``argon_run`` is a finished run of four argon atoms with its density, made once a session; import it into the conftest
of a room's tests to use it there. It takes some three seconds of one core.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

INPUT = """&GLOBAL
  PROJECT argon
  RUN_TYPE ENERGY_FORCE
  PRINT_LEVEL MEDIUM
&END GLOBAL
&FORCE_EVAL
  METHOD QS
  &DFT
    BASIS_SET_FILE_NAME BASIS_MOLOPT
    POTENTIAL_FILE_NAME GTH_POTENTIALS
    &MGRID
      CUTOFF 300
      REL_CUTOFF 60
    &END MGRID
    &QS
      EPS_DEFAULT 1.0E-12
    &END QS
    &SCF
      SCF_GUESS ATOMIC
      EPS_SCF 1.0E-7
      MAX_SCF 50
      &OT
        MINIMIZER DIIS
        PRECONDITIONER FULL_ALL
      &END OT
    &END SCF
    &XC
      &XC_FUNCTIONAL PBE
      &END XC_FUNCTIONAL
    &END XC
    &PRINT
      &E_DENSITY_CUBE
        STRIDE 1 1 1
      &END E_DENSITY_CUBE
      &TOT_DENSITY_CUBE
        STRIDE 1 1 1
      &END TOT_DENSITY_CUBE
      &V_HARTREE_CUBE
        STRIDE 1 1 1
      &END V_HARTREE_CUBE
    &END PRINT
  &END DFT
  &SUBSYS
    &CELL
      ABC 5.31234567891 5.41234567892 5.51234567893
    &END CELL
    &COORD
      Ar 0.10123456789 0.20123456789 0.30123456789
      Ar 2.65617283946 2.80617283946 0.05000000000
      Ar 2.55617283946 0.00000000000 2.85617283947
      Ar 0.00000000000 2.70617283946 2.75617283947
    &END COORD
    &KIND Ar
      BASIS_SET DZVP-MOLOPT-SR-GTH
      POTENTIAL GTH-PBE
    &END KIND
  &END SUBSYS
  &PRINT
    &FORCES
    &END FORCES
  &END PRINT
&END FORCE_EVAL
"""
"""Face-centred argon, squeezed and displaced, so that no symmetry hides a mistake; positions of 11 digits."""

WITH_LOCAL_ENERGIES = INPUT.replace(
    "    &PRINT\n", "    &PRINT\n      &LOCAL_ENERGY_CUBE\n        STRIDE 1 1 1\n      &END\n", 1
)
"""The same with CP2K's energy density."""

WITH_RVV10 = WITH_LOCAL_ENERGIES.replace(
    "&XC_FUNCTIONAL PBE\n      &END XC_FUNCTIONAL",
    """&XC_FUNCTIONAL
        &GGA_X_RPW86
        &END
        &GGA_C_PBE
        &END
      &END XC_FUNCTIONAL
      &VDW_POTENTIAL
        DISPERSION_FUNCTIONAL NON_LOCAL
        &NON_LOCAL
          TYPE RVV10
          KERNEL_FILE_NAME rVV10_kernel_table.dat
          PARAMETERS 6.3 0.0093
          CUTOFF 160
        &END NON_LOCAL
      &END VDW_POTENTIAL""",
)
"""The same with the functional of the reference data."""


def with_pairs(form: str, keywords: str = "") -> str:
    """The input with the energy density and a dispersion of pairs of a form such as ``DFTD3(BJ)``."""
    return WITH_LOCAL_ENERGIES.replace(
        "&END XC_FUNCTIONAL",
        f"""&END XC_FUNCTIONAL
      &VDW_POTENTIAL
        POTENTIAL_TYPE PAIR_POTENTIAL
        &PAIR_POTENTIAL
          TYPE {form}
          PARAMETER_FILE_NAME dftd3.dat
          REFERENCE_FUNCTIONAL PBE
          {keywords}
        &END PAIR_POTENTIAL
      &END VDW_POTENTIAL""",
    )


def with_atoms(text: str, positions: ArrayLike, cell: ArrayLike) -> str:
    """The input with argon atoms at other positions, (n_atoms, 3), in another orthorhombic cell, (3,); Angstrom."""
    rows = ["      Ar " + " ".join(f"{x:.11f}" for x in position) for position in np.asarray(positions)]
    text = re.sub("ABC .*", "ABC " + " ".join(f"{length:.11f}" for length in np.asarray(cell)), text)
    return re.sub("(&COORD\n).*?(    &END COORD)", "\\1" + "\n".join(rows) + "\n\\2", text, flags=re.DOTALL)


def run_cp2k(command: str, directory: Path, text: str, name: str = "argon") -> Path:
    """Run CP2K on an input in a directory, on one thread, and give back its output."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.inp").write_text(text)
    done = subprocess.run(
        [command, "-i", f"{name}.inp", "-o", f"{name}.out"],
        cwd=directory,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return directory / f"{name}.out"


@pytest.fixture(scope="session")
def argon_run(cp2k_command: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the run; whatever room asks first has it made."""
    directory = tmp_path_factory.getbasetemp() / "cp2k_argon_run"
    if not (directory / "argon.out").exists():
        run_cp2k(cp2k_command, directory, INPUT)
    return directory
