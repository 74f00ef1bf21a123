"""VASP's files: the first axis fastest in the file, densities times the cell's volume, potentials in eV."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.vasp import VaspChargeDensity
from hypothesis import given, settings
from hypothesis import strategies as st

from basinet.density.files import read_chgcar, read_locpot
from basinet.errors import InputError

CELL = np.array([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.5, -0.5, 6.0]])
FRACTIONS = np.array([[0.1, 0.2, 0.3], [0.9, 0.05, 0.5], [0.25, 0.75, 1.1]])
SHAPE = (3, 4, 9)

AUGMENTATION = """augmentation occupancies   1   4
  0.2512469E-04  0.2601868E-21  0.1316082E-11 -0.3207091E-12
augmentation occupancies   2   1
  0.1861221E-11
"""


def fortran(value: float, digits: int) -> str:
    """Fortran's ``1X,E17.11`` (digits 11): the leading zero gives way to a minus sign."""
    mantissa, _, exponent = f"{abs(value):.{digits - 1}E}".partition("E")
    power = int(exponent) + (1 if value != 0 else 0)
    return f" {'-' if value < 0 else '0'}.{mantissa.replace('.', '')}E{power:+03d}"


def lines_of(values: np.ndarray, per_line: int = 5, digits: int = 11) -> str:
    numbers = [fortran(value, digits) for value in values.ravel(order="F")]
    return "".join("".join(numbers[start : start + per_line]) + "\n" for start in range(0, len(numbers), per_line))


def head(scale: str = "1.0", cell: np.ndarray = CELL, species: str = "   Ar  Kr\n     2  1\n", body: str = "") -> str:
    rows = "".join("".join(f" {component:11.6f}" for component in row) + "\n" for row in cell)
    positions = body or "Direct\n" + "".join("".join(f" {x:9.6f}" for x in row) + "\n" for row in FRACTIONS)
    return f"some liquid\n   {scale}\n{rows}{species}{positions}\n{' '.join(f'{n:4d}' for n in SHAPE)}\n"


@pytest.fixture
def values():
    return np.random.default_rng(3).normal(size=SHAPE) * 100


def reads_as(path, text: str, values: np.ndarray, cell: np.ndarray = CELL, rtol: float = 1e-10):
    path.write_text(text)
    volume = read_locpot(path)
    assert volume.values.flags.c_contiguous
    np.testing.assert_allclose(volume.values, values, rtol=rtol)
    np.testing.assert_allclose(volume.cell, cell, rtol=1e-12)
    np.testing.assert_allclose(volume.atoms.positions, FRACTIONS @ cell, rtol=1e-12)
    assert volume.atoms.pbc.all()
    return volume


def test_the_first_axis_is_the_fastest_and_the_potential_is_in_ev(tmp_path, values):
    volume = reads_as(tmp_path / "LOCPOT", head() + lines_of(values), values)
    assert volume.atoms.get_chemical_symbols() == ["Ar", "Ar", "Kr"]
    assert volume.comment == "some liquid"


def test_a_density_is_divided_by_the_volume_of_the_cell(tmp_path, values):
    (tmp_path / "CHGCAR").write_text(head() + lines_of(values) + AUGMENTATION)
    volume = read_chgcar(tmp_path / "CHGCAR")
    np.testing.assert_allclose(volume.values * np.linalg.det(CELL), values, rtol=1e-10)
    # So the mean of the file's values is the number of electrons.
    electrons = volume.values.mean() * np.linalg.det(CELL)
    assert electrons == pytest.approx(values.mean(), rel=1e-9)


def test_a_left_handed_cell_has_a_positive_volume(tmp_path, values):
    cell = CELL[[1, 0, 2]]
    (tmp_path / "CHGCAR").write_text(head(cell=cell) + lines_of(values))
    np.testing.assert_allclose(read_chgcar(tmp_path / "CHGCAR").values * np.linalg.det(CELL), values, rtol=1e-10)


def test_chg_has_ten_values_a_line_and_five_digits(tmp_path, values):
    reads_as(tmp_path / "CHG", head() + lines_of(values, per_line=10, digits=5), values, rtol=1e-4)


def test_sets_of_the_magnetisation_are_passed_over(tmp_path, values):
    moments = "   0.1  0.2  0.3\n"
    second = f"{' '.join(f'{n:4d}' for n in SHAPE)}\n" + lines_of(values - 7.0)
    reads_as(tmp_path / "CHGCAR", head() + lines_of(values) + AUGMENTATION + moments + second, values)


def test_the_scaling_factor_may_be_one_number_a_volume_or_three(tmp_path, values):
    data = lines_of(values)
    reads_as(tmp_path / "a", head("2.5") + data, values, cell=2.5 * CELL)
    reads_as(tmp_path / "b", head("-960.0") + data, values, cell=2.0 * CELL)
    reads_as(tmp_path / "c", head("1.0 2.0 0.5") + data, values, cell=CELL * [1.0, 2.0, 0.5])


def test_cartesian_positions_are_scaled_as_the_cell_is(tmp_path, values):
    cartesian = "".join("".join(f" {x:18.12f}" for x in row) + "\n" for row in FRACTIONS @ CELL)
    for word, scale, factor in (("Cartesian", "1.0", 1.0), ("kartesisch", "2.0", 2.0), ("cart", "-960", 2.0)):
        text = head(scale, body=f"{word}\n{cartesian}") + lines_of(values)
        reads_as(tmp_path / "LOCPOT", text, values, cell=factor * CELL)


def test_selective_dynamics_are_passed_over(tmp_path, values):
    rows = "".join("".join(f" {x:9.6f}" for x in row) + "  T F T\n" for row in FRACTIONS)
    reads_as(tmp_path / "LOCPOT", head(body=f"Selective dynamics\nDirect\n{rows}") + lines_of(values), values)


def test_vasp_4_names_its_elements_in_the_comment_or_not_at_all(tmp_path, values):
    text = head(species="   2   1\n") + lines_of(values)
    assert reads_as(tmp_path / "a", text, values).atoms.get_chemical_symbols() == ["X", "X", "X"]
    text = text.replace("some liquid", "Kr Ar")
    assert reads_as(tmp_path / "b", text, values).atoms.get_chemical_symbols() == ["Kr", "Kr", "Ar"]


def test_symbols_may_carry_the_name_of_the_potential(tmp_path, values):
    text = head(species="   Ti_pv O/7a8b91\n   2   1\n") + lines_of(values)
    assert reads_as(tmp_path / "LOCPOT", text, values).atoms.get_chemical_symbols() == ["Ti", "Ti", "O"]


def test_gzip_is_read_directly(tmp_path, values):
    (tmp_path / "LOCPOT.gz").write_bytes(gzip.compress((head() + lines_of(values)).encode()))
    np.testing.assert_allclose(read_locpot(tmp_path / "LOCPOT.gz").values, values, rtol=1e-10)


def test_gzip_damaged_behind_the_first_set_is_refused(tmp_path, values):
    """The checksum at the end covers what was read."""
    content = gzip.compress((head() + lines_of(values) + AUGMENTATION * 1000).encode())
    path = tmp_path / "CHGCAR.gz"
    path.write_bytes(content[:-8] + b"\0\0\0\0" + content[-4:])
    with pytest.raises(InputError, match=r"CHGCAR\.gz: the gzip file is damaged \(.*\); copy it again"):
        read_chgcar(path)
    path.write_bytes(content[:-20])
    with pytest.raises(InputError, match=r"CHGCAR\.gz: the gzip file is cut short; copy it again"):
        read_chgcar(path)


@settings(max_examples=30)
@given(shape=st.tuples(*[st.integers(1, 20)] * 3))
def test_a_density_that_ase_wrote_comes_back(tmp_path_factory, shape):
    path = tmp_path_factory.mktemp("ase") / "CHGCAR"
    atoms: Atoms = bulk("Si") * (1, 2, 1)
    writer = VaspChargeDensity(filename=None)
    density = np.random.default_rng(0).random(shape) + 0.1
    writer.atoms, writer.chg = [atoms], [density]
    writer.write(str(path))
    volume = read_chgcar(path)
    np.testing.assert_allclose(volume.values, density, rtol=1e-9)
    np.testing.assert_allclose(volume.atoms.positions, atoms.positions, atol=1e-12)
    np.testing.assert_allclose(volume.values, VaspChargeDensity(str(path)).chg[0], rtol=1e-14)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("   1.0\n", "   0.0\n"), "line 2: scaling factor"),
        (lambda text: text.replace("   1.0\n", "   one\n"), "line 2: expected a scaling factor"),
        (lambda text: text.replace("   1.000000    5.000000", "   1.0000"), "line 4: expected a cell vector"),
        (lambda text: text.replace("    4.000000", "    0.000000"), "line 5: the cell vectors span no volume"),
        (lambda text: text.replace("    4.000000", "    1e300"), "line 5: the cell vectors span no volume"),
        (lambda text: text.replace("Ar  Kr", "Ar  Zz"), "line 6: expected symbols of elements, found 'Ar Zz'"),
        (lambda text: text.replace("     2  1\n", "     2  x\n"), "line 7: expected numbers of atoms, found '2 x'"),
        (lambda text: text.replace("     2  1\n", "     2  2\n"), "line 12: expected a position, found ''"),
        (lambda text: text.replace("   3    4    9", "   3    4"), "line 13: expected the three sizes of the grid"),
        (lambda text: text.replace("   3    4    9", "   3    0    9"), "line 13: expected the three sizes"),
        (lambda text: text.replace("   3    4    9", "   3    4    8"), r"more follows \('.*'\) after the 96 values"),
        (lambda text: text.replace("   3    4    9", "   3    4   10"), "cut short, 108 of 120 values"),
    ],
)
def test_a_damaged_file_is_one_clear_line(tmp_path, values, change, message):
    text = head() + lines_of(values)
    assert change(text) != text
    (tmp_path / "CHGCAR").write_text(change(text))
    with pytest.raises(InputError, match=message) as caught:
        read_chgcar(tmp_path / "CHGCAR")
    assert str(caught.value).startswith(f"{tmp_path / 'CHGCAR'}")
    assert "\n" not in str(caught.value)


def test_zeros_that_only_fill_the_last_line_are_read_over(tmp_path, values):
    exact, padded, more = (tmp_path / name for name in ("CHGCAR", "CHGCAR_sum", "CHGCAR_more"))
    text = head() + lines_of(values)  # 108 values: three in the last line of five
    exact.write_text(text)
    padded.write_text(text[:-1] + " 0.0000000000E+00 0.0000000000E+00\n")
    more.write_text(text[:-1] + " 0.0000000000E+00 0.1000000000E+00\n")
    assert np.array_equal(read_chgcar(padded).values, read_chgcar(exact).values)
    with pytest.raises(InputError, match="more follows"):
        read_chgcar(more)
