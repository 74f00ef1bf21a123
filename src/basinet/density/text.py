"""Text files of a header and many numbers, plain or compressed with gzip, read a piece at a time."""

import gzip
import math
import re
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from basinet.arrays import FloatArray
from basinet.compiled import jit
from basinet.errors import InputError
from basinet.files import COMPRESSED, NUMBER, number, reading, refuse_beyond_memory, refuse_cut_number

PIECE = 1 << 18  # bytes read at a time: they stay in the processor's second-level cache until they are used
_PACKED = 1032  # times that gzip shrinks a text at most
_MANY_VALUES = 1 << 20  # up to which the end of the file tells soon enough that some are missing
_WIDEST = 256  # bytes of a value with the blanks around it; more is not the text of a header's values
_LONGEST_HEADER = 1 << 30
_LONGEST_LINE = 1 << 16  # bytes of a header's line, or of a number; more is no text
_FELLOWS = 400  # bytes of the last numbers of a file, with which the very last one is compared
_NOT_FINITE = re.compile(r"[+-]?(nan|inf(inity)?)", flags=re.IGNORECASE)
_EXACT_POWERS = 10.0 ** np.arange(23)  # the powers of ten that a float64 holds without error
_EXACT_INTEGER = np.uint64(1 << 53)  # all integers up to this one are float64
_BLANK, _PLUS, _MINUS, _POINT, _LETTER_D, _LETTER_E = b" +-.de"
_ZERO, _ONE, _TEN, _MOST_DIGITS, _MANY = (np.uint64(value) for value in (ord("0"), 1, 10, 19, 99999))


@jit()
def _parse(  # noqa: C901, PLR0912, PLR0915 - to hand the text to a second function takes as long as to read a number
    text: NDArray[np.uint8], p: np.uint64, stop: np.uint64, out: FloatArray, done: int, hard: NDArray[np.uint64]
) -> tuple[np.uint64, int, int]:
    r"""Read numbers from ``text[p:stop]``, which ends in a blank, into ``out[done:]``, until one of them is at its end.

    Digits form an integer w, and point and exponent a power q of ten. Where :math:`w \le 2^{53}` and
    :math:`|q| \le 22`, both are float64 without error, so that the one operation of :math:`w 10^q` rounds correctly.
    Index in `out`, beginning and end of each number of which this does not hold are written to ``hard`` (n, 3).

    Returned are the position behind the last number, or if numbers are missing and text is left, of what is no number;
    how many numbers `out` has room for up to there; and of how many of them it lacks the value.
    """
    n_hard = 0
    while done < len(out):
        while p < stop and text[p] <= _BLANK:
            p += _ONE
        if p == stop:
            break
        first, negative = p, text[p] == _MINUS
        if negative or text[p] == _PLUS:
            p += _ONE
        w, before, fraction = np.uint64(0), p, np.uint64(0)
        digit = np.uint64(text[p]) - _ZERO  # unsigned: what is below zero is large
        while digit < _TEN:
            w, p = _TEN * w + digit, p + _ONE
            digit = np.uint64(text[p]) - _ZERO
        digits = p - before
        if text[p] == _POINT:
            p += _ONE
            before = p
            digit = np.uint64(text[p]) - _ZERO
            while digit < _TEN:
                w, p = _TEN * w + digit, p + _ONE
                digit = np.uint64(text[p]) - _ZERO
            fraction = p - before
        well = bool(digits + fraction > np.uint64(0))
        q, sign = -np.int64(fraction), text[p]
        if sign > _BLANK:  # E-02, d+1, or -101 of Fortran
            if sign | 32 == _LETTER_E or sign | 32 == _LETTER_D:
                p += _ONE
                sign = text[p]
            elif sign not in (_PLUS, _MINUS):
                well = False
            if sign in (_PLUS, _MINUS):
                p += _ONE
            exponent, before = np.uint64(0), p
            digit = np.uint64(text[p]) - _ZERO
            while digit < _TEN:
                exponent, p = min(_TEN * exponent + digit, _MANY), p + _ONE
                digit = np.uint64(text[p]) - _ZERO
            if p == before or text[p] > _BLANK:
                well = False
            q += -np.int64(exponent) if sign == _MINUS else np.int64(exponent)
        if not well:
            return first, done, n_hard
        if digits + fraction <= _MOST_DIGITS and w <= _EXACT_INTEGER and -22 <= q <= 22:
            value = np.float64(np.int64(w))
            value = value / _EXACT_POWERS[-q] if q < 0 else value * _EXACT_POWERS[q]
            out[done] = -value if negative else value
        else:
            hard[n_hard, 0], hard[n_hard, 1], hard[n_hard, 2] = done, first, p
            n_hard += 1
        done += 1
    return p, done, n_hard


def _open(path: Path) -> BinaryIO | gzip.GzipFile:
    """Open a file; gzip is known by its first bytes, whatever the name."""
    with reading(path):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise InputError(f"{path}: not a regular file; write it to the disk first")
        stream = path.open("rb", buffering=0)
        magic = stream.read(6)
        stream.seek(0)
    program = next((program for first, program in COMPRESSED.items() if magic.startswith(first)), None)
    if program is None:
        return stream
    stream.close()
    if program != "gzip":
        raise InputError(f"{path}: compressed with {program}, only gzip is read; decompress it first")
    return gzip.GzipFile(path)


class TextStream:
    """A file of a header and many numbers, plain or gzip; `expected` is how many it should hold, for messages."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.expected = 0
        self._last = _LONGEST_HEADER
        self._source = _open(self.path)
        self._text = b""
        self._begin = self._offset = self._mark = 0
        """What is not yet read begins here in the text; the text, here in the file; what messages tell of, too."""
        self._at_end = self._unfinished = False
        """Whether all of the file is in the text, and whether it does not end in a blank."""
        self._done = 0
        self._hard = np.empty((PIECE // 2 + _LONGEST_LINE, 3), dtype=np.uint64)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    def _read(self) -> bytes:
        try:
            return self._source.read(PIECE)
        except EOFError as error:
            raise InputError(f"{self.path}: the gzip file is cut short; copy it again") from error
        except (OSError, zlib.error) as error:
            if isinstance(self._source, gzip.GzipFile):
                raise InputError(f"{self.path}: the gzip file is damaged ({error}); copy it again") from error
            raise InputError(f"{self.path}: cannot be read ({error}); check the disk and try again") from error

    def _refill(self) -> None:
        """Drop what was read, but for the last numbers, and read on behind the rest."""
        if self._offset > self._last:
            raise InputError(f"{self.path}: far more text than its header states values; is it damaged?")
        read, kept = self._read(), max(0, self._begin - _FELLOWS)
        self._text = self._text[kept:] + read
        self._offset += kept
        self._begin -= kept
        self._at_end = not read

    def line(self) -> str:
        """Read the next line, without its line break; InputError where the file ends before, or this is no text."""
        line = self._line_or_rest()
        if not line.endswith(b"\n"):
            is_empty = self._offset + len(self._text) == 0
            what = "is empty; write or copy" if is_empty else "is cut short, in its header; copy"
            raise InputError(f"{self.path}: the file {what} it again")
        if b"\0" in line:
            raise self.error("not a text file; check the path and the format")
        return line.decode("utf-8", errors="replace").rstrip("\r\n")

    def _line_or_rest(self) -> bytes:
        """Read the next line with its line break, which lacks if the file ends before."""
        self._mark = self._offset + self._begin
        while (stop := self._text.find(b"\n", self._begin) + 1) == 0:
            if self._at_end:
                stop = len(self._text)
                break
            if len(self._text) - self._begin > _LONGEST_LINE:
                raise self.error("no line break in sight, not a text file; check the path and the format")
            self._refill()
        line = self._text[self._begin : stop]
        self._begin = stop
        return line

    def row(self, least: int, what: str) -> list[float]:
        """Read the numbers of the next line, `least` or more (`what` they are names a message); text may follow."""
        line = self.line()
        row: list[float] = []
        for token in line.split():
            try:
                row.append(number(token))
            except ValueError:
                break
        if len(row) < least or not np.all(np.isfinite(row)):
            raise self.error(f"expected {what}, found {line.strip()[:60]!r}; check the path and the format")
        return row

    def whole(self, value: float, what: str) -> int:
        """Take a number of the header as an integer; InputError where it is none."""
        if value != int(value):
            raise self.error(f"expected {what}, found {value}; check the path and the format")
        return int(value)

    def allocate(self, shape: tuple[int, int, int], per_point: int = 1) -> FloatArray:
        """Make room for one value of each point; InputError where the header states more than file or memory hold."""
        self.expected = math.prod(shape) * per_point
        each = f" of {per_point} values" if per_point > 1 else ""
        sizes = f"{self.path}: a grid of {' x '.join(map(str, shape))} points{each}"
        self.refuse_beyond_file(self.expected, sizes)
        refuse_beyond_memory(8 * (math.prod(shape) + PIECE // 8 + per_point), sizes, "take a coarser grid")
        self._last = self._offset + len(self._text) + _WIDEST * self.expected
        return np.empty(shape)

    def refuse_beyond_file(self, count: int, what: str) -> None:
        """Refuse more numbers than the file can hold: each takes two bytes at least, a thousandth of that in gzip."""
        packed = _PACKED if isinstance(self._source, gzip.GzipFile) else 1
        if count > _MANY_VALUES and 2 * count > packed * (size := self.path.stat().st_size):
            msg = f"{what} takes {2e-9 * count:.3g} GB of text, and the file has {size} bytes; is its header damaged?"
            raise InputError(msg)

    def fill(self, out: FloatArray) -> None:
        """Read as many numbers as `out` (one-dimensional, contiguous) has room for; errors name the line."""
        filled = 0
        while filled < len(out):
            stop, before = self._whole_numbers(), filled
            text = np.frombuffer(self._text, dtype=np.uint8)
            begin = np.uint64(self._begin)
            position, filled, n_hard = _parse(text, begin, np.uint64(stop), out, filled, self._hard)
            end = int(position)
            if n_hard:
                self._fill_hard(out, self._hard[:n_hard], self._done - before)
            self._begin, self._done = end, self._done + filled - before
            if filled < len(out) and end < stop:
                raise self._no_number(end, stop, self._done)
        if self._unfinished and not self._text[self._begin :].strip():
            tokens = self._text[-_FELLOWS:].decode("ascii", errors="replace").split()[1:][-self._done :]
            refuse_cut_number(str(self.path), tokens[-1], tokens[:-1])

    def _whole_numbers(self) -> int:
        """Make sure that the text holds whole numbers, and tell where they stop."""
        while True:
            stop = len(self._text)
            while stop > self._begin and self._text[stop - 1] > _BLANK:
                stop -= 1
            if stop > self._begin:
                return stop
            if self._at_end and stop == len(self._text):
                msg = f"{self.path}: the file is cut short, {self._done} of {self.expected} values; copy it again"
                raise InputError(msg)
            if self._at_end:
                self._text += b"\n"
                self._unfinished = True
            elif len(self._text) - self._begin > _LONGEST_LINE:
                self._mark = self._offset + self._begin
                raise self.error("not a text file; check the path and the format")
            else:
                self._refill()

    def _fill_hard(self, out: FloatArray, hard: NDArray[np.uint64], done: int) -> None:
        """Let Python read the numbers that `_parse` has left out; `done` values were read before the first of `out`."""
        text = self._text
        try:
            values = [float(text[first:last]) for _, first, last in hard.tolist()]
        except ValueError:  # Fortran's
            values = [number(text[first:last].decode("ascii")) for _, first, last in hard.tolist()]
        out[hard[:, 0]] = values
        for row in np.flatnonzero(~np.isfinite(values))[:1]:
            index, first, last = hard[row].tolist()
            raise self._no_number(first, last, done + index)

    def _no_number(self, first: int, last: int, done: int) -> InputError:
        self._mark = self._offset + first
        token = self._text[first:last].split(maxsplit=1)[0].decode("ascii", errors="backslashreplace")
        shown = token[:40]
        count = f"value {done + 1} of {self.expected}"
        if _NOT_FINITE.fullmatch(token):
            return self.error(f"{count} is {shown}; did the calculation fail?")
        if not token.strip("*"):
            return self.error(f"{count} is {shown}: it did not fit its format; write the file with more digits")
        if NUMBER.fullmatch(token):
            return self.error(f"{count} is too large ({shown}); did the calculation fail?")
        return self.error(f"{count} is no number ({shown!r}); write or copy the file again")

    def expect_line_end(self) -> None:
        """Check that no more values follow in the line of the last one, but zeros that fill up its five or ten columns.

        Older versions of VTST's chgsum.pl write such zeros.
        """
        rest = self._line_or_rest().strip()
        extra = rest.split()
        filling = len(extra) < 10 and (self.expected + len(extra)) % 5 == 0 and not rest.translate(None, b"0.eE+- \t")
        if rest and not filling:
            raise self._surplus(rest)

    def expect_end(self) -> None:
        """Check that nothing follows; InputError where something does, or a compressed file is damaged or cut."""
        while not self._at_end or self._begin < len(self._text):
            rest = self._text[self._begin :].lstrip()
            if rest:
                self._mark = self._offset + len(self._text) - len(rest)
                raise self._surplus(rest)
            self._begin = len(self._text)
            self._refill()

    def check_compressed(self) -> None:
        """Read a compressed file to its end, where its checksum tells whether this is what was written."""
        while isinstance(self._source, gzip.GzipFile) and self._read():
            pass

    def error(self, message: str) -> InputError:
        """Make an error that names the file, and the line of what was read last."""
        line, left = 1, self._mark
        with _open(self.path) as source:
            while left > 0 and (read := source.read(min(left, PIECE))):
                line += read.count(b"\n")
                left -= len(read)
        return InputError(f"{self.path}, line {line}: {message}")

    def _surplus(self, rest: bytes) -> InputError:
        shown = rest[:40].split()[0].decode("ascii", errors="backslashreplace")
        return self.error(
            f"more follows ({shown!r}) after the {self.expected} values that the header states; "
            "do header and values belong together?"
        )
