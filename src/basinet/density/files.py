"""Files of densities and potentials: Gaussian's cubes, as CP2K and many others write them, and VASP's grids.

A cube has two comments, the number of atoms and the origin, three lines of voxel counts and edges, the atoms, then the
values, the last axis fastest (https://gaussian.com/cubegen). VASP's files have the header of a POSCAR, the sizes of
the grid, and the values, the first axis fastest (https://vasp.at/wiki/CHGCAR).
"""

import re
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols

from basinet.arrays import FloatArray
from basinet.density.grid import Volume
from basinet.density.text import PIECE, TextStream
from basinet.errors import InputError
from basinet.units import Bohr

CUBE = re.compile(r"\.(cube|cub)(\.(gz|bz2|xz|zst|Z))?$", flags=re.IGNORECASE)
CHGCAR = re.compile(r"CHGCAR|AECCAR|PARCHG|^CHG(\.|_|$)", flags=re.IGNORECASE)
NO_DENSITY = re.compile(r"LOCPOT|ELFCAR", flags=re.IGNORECASE)
_CP2K_QUANTITY = re.compile(r"-Quickstep-\n(.*(?:POTENTIAL|SPIN|TOTAL DENSITY).*)")
_UNKNOWN = "X"
_MOST_BLANK_LINES = 100  # behind the atoms of a VASP file; there is one


def read_density(path: str | Path) -> Volume:
    """Read an electron density, e/A^3, electrons positive; the file's name tells its format.

    That is a cube (``.cube`` or ``.cub``) in e/bohr^3, as CP2K, Gaussian and most others write it, or VASP's
    ``CHGCAR``, ``CHG``, ``AECCAR0``, ``AECCAR2`` or ``PARCHG`` (the name may go on); ``.gz`` may follow. InputError
    where the name tells no format, the file is one of CP2K's cubes of another quantity, holds orbitals or several
    values per voxel, is negative by more than a hundredth or repeats its end planes, or the reader of the format
    (`read_cube`, `read_chgcar`) refuses it.
    """
    name = Path(path).name
    if CUBE.search(name):
        volume, per_voxel, orbitals = _read_cube(path, 0)
        other = _CP2K_QUANTITY.match(volume.comment)
        if other:
            raise InputError(f"{path}: holds CP2K's {other.group(1)!r}; name the cube of the ELECTRON DENSITY")
        if orbitals:
            raise InputError(f"{path}: holds orbitals (its number of atoms is negative); name the cube of the density")
        if per_voxel > 1:
            raise InputError(f"{path}: holds {per_voxel} values per voxel; write a cube of the density alone")
        density = volume.values
        density /= Bohr**3
        _check_end_planes(volume)
    elif NO_DENSITY.search(name):
        raise InputError(f"{path}: holds no density; name a CHGCAR, AECCAR or PARCHG")
    elif CHGCAR.search(name):
        volume = read_chgcar(path)
    else:
        raise InputError(f"{path}: unknown kind of file; a density is named *.cube, CHGCAR*, AECCAR* or PARCHG*")
    _check_sign(volume)
    return volume


_NEGATIVE = 0.01
"""Largest negative share of a density. Augmentation charges and Fourier ripples stay far below, orbitals far above."""


def _check_sign(volume: Volume) -> None:
    """Refuse values of both signs: an orbital, a spin density, a difference or a potential."""
    if volume.values.min() < 0.0:
        negative = -np.minimum(volume.values, 0.0).sum()
        share = negative / (volume.values.sum() + 2.0 * negative)
        if share > _NEGATIVE:
            raise InputError(
                f"{volume.path}: {100 * share:.0f} % of it is negative, so it is no electron density (an orbital, a "
                "spin density, a potential?); name the cube of the density"
            )


def _check_end_planes(volume: Volume) -> None:
    """Refuse a grid whose last plane repeats the first: its cell would be too long by a voxel.

    A crystal may have a mirror between two planes; then the planes beside them are equal, too. Around a molecule all
    planes are small beside its density, and only their own size tells if they are equal.
    """
    for axis, name in enumerate("abc"):
        first, second, one_before, last = (np.take(volume.values, plane, axis=axis) for plane in (0, 1, -2, -1))
        scale, varies = 1e-6 * np.abs(first).max(), bool(np.ptp(first))
        same = varies and np.allclose(first, last, rtol=1e-4, atol=scale)
        if same and not np.allclose(second, one_before, rtol=1e-2, atol=scale):
            raise InputError(
                f"{volume.path}: the last plane along {name} repeats the first, so that the cell is a voxel too long; "
                "write the cube of a periodic grid, without its end planes"
            )


_LOOPS = re.compile(r"OUTER LOOP:\s*(\w),\s*MIDDLE LOOP:\s*(\w),\s*INNER LOOP:\s*(\w)", flags=re.IGNORECASE)


def read_cube(path: str | Path, *, dataset: int = 0) -> Volume:
    """Read a cube file, plain or compressed with gzip.

    Lengths are in bohr in the file, or in Angstrom where its voxel counts are negative; here they are in Angstrom. The
    cell is spanned by the voxel edges times their counts, so that it is only as precise as the header: six decimals in
    CP2K's. A cube states no unit of its values. They come as they are: densities commonly in e/bohr^3, potentials in
    Hartree. An origin other than zero is folded in: the atoms are shifted so that grid point (0, 0, 0) is at zero. The
    data set is one of several values per voxel, for a file of several orbitals (its number of atoms is negative) or of
    several values (the fifth number of its third line). InputError: the file is missing, empty, cut short, no cube or
    of another compression; a value is no finite number (the message names the line); there are more values than the
    header states; or there is no such data set.
    """
    return _read_cube(path, dataset)[0]


def _read_cube(path: str | Path, dataset: int) -> tuple[Volume, int, bool]:
    """A cube, how many values it has per voxel, and whether these are orbitals: see `read_cube`."""
    with TextStream(path) as stream:
        comment = "\n".join((stream.line().strip(), stream.line().strip()))
        loops = _LOOPS.search(comment)
        if loops and "".join(loops.groups()).upper() != "XYZ":
            msg = f"{stream.path}: the comment states {loops.group()!r}, only X, Y, Z is read; write it again"
            raise InputError(msg)
        count, origin, per_voxel = _read_count(stream)
        shape, cell, unit = _read_voxels(stream)
        atoms = _cube_atoms(stream, abs(count), origin, unit)
        if count < 0:
            per_voxel = _read_dataset_count(stream, per_voxel)
        if not 0 <= dataset < per_voxel:
            msg = f"{stream.path}: there is no data set {dataset}, the file holds {per_voxel} (counted from 0)"
            raise InputError(msg)
        values = _cube_values(stream, shape, per_voxel, dataset)
        stream.expect_end()
    atoms.set_cell(cell)
    return Volume(values, cell, atoms, comment, stream.path), per_voxel, count < 0


def _read_count(stream: TextStream) -> tuple[int, FloatArray, int]:
    """Read the number of atoms (negative: the data sets are named), the origin, and the values per voxel."""
    row = stream.row(4, "the number of atoms and the origin (a cube file's third line)")
    count = stream.whole(row[0], "the number of atoms")
    per_voxel = stream.whole(row[4], "the number of values per voxel") if len(row) > 4 else 1
    if per_voxel < 1:
        raise stream.error(f"{per_voxel} values per voxel; check the third line")
    return count, np.array(row[1:4]), per_voxel


def _read_voxels(stream: TextStream) -> tuple[tuple[int, int, int], FloatArray, float]:
    """Read the shape of the grid, the cell (Angstrom) and the header's unit of length (Angstrom)."""
    rows = [stream.row(4, "a number of voxels and a voxel's edge") for _ in range(3)]
    counts = [stream.whole(row[0], "a number of voxels") for row in rows]
    if 0 in counts or len({count > 0 for count in counts}) > 1:
        raise stream.error(f"voxel counts {counts}: expected three positive ones, or three negative ones for Angstrom")
    unit = Bohr if counts[0] > 0 else 1.0
    cell = np.array([np.array(row[1:4]) * (abs(count) * unit) for row, count in zip(rows, counts, strict=True)])
    if np.abs(cell).max() > 1e99 or abs(np.linalg.det(cell)) <= 1e-9 * np.prod(np.linalg.norm(cell, axis=1)):
        raise stream.error("the voxel's edges span no volume; check lines 4 to 6")
    return (abs(counts[0]), abs(counts[1]), abs(counts[2])), cell, unit


def _cube_atoms(stream: TextStream, count: int, origin: FloatArray, unit: float) -> Atoms:
    rows = [stream.row(5, "an atom: its number, charge and position")[:5] for _ in range(count)]
    table = np.array(rows).reshape(count, 5)
    numbers = table[:, 0]
    if np.any(numbers != np.round(numbers)) or np.any((numbers < 0) | (numbers >= len(chemical_symbols))):
        raise InputError(f"{stream.path}: an atom's number is none of an element; check the header")
    atoms = Atoms(numbers=numbers.astype(int), positions=(table[:, 2:] - origin) * unit, pbc=True)
    if np.any(table[:, 1] != 0.0):
        atoms.set_array("nuclear_charges", table[:, 1])
    return atoms


def _read_dataset_count(stream: TextStream, per_voxel: int) -> int:
    """Read the numbers of the data sets (orbitals), which may take several lines, and tell how many they are."""
    row = stream.row(1, "the number of data sets (the number of atoms is negative)")
    count = stream.whole(row[0], "the number of data sets")
    if count < 1 or per_voxel not in (1, count):
        raise stream.error(f"{count} data sets with {per_voxel} values each; expected one value each")
    named = len(row) - 1
    while named < count:
        named += len(stream.row(1, "more numbers of data sets"))
    if named > count:
        raise stream.error(f"{named} numbers of data sets instead of {count}; check the header")
    return count


def _cube_values(stream: TextStream, shape: tuple[int, int, int], per_voxel: int, dataset: int) -> FloatArray:
    """Read the values of one data set; those of all data sets stand together for each voxel."""
    values = stream.allocate(shape, per_voxel)
    flat = values.reshape(-1)
    if per_voxel == 1:
        stream.fill(flat)
        return values
    # Some voxels at a time, to keep one data set only.
    step = max(1, PIECE // (8 * per_voxel))
    for start in range(0, flat.size, step):
        some = flat[start : start + step]
        block = np.empty(some.size * per_voxel)
        stream.fill(block)
        some[:] = block[dataset::per_voxel]
    return values


def _read_poscar(stream: TextStream) -> tuple[str, Atoms]:
    """Read comment, cell and atoms, periodic and not wrapped, of VASP 4 (which has no line of symbols) or later.

    Without a line of symbols the comment's words are taken if they are as many elements as there are species; the
    symbols are ``X`` otherwise.
    """
    comment = stream.line().strip()
    cell, factors = _poscar_cell(stream)
    symbols = _read_species(stream, comment)
    mode = stream.line().strip().lower()
    if mode.startswith("s"):  # selective dynamics: flags follow the positions
        mode = stream.line().strip().lower()
    positions = np.array([stream.row(3, "a position")[:3] for _ in symbols])
    if mode.startswith(("c", "k")):  # Cartesian, in the unit of the cell vectors
        return comment, Atoms(symbols, positions=positions * factors, cell=cell, pbc=True)
    return comment, Atoms(symbols, positions=positions @ cell, cell=cell, pbc=True)


def _poscar_cell(stream: TextStream) -> tuple[FloatArray, FloatArray]:
    """Read the cell vectors, scaled (Angstrom), and the scaling factors of the axes x, y and z."""
    row = stream.row(1, "a scaling factor (the second line of a VASP file)")
    factors = np.array(row[:3] if len(row) >= 3 else row[:1])
    if np.any(factors == 0.0) or (len(factors) == 3 and np.any(factors < 0.0)):
        raise stream.error(f"scaling factor {row}: expected one number, or three positive ones")
    cell = np.array([stream.row(3, "a cell vector")[:3] for _ in range(3)])
    volume = abs(np.linalg.det(cell))
    if np.abs(cell).max() > 1e99 or volume <= 1e-9 * np.prod(np.linalg.norm(cell, axis=1)):
        raise stream.error("the cell vectors span no volume; check lines 3 to 5")
    if factors[0] < 0.0:
        # Minus the volume of the cell is stated.
        factors = np.cbrt(-factors / volume)
    return cell * factors, np.broadcast_to(factors, 3)


def _read_species(stream: TextStream, comment: str) -> list[str]:
    """Read the symbols, if there are any, and the counts; gives each atom's symbol."""
    words = stream.line().split()
    species = [_element(word) for word in comment.split()]
    named = bool(words) and not words[0].isdigit()
    if named:
        species = [_element(word) for word in words]
        if _UNKNOWN in species:
            raise stream.error(f"expected symbols of elements, found {' '.join(words)[:60]!r}; check the format")
        words = stream.line().split()
    elif _UNKNOWN in species or len(species) != len(words):
        species = [_UNKNOWN] * len(words)
    # Behind the counts there may be a comment.
    counts = [int(word) for word in words[: len(species)] if re.fullmatch("[0-9]{1,7}", word)]
    if not any(counts) or len(counts) != len(species):
        raise stream.error(f"expected numbers of atoms, found {' '.join(words)[:60]!r}; check the format")
    stream.refuse_beyond_file(3 * sum(counts), f"{stream.path}: a list of {sum(counts)} positions")
    return [symbol for symbol, count in zip(species, counts, strict=True) for _ in range(count)]


def _element(word: str) -> str:
    """Element that a VASP file names.

    >>> [_element(word) for word in ("Si", "Ti_pv", "O/7a8b91", "water")]
    ['Si', 'Ti', 'O', 'X']
    """
    symbol = re.split("[_/.]", word)[0]
    return symbol if symbol in atomic_numbers else _UNKNOWN


_PLANES = 16
"""Planes of constant third index that are turned together: their values then fill whole cache lines (64 bytes)."""


def read_chgcar(path: str | Path) -> Volume:
    """Read the total density of a CHGCAR, CHG, AECCAR or PARCHG, plain or gzip: e/A^3, electrons positive.

    The file, of VASP 4 (whose comment may name the elements; the atoms are ``X`` otherwise) or later, holds the density
    times the volume of the cell, which is divided by here. InputError: the file is missing, empty, cut short, of
    another format or compression; a value is no finite number (the message names the line).
    """
    return _read_vasp(path, times_volume=True)


def read_locpot(path: str | Path) -> Volume:
    """Read the potential of a LOCPOT, plain or compressed with gzip: eV, the potential energy of an electron.

    With ``LVHAR = .TRUE.`` it is the ionic and Hartree potential, with ``LVTOT = .TRUE.`` the exchange-correlation
    potential comes on top. Of a spin-polarised calculation, that of spin up. Errors as of `read_chgcar`.
    """
    return _read_vasp(path, times_volume=False)


def _read_vasp(path: str | Path, *, times_volume: bool) -> Volume:
    """Read the first set of values, which are those looked for, or those times the cell's volume."""
    with TextStream(path) as stream:
        comment, atoms = _read_poscar(stream)
        a, b, c = np.array(atoms.cell)
        divisor = abs(a @ np.cross(b, c)) if times_volume else 1.0
        values = _vasp_values(stream, _read_shape(stream), divisor)
        stream.expect_line_end()
        stream.check_compressed()
    return Volume(values, np.array(atoms.cell), atoms, comment, stream.path)


def _read_shape(stream: TextStream) -> tuple[int, int, int]:
    lines = (stream.line() for _ in range(_MOST_BLANK_LINES))
    line = next((line for line in lines if line.strip()), "")
    words = line.split()
    if len(words) != 3 or not all(re.fullmatch("[0-9]{1,9}", word) and int(word) > 0 for word in words):
        raise stream.error(
            f"expected the three sizes of the grid, found {line.strip()[:60]!r}; is this a CHGCAR or LOCPOT?"
        )
    return int(words[0]), int(words[1]), int(words[2])


def _vasp_values(stream: TextStream, shape: tuple[int, int, int], divisor: float) -> FloatArray:
    """Read the values, the first axis fastest, and divide them, into a C-ordered array: some planes at a time."""
    values = stream.allocate(shape)
    n1, n2, n3 = shape
    step = max(1, min(_PLANES, n3 // 4))
    block = np.empty((step, n2, n1))
    for start in range(0, n3, step):
        planes = block[: min(step, n3 - start)]
        stream.fill(planes.reshape(-1))
        np.divide(planes.transpose(2, 1, 0), divisor, out=values[:, :, start : start + step])
    return values
