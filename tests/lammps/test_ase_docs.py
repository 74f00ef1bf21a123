"""What docs/potentials.md shows of ASE, and of models on a pair potential, is run as it stands, with fewer steps."""

import re
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs" / "potentials.md"


def run(section):
    """Run the section's Python; return the names it leaves."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}\n")
    (code,) = re.findall(r"^```python\n(.*?)^```$", rest.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    fewer, changed = re.subn(r"max_steps=\d+", "max_steps=50", code)
    assert changed == 1
    names = {}
    exec(compile(fewer, str(PAGE), "exec"), names)  # noqa: S102
    return names


def test_the_section_on_ase_runs():
    atoms = run("ASE")["atoms"]
    assert atoms.calc.results["spread"].shape == (32,)
    assert np.isclose(atoms.get_potential_energies().sum(), atoms.get_potential_energy(), rtol=1e-14)


def test_the_section_on_pair_potentials_runs():
    model = run("On a pair potential")["model"]
    assert model.baseline.smooth
    assert model.baseline.elements == ("Ar", "Kr")
