"""Whatever is wrong with a file is one line: which file, where in it, why, and what to do."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from basinet.density.files import read_chgcar, read_cube, read_density, read_locpot
from basinet.errors import InputError

DENSITY = Path(__file__).parent / "fixtures" / "triclinic-ELECTRON_DENSITY-1_0.cube"
TEXT = DENSITY.read_text()
LINES = TEXT.split("\n")
COMPRESSED = gzip.compress(TEXT.encode(), mtime=0)
FIRST_VALUES = "  0.34491E+00  0.39271E+00"  # on line 9
COUNT = 15 * 15 * 18


def refusal(path: Path, reader=read_cube) -> str:
    with pytest.raises(InputError) as caught:
        reader(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


def refusal_of(tmp_path: Path, content: str | bytes, name: str = "bad.cube", reader=read_cube) -> str:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return refusal(path, reader)


@pytest.mark.parametrize("reader", [read_cube, read_chgcar, read_locpot])
def test_files_that_are_none(tmp_path, reader):
    assert refusal(tmp_path / "none", reader) == ": no such file; check the path"
    assert refusal(tmp_path, reader) == ": is a directory; name a file"
    assert refusal_of(tmp_path, b"", reader=reader) == ": the file is empty; write or copy it again"
    assert refusal_of(tmp_path, gzip.compress(b""), reader=reader) == ": the file is empty; write or copy it again"
    assert refusal(Path("/dev/null"), reader) == ": not a regular file; write it to the disk first"


def test_a_missing_density_is_named_before_its_kind(tmp_path):
    assert refusal(tmp_path / "rho.cube", read_density) == ": no such file; check the path"


@pytest.mark.parametrize("reader", [read_cube, read_chgcar, read_locpot])
def test_binary_files(tmp_path, reader):
    noise = np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8).tobytes()
    assert re.match(
        r", line \d+: (not a text file|expected )", refusal_of(tmp_path, b"\x7fELF\n" + noise, reader=reader)
    )
    assert refusal_of(tmp_path, b"\0" * 500_000, reader=reader).startswith(
        ", line 1: no line break in sight, not a text"
    )
    assert refusal_of(tmp_path, b"a" * 500_000, reader=reader).startswith(
        ", line 1: no line break in sight, not a text"
    )


@pytest.mark.parametrize(
    ("first", "program"), [(b"BZh91AY", "bzip2"), (b"\xfd7zXZ\x00\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")]
)
def test_other_compressions(tmp_path, first, program):
    assert (
        refusal_of(tmp_path, first + b"rest") == f": compressed with {program}, only gzip is read; decompress it first"
    )


def test_a_cube_cut_in_its_values(tmp_path):
    half = TEXT[: len(TEXT) // 2]
    whole_values = len(" ".join(half.split("\n")[8:]).split())
    expected = f": the file is cut short, {whole_values} of {COUNT} values; copy it again"
    assert refusal_of(tmp_path, half) == expected
    assert refusal_of(tmp_path, TEXT[: TEXT.index(FIRST_VALUES)]).startswith(f": the file is cut short, 0 of {COUNT}")


def test_a_cube_cut_in_its_last_number(tmp_path):
    """Without its exponent the last number would still be one."""
    cut = TEXT.rstrip()[:-4]
    assert refusal_of(tmp_path, cut).startswith(": the file ends without a line break and the last number '0.10374'")


@pytest.mark.parametrize("line", [1, 2, 3, 5, 7])
def test_a_cube_cut_in_its_header(tmp_path, line):
    cut = "\n".join(LINES[:line]) + "\n"
    assert refusal_of(tmp_path, cut) == ": the file is cut short, in its header; copy it again"


@pytest.mark.parametrize("part", [0.999, 0.5, 0.01])
def test_gzip_cut_in_the_middle(tmp_path, part):
    message = refusal_of(tmp_path, COMPRESSED[: int(part * len(COMPRESSED))], "bad.cube.gz")
    assert re.match(r": the (gzip )?file is cut short", message)


def test_gzip_cut_in_its_checksum(tmp_path):
    message = refusal_of(tmp_path, COMPRESSED[:-3], "bad.cube.gz")
    assert message == ": the gzip file is cut short; copy it again"


def test_gzip_damaged(tmp_path):
    damaged = bytearray(COMPRESSED)
    damaged[len(damaged) // 2] ^= 0xFF
    message = refusal_of(tmp_path, bytes(damaged), "bad.cube.gz")
    assert re.match(r": the gzip file is damaged|, line \d+: ", message)
    checksum = COMPRESSED[:-8] + b"\0\0\0\0" + COMPRESSED[-4:]
    assert refusal_of(tmp_path, checksum, "bad.cube.gz").startswith(": the gzip file is damaged")


def test_gzip_of_several_members_is_whole(tmp_path):
    path = tmp_path / "members.cube.gz"
    path.write_bytes(
        b"".join(gzip.compress(TEXT[i : i + 10_000].encode()) for i in range(0, len(TEXT), 10_000)) + b"\0" * 99
    )
    assert np.array_equal(read_cube(path).values, read_cube(DENSITY).values)


def test_the_name_does_not_tell_the_compression(tmp_path):
    (tmp_path / "plain.cube.gz").write_text(TEXT)
    (tmp_path / "compressed.cube").write_bytes(COMPRESSED)
    for path in tmp_path.iterdir():
        assert np.array_equal(read_cube(path).values, read_cube(DENSITY).values)


@pytest.mark.parametrize(
    ("garbage", "message"),
    [
        ("  0.34491E+00  0.3x271E+00", f", line 9: value 2 of {COUNT} is no number ('0.3x271E+00'); write or copy"),
        ("  0.34491E+00          NaN", f", line 9: value 2 of {COUNT} is NaN; did the calculation fail?"),
        ("  0.34491E+00    -Infinity", f", line 9: value 2 of {COUNT} is -Infinity; did the calculation fail?"),
        ("  0.34491E+00*************", f", line 9: value 1 of {COUNT} is no number ('0.34491E+00*************')"),
        ("  0.34491E+00 ************", f", line 9: value 2 of {COUNT} is ************: it did not fit its format"),
        ("  0.34491E+00 0.39271E+999", f", line 9: value 2 of {COUNT} is too large (0.39271E+999)"),
    ],
)
def test_garbage_is_named_with_its_line(tmp_path, garbage, message):
    assert refusal_of(tmp_path, TEXT.replace(FIRST_VALUES, garbage)).startswith(message)


def test_garbage_far_into_the_file_is_named_with_its_line(tmp_path):
    line = len(LINES) - 3
    lines = [*LINES[:line], LINES[line].replace("E", "?", 1), *LINES[line + 1 :]]
    for content in ("\n".join(lines).encode(), gzip.compress("\n".join(lines).encode())):
        assert refusal_of(tmp_path, content).startswith(f", line {line + 1}: value ")


def test_values_beyond_those_stated(tmp_path):
    expected = f"more follows ('0.5') after the {COUNT} values that the header states; do header and values belong"
    assert refusal_of(tmp_path, f"{TEXT}\n\n  0.5  0.6\n").startswith(f", line {len(LINES) + 2}: {expected}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    2    0.000000    0.000000", "    2.5   0.000000    0.000000", ", line 3: expected the number of atoms"),
        ("    2    0.000000", "  two    0.000000", ", line 3: expected the number of atoms and the origin"),
        ("   15    0.529123", "    0    0.529123", ", line 6: voxel counts [0, 15, 18]: expected three positive"),
        ("   15    0.529123", "  -15    0.529123", ", line 6: voxel counts [-15, 15, 18]: expected three positive"),
        ("   15    0.529123", "   15    0.000000", ", line 6: the voxel's edges span no volume; check lines 4 to 6"),
        ("   15    0.529123", "   15    1e300", ", line 6: the voxel's edges span no volume; check lines 4 to 6"),
        ("   15    0.529123    0.000000", "   15    0.529123", ", line 4: expected a number of voxels"),
        ("   15    0.529123", "   15         NaN", ", line 4: expected a number of voxels"),
        ("   36    0.000000", "  360    0.000000", ": an atom's number is none of an element; check the header"),
        ("   36    0.000000", "   Kr    0.000000", ", line 8: expected an atom: its number, charge and position"),
        ("-Quickstep-", "OUTER LOOP: Z, MIDDLE LOOP: Y, INNER LOOP: X", ": the comment states 'OUTER LOOP: Z, "),
        (
            "   15    0.529123",
            "999999999999    0.1",
            ": a grid of 999999999999 x 15 x 18 points takes 5.4e+05 GB of text, and the file has",
        ),
        ("    2    0.000000", "   -2    0.000000", ", line 9: expected the number of data sets"),
        ("    2    0.000000    0.000000    0.000000", "    2 0 0 0 0", ", line 3: 0 values per voxel"),
    ],
)
def test_a_damaged_header(tmp_path, old, new, message):
    assert old in TEXT
    assert refusal_of(tmp_path, TEXT.replace(old, new, 1)).startswith(message)


def test_gaussians_own_order_of_loops_is_read(tmp_path):
    path = tmp_path / "loops.cube"
    path.write_text(TEXT.replace("-Quickstep-", "OUTER LOOP: X, MIDDLE LOOP: Y, INNER LOOP: Z"))
    assert np.array_equal(read_cube(path).values, read_cube(DENSITY).values)
