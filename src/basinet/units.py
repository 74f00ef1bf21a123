"""Units in eV and Angstrom, by CODATA 2018.

``ase.units`` itself stays with CODATA 2014, whose hartree differs by 8e-9: 0.15 meV in the total energy of 32 argon
atoms. The reference data were converted with CODATA 2018, so all of this package is.
"""

from ase.units import create_units

_CODATA = create_units("2018")

Hartree: float = _CODATA["Hartree"]
Rydberg: float = _CODATA["Rydberg"]
J: float = _CODATA["J"]
kJ: float = _CODATA["kJ"]  # noqa: N816 - the name of the unit
kcal: float = _CODATA["kcal"]
kB: float = _CODATA["kB"]  # noqa: N816 - the name of the unit
invcm: float = _CODATA["invcm"]
mol: float = _CODATA["mol"]

Bohr: float = _CODATA["Bohr"]
m: float = _CODATA["m"]
