"""Numbers are read as Python's ``float`` reads them, bit for bit, in every form that a program prints."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from basinet.density import text as text_stream
from basinet.density.text import NUMBER, TextStream, number
from basinet.errors import InputError


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("numbers") / "numbers"


def read(path, text: bytes, count: int) -> np.ndarray:
    path.write_bytes(text)
    out = np.empty(count)
    with TextStream(path) as stream:
        stream.expected = count
        stream.fill(out)
        stream.expect_end()
    return out


def assert_read_as_python_does(path, tokens: list[str], separators: list[str]) -> None:
    text = "".join(separator + token for separator, token in zip(separators, tokens, strict=True)) + "\n"
    values = read(path, text.encode(), len(tokens))
    expected = np.array([number(token) for token in tokens])
    assert values.tobytes() == expected.tobytes(), (tokens, values, expected)


def is_finite_number(token: str) -> bool:
    return NUMBER.fullmatch(token) is not None and bool(np.isfinite(number(token)))


def fortran(value: float, digits: int, letter: str) -> str:
    """Spell as Fortran's E format does: a leading zero, and no letter before an exponent of three digits."""
    mantissa, _, exponent = f"{value:.{digits - 1}E}".partition("E")
    sign, figures = ("-" if mantissa.startswith("-") else ""), mantissa.replace("-", "").replace(".", "")
    power = int(exponent) + (1 if value != 0 else 0)
    printed = f"{letter}{power:+03d}" if abs(power) < 100 else f"{power:+04d}"
    return f"{sign}0.{figures}{printed}"


finite = st.floats(allow_nan=False, allow_infinity=False)
in_range = finite.filter(lambda value: abs(value) < 1e307)
small = st.floats(-1e15, 1e15)
forms = st.one_of(
    finite.map(repr),
    st.builds(lambda value, digits: f"{value:.{digits}e}", in_range, st.integers(0, 30)),
    st.builds(lambda value, digits: f"{value:+.{digits}E}", in_range, st.integers(0, 30)),
    st.builds(lambda value, digits: f"{value:.{digits}f}", small, st.integers(0, 30)),
    st.builds(fortran, in_range, st.integers(1, 25), st.sampled_from("EDed")),
    st.integers(-(10**30), 10**30).map(str),
    small.map(lambda value: f"{value:.6f}".replace("0.", ".")),
    st.integers(0, 10**20).map("{}.".format),
)
blanks = st.text(alphabet=" \t\r\n", min_size=1, max_size=12)


@given(data=st.lists(st.tuples(blanks, forms), min_size=1, max_size=20))
def test_every_printed_form_is_read_as_python_reads_it(scratch, data):
    assert_read_as_python_does(scratch, [token for _, token in data], [blank for blank, _ in data])


@given(
    values=st.lists(in_range, min_size=1, max_size=60),
    digits=st.integers(1, 18),
    lead=st.integers(1, 10),
    per_line=st.integers(1, 7),
    letter=st.sampled_from("EDe"),
    style=st.sampled_from(["fortran", "c"]),
)
def test_columns_are_read_as_python_reads_them(scratch, values, digits, lead, per_line, letter, style):
    tokens = [fortran(value, digits, letter) if style == "fortran" else f"{value:.{digits}e}" for value in values]
    width = lead + max(map(len, tokens))
    ends = ["\n" if index % per_line == 0 else "" for index in range(len(tokens))]
    assert_read_as_python_does(
        scratch, tokens, [end + " " * (width - len(token)) for end, token in zip(ends, tokens, strict=True)]
    )


@given(
    digits=st.text(alphabet="0123456789", min_size=1, max_size=45),
    point=st.integers(0, 45),
    exponent=st.integers(-420, 420),
    negative=st.booleans(),
)
def test_any_digits_with_any_exponent_round_correctly(scratch, digits, point, exponent, negative):
    token = f"{'-' * negative}{digits[:point]}.{digits[point:]}e{exponent}"
    assume(np.isfinite(float(token)))
    assert_read_as_python_does(scratch, [token], [" "])


@given(value=st.floats(0.0, 1e300), nudge=st.sampled_from(["", "1", "0000000000000000000000000001"]))
@example(value=1.0, nudge="")
@example(value=0.0, nudge="")
@example(value=5e-324, nudge="")
@example(value=2.2250738585072011e-308, nudge="")
@example(value=9007199254740992.0, nudge="")
def test_the_middle_of_two_neighbours_rounds_to_even_and_beyond_it_up(scratch, value, nudge):
    middle = (Fraction(value) + Fraction(float(np.nextafter(value, np.inf)))) / 2
    power = middle.denominator.bit_length() - 1
    # An exact decimal: 1 / 2^p = 5^p / 10^p.
    token = f"{middle.numerator * 5**power}{nudge}e{-power - len(nudge)}"
    assert_read_as_python_does(scratch, [token], [" "])
    expected = np.nextafter(value, np.inf) if nudge or np.float64(value).view(np.int64) % 2 else value
    assert read(scratch, f"{token}\n".encode(), 1)[0] == expected


@pytest.mark.parametrize("bits", [64, 53, 17])
def test_random_integers_times_powers_of_ten_round_correctly(scratch, bits):
    rng = np.random.default_rng(bits)
    integers, powers = rng.integers(1, 2**bits, 20000, dtype=np.uint64), rng.integers(-342, 288, 20000)
    tokens = [f"{w}e{q}" for w, q in zip(integers, powers, strict=True)]
    assert_read_as_python_does(scratch, tokens, [" "] * len(tokens))


@settings(max_examples=300)
@given(
    values=st.lists(st.floats(1e-90, 1e90), min_size=12, max_size=40),
    digits=st.integers(1, 17),
    place=st.integers(0, 10**6),
    character=st.sampled_from([9, 10, 13, 200, *range(32, 127)]),
    negative=st.booleans(),
)
def test_one_wrong_character_is_never_overlooked(scratch, values, digits, place, character, negative):
    width = digits + 8
    tokens = [f"{-value if negative else value:{width}.{digits}E}" for value in values]
    text = bytearray("\n".join(" ".join(tokens[i : i + 5]) for i in range(0, len(tokens), 5)).encode() + b"\n")
    text[place % len(text)] = character
    words = bytes(text).split()
    good = 0
    while good < len(words) and is_finite_number(words[good].decode("latin-1")):
        good += 1
    if good == len(words):
        assert read(scratch, bytes(text), good).tolist() == [number(word.decode()) for word in words]
    else:
        with pytest.raises(InputError, match=rf"line \d+: value {good + 1} of {len(words)} is "):
            read(scratch, bytes(text), len(words))


@settings(max_examples=60)
@given(data=st.lists(st.tuples(blanks, forms), min_size=1, max_size=40), piece=st.integers(130, 400))
def test_numbers_cut_by_the_pieces_of_the_file_are_whole(scratch, data, piece):
    tokens, separators = [token for _, token in data], [blank for blank, _ in data]
    assume(max(map(len, tokens)) < 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_stream, "PIECE", piece)
        assert_read_as_python_does(scratch, tokens, separators)


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("0.33004-101", 0.33004e-101),
        ("-0.1E-02", -0.1e-2),
        ("1.0D+00", 1.0),
        ("1.0d0", 1.0),
        ("-.12345678901E+02", -12.345678901),
        ("+7.", 7.0),
        ("-0.0", -0.0),
        ("00012.50", 12.5),
        ("1e-400", 0.0),
        ("4.9406564584124654e-324", 5e-324),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("0." + "0" * 400 + "1e400", 0.1),
    ],
)
def test_known_forms(scratch, token, value):
    (read_value,) = read(scratch, f"{token}\n".encode(), 1)
    assert read_value.hex() == value.hex()


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("NaN", "is NaN; did the calculation fail"),
        ("-Infinity", "is -Infinity; did the calculation fail"),
        ("*************", r"is \*{13}: it did not fit its format"),
        ("1e400", "is too large"),
        ("0.33004-1o1", "is no number"),
        ("1.0.0", "is no number"),
        ("1_000", "is no number"),
        ("0x10", "is no number"),
        ("1,5", "is no number"),
        ("-", "is no number"),
        (".", "is no number"),
        ("E5", "is no number"),
        ("1E", "is no number"),
        ("1E+", "is no number"),
        ("0.1E-01-0.2E-01", "is no number"),
        ("\xff\xfe", "is no number"),
    ],
)
def test_what_is_no_finite_number_is_refused_with_its_line(scratch, token, reason):
    with pytest.raises(InputError, match=rf"numbers, line 3: value 4 of 5 {reason}") as caught:
        read(scratch, f"1 2\n3\n  {token} 5\n".encode("latin-1"), 5)
    assert "\n" not in str(caught.value)
