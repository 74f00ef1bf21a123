"""What docs/potentials.md shows of ASE is run as it stands there, with fewer steps."""

import re
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "potentials.md"


def test_the_section_runs():
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("\n## ASE\n")
    (code,) = re.findall(r"^```python\n(.*?)^```$", rest.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    assert "max_steps=1000" in code
    names = {}
    exec(compile(code.replace("max_steps=1000", "max_steps=50"), str(PAGE), "exec"), names)  # noqa: S102
    atoms = names["atoms"]
    assert atoms.calc.results["spread"].shape == (32,)
    assert np.isclose(atoms.get_potential_energies().sum(), atoms.get_potential_energy(), rtol=1e-14)
