"""Sizes that files state: what they would take is estimated first, and refused in one line with the number."""

from __future__ import annotations

import gzip
import tracemalloc

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from basinet.cp2k.input import read_cp2k_input
from basinet.density.files import read_chgcar, read_cube
from basinet.errors import InputError
from basinet.files import refuse_beyond_memory
from basinet.frames.neighbours import find_neighbours

CUBE = """a cube
of nothing
{count} 0 0 0 {per_voxel}
{points} 0.1 0 0
{points} 0 0.1 0
{points} 0 0 0.1
18 8 0 0 0
"""
CHGCAR = """nothing
1.0
9 0 0
0 9 0
0 0 9
{symbols}
{counts}
Direct
0 0 0
"""


@pytest.fixture(autouse=True)
def little_memory():
    """No refusal takes much."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 28


@pytest.mark.parametrize(("points", "per_voxel"), [(1, 2**31), (2, 2**40), (10**5, 1), (10**9, 1), (10**9, 2**31)])
@pytest.mark.parametrize("packed", [False, True])
def test_a_cube_that_states_more_than_its_file_holds(tmp_path, points, per_voxel, packed):
    path = tmp_path / ("a.cube.gz" if packed else "a.cube")
    text = CUBE.format(count=1, points=points, per_voxel=per_voxel) + "1.0 " * 1000
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    with pytest.raises(InputError, match=r"a\.cube.*: a grid of .* (takes|needs) .* GB"):
        read_cube(path)


def test_a_text_of_blanks_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "a.cube.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write((CUBE.format(count=1, points=2, per_voxel=1)).encode())
        for _ in range(64):
            stream.write(b" " * (1 << 20))
    with pytest.raises(InputError, match="far more text than its header states values"):
        read_cube(path)


def test_a_vasp_file_that_states_more_atoms_than_it_holds(tmp_path):
    path = tmp_path / "CHGCAR"
    path.write_text(CHGCAR.format(symbols="Ar " * 900, counts="9999999 " * 900))
    with pytest.raises(InputError, match=r"CHGCAR: a list of 8999999100 positions takes 54 GB of text"):
        read_chgcar(path)


def test_variables_that_double_are_refused(tmp_path):
    path = tmp_path / "a.inp"
    path.write_text("@SET A 0123456789\n" + "@SET A ${A}${A}\n" * 60)
    with pytest.raises(InputError, match="@INCLUDE and variables add more than"):
        read_cp2k_input(path)


def test_a_cutoff_with_neighbours_without_end():
    atoms = Atoms("Ar2", [[0, 0, 0], [0, 0, 3]], cell=[6, 6, 6], pbc=True)
    with pytest.raises(InputError, match=r"the cutoff of 500 A holds 4\.8e\+06 neighbours of each atom; choose a"):
        find_neighbours(atoms.positions, atoms.cell.array, atoms.pbc, 500.0)
    far = np.array([[0.0, 0, 0], [0, 0, 1e3]])
    assert len(find_neighbours(far, np.zeros((3, 3)), False, 2e3).atom) == 2


def test_more_pairs_than_the_memory_holds(monkeypatch):
    monkeypatch.setattr("basinet.files.free_memory", lambda: 10**8)
    atoms = bulk("Ar", cubic=True, a=5.4) * (8, 8, 8)
    with pytest.raises(InputError, match=r"the cutoff of 30 A needs .* GB of memory, and 0.1 GB are free"):
        find_neighbours(atoms.positions, atoms.cell.array, atoms.pbc, 30.0)


def test_what_fits_is_not_refused():
    refuse_beyond_memory(1e6, "a little", "never")
    with pytest.raises(InputError, match="much needs 1e\\+09 GB of memory"):
        refuse_beyond_memory(1e18, "much", "take less")
