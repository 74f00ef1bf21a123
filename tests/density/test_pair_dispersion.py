"""Dispersion of pairs: CP2K's energies, halves and thirds, and D3's three-body term by another program."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from tests.cp2k_engine import INPUT

from basinet.cp2k.output import _read_pair_dispersion
from basinet.density.pair_dispersion import PairDispersion, pair_dispersion_energies
from basinet.errors import InputError
from basinet.units import Bohr, Hartree

D2 = """
 vdW POTENTIAL|                                                   Pair Potential
 vdW POTENTIAL|                   DFT-D2
 vdW POTENTIAL|                   Potential Form: S. Grimme, JCC 27: 1787 (2006)
 vdW POTENTIAL|                   Cutoff Radius [Bohr]:                    20.00
 vdW POTENTIAL|                   Scaling Factor:                         0.7500
 vdW POTENTIAL|                   Exp Prefactor for Damping:                20.0
 vdW PARAMETER|  Atom=Ar   C6[J*nm^6*mol^-1]=  4.6100         r(vdW)[A]=  1.5950
 vdW PARAMETER|  Atom=H    C6[J*nm^6*mol^-1]=  0.1400         r(vdW)[A]=  1.0010
"""
D3 = """
 vdW POTENTIAL|                                                   Pair Potential
 vdW POTENTIAL|          DFT-D3 (Version 3.1)
 vdW POTENTIAL|          Potential Form: S. Grimme et al, JCP 132: 154104 (2010)
 vdW POTENTIAL|          Zero Damping
 vdW POTENTIAL|          Cutoff Radius [Bohr]:                             20.00
 vdW POTENTIAL|          s6 Scaling Factor:                               1.0000
 vdW POTENTIAL|          sr6 Scaling Factor:                              1.2170
 vdW POTENTIAL|          s8 Scaling Factor:                               0.7220
 vdW POTENTIAL|          Cutoff for CN calculation:                   0.1000E-05
"""
BJ = """
 vdW POTENTIAL|                                                   Pair Potential
 vdW POTENTIAL|          DFT-D3 (Version 3.1)
 vdW POTENTIAL|          Potential Form: S. Grimme et al, JCP 132: 154104 (2010)
 vdW POTENTIAL|          BJ Damping: S. Grimme et al, JCC 32: 1456 (2011)
 vdW POTENTIAL|          Cutoff Radius [Bohr]:                             20.00
 vdW POTENTIAL|          s6 Scaling Factor:                               1.0000
 vdW POTENTIAL|          a1 Damping Factor:                               0.4289
 vdW POTENTIAL|          s8 Scaling Factor:                               0.7875
 vdW POTENTIAL|          a2 Damping Factor:                               4.4407
 vdW POTENTIAL|          Cutoff for CN calculation:                   0.1000E-05
"""
PRINTED = {
    (D2, False): -0.01199526665985,
    (D3, False): -0.01102140464277,
    (BJ, False): -0.01171049822912,
    (D3, True): -0.01081897382359,
    (BJ, True): -0.01150806740994,
}
"""Dispersion energies, hartree, that CP2K 2023.1 printed for the argon of `INPUT` below these lines, with PBE, the last
two with ``CALCULATE_C9_TERM``."""
NAMES = ["D2", "D3", "D3(BJ)", "D3, three-body", "D3(BJ), three-body"]


def printed_dispersion(text: str, *, three_body: bool = False) -> PairDispersion:
    """Dispersion of CP2K's lines; skips the test where D3 cannot be had."""
    found = _read_pair_dispersion(text, "the output")
    assert found is not None
    if "d" not in found.parameters:
        pytest.importorskip("dftd3", reason="pip install 'basinet[d3]'")
    return PairDispersion(found.parameters, found.cutoff, found.elements, three_body)


def argon() -> Atoms:
    rows = [line.split() for line in INPUT.splitlines() if line.startswith("      Ar")]
    lengths = next(line.split()[1:] for line in INPUT.splitlines() if "ABC" in line)
    return Atoms("Ar4", [[float(word) for word in row[1:]] for row in rows], cell=[float(a) for a in lengths], pbc=True)


@pytest.mark.parametrize(("text", "three_body"), PRINTED, ids=NAMES)
def test_atoms_sum_to_the_energy_that_cp2k_printed(text, three_body):
    energies = pair_dispersion_energies(argon(), printed_dispersion(text, three_body=three_body))
    assert energies.sum() / Hartree == pytest.approx(PRINTED[text, three_body], abs=1e-8)
    assert np.ptp(energies) > 5e-5  # eV: the atoms are displaced


def test_coordination_numbers_of_several_elements_are_nearly_those_of_cp2k():
    """CP2K's fall off faster: 2e-4 of the energy of a molecule of water beside argon."""
    places = [[0.1, 0.2, 0.3], [0.85, 0.25, 0.89], [-0.65, 0.15, 0.9], [0.3, 0.1, 3.6]]
    atoms = Atoms("OH2Ar", places, cell=[4.1, 4.2, 5.9], pbc=True)
    dispersion = replace(printed_dispersion(BJ, three_body=True), cutoff=12.0)
    pairs = pair_dispersion_energies(atoms, replace(dispersion, three_body=False)).sum() / Hartree
    both = pair_dispersion_energies(atoms, dispersion).sum() / Hartree
    assert both == pytest.approx(-3.9121263251064332e-03, rel=3e-4)
    assert both - pairs == pytest.approx(5.6536223443662968e-05, rel=5e-4)


@pytest.mark.parametrize("text", [D2, D3, BJ], ids=["D2", "D3", "D3(BJ)"])
def test_a_pair_apart_from_all_others_is_shared_by_halves(text):
    place = np.array([0.3, 0.5, -0.2])
    atoms = Atoms("ArHAr", place + np.array([[0.0] * 3, [0.0, 2.9, 1.1], [35.0] * 3]), cell=[70.0] * 3, pbc=True)
    first, second, alone = pair_dispersion_energies(atoms, printed_dispersion(text))
    assert first == pytest.approx(second, rel=1e-12)
    assert first < -1e-4
    assert alone == 0.0


def test_a_triple_is_shared_by_thirds_and_has_the_energy_of_simple_dftd3():
    atoms = Atoms("ArOKr", [[40.0, 1.0, 0.0], [43.1, 1.0, 0.5], [41.0, 4.2, 0.0]], cell=[70.0] * 3, pbc=True)
    dispersion = printed_dispersion(BJ)
    with_triples = printed_dispersion(BJ, three_body=True)
    triple = pair_dispersion_energies(atoms, with_triples) - pair_dispersion_energies(atoms, dispersion)
    assert triple == pytest.approx(np.full(3, triple.mean()), rel=1e-9)
    from dftd3.interface import DispersionModel, RationalDampingParam

    model = DispersionModel(atoms.numbers, atoms.positions / Bohr)
    theirs = [
        model.get_dispersion(RationalDampingParam(**dispersion.parameters, s9=s9), grad=False)["energy"]
        for s9 in (0.0, 1.0)
    ]
    assert triple.sum() / Hartree == pytest.approx(theirs[1] - theirs[0], rel=1e-6)
    assert abs(triple.sum()) > 1e-5


def test_d3_without_its_package_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "dftd3.interface", None)
    dispersion = _read_pair_dispersion(BJ, "the output")
    with pytest.raises(InputError, match=r"dftd3; pip install 'basinet\[d3\]'$"):
        pair_dispersion_energies(argon(), dispersion)


def test_a_dispersion_that_is_none_of_these_is_not_taken_for_one():
    assert _read_pair_dispersion(BJ.replace("DFT-D3", "DFT-D4"), "the output") is None
    assert _read_pair_dispersion(D3.replace("sr6", "other"), "the output") is None
    assert _read_pair_dispersion("", "the output") is None
