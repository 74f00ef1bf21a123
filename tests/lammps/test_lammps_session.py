"""What is said where LAMMPS is missing, does not load, or was built without networks."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from tests.potentials.toys import gas

from basinet.lammps.engine import INSTALL, LammpsMissingError, in_order, lammps_session, load_atoms


class WithoutNetworks:
    """A LAMMPS that was built without the package ML-IAP."""

    def __init__(self, cmdargs):
        self.closed = not cmdargs

    def has_style(self, category, name):
        return (category, name) != ("pair", "mliap")

    def version(self):
        return 20230802

    def close(self):
        self.closed = True


def unloadable(cmdargs):
    message = f"libmpi.so.12: cannot open shared object file, called with {cmdargs}"
    raise OSError(message)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (None, "Python module is missing"),
        (SimpleNamespace(lammps=unloadable), "does not load .*libmpi"),
        (SimpleNamespace(lammps=WithoutNetworks), "20230802.* without ML-IAP"),
    ],
    ids=["missing", "without MPI", "without ML-IAP"],
)
def test_a_lammps_that_does_not_serve_is_told_with_its_remedy(monkeypatch, module, words):
    monkeypatch.setitem(sys.modules, "lammps", module)
    with pytest.raises(LammpsMissingError, match=words) as refusal, lammps_session():
        pass
    assert INSTALL in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.lammps
def test_atoms_keep_their_order_elements_and_masses():
    atoms = gas("KrArKrAr2")
    with lammps_session() as engine:
        box = load_atoms(engine, atoms, ["Ar", "Kr"])
        engine.commands_list(["pair_style zero 3.0 nocoeff", "pair_coeff * *", "run 0 post no"])
        assert in_order(engine, engine.numpy.extract_atom("type")).tolist() == [2, 1, 2, 1, 1]
        found = in_order(engine, engine.numpy.extract_atom("x"))
        masses = engine.numpy.extract_atom("mass")[1:].tolist()
    assert found == pytest.approx(box.positions, abs=1e-12)
    assert masses == pytest.approx([39.948, 83.798], abs=1e-3)


@pytest.mark.lammps
def test_sessions_follow_one_another():
    for _ in range(3):
        with lammps_session() as engine:
            assert engine.get_natoms() == 0
