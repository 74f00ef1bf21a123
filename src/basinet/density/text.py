"""The bytes of a file, plain or compressed with gzip, in pieces of the reader's choice."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from basinet.density.numbers import MARGIN, NOT_A_NUMBER, UNDECIDED, number, parse_numbers
from basinet.errors import InputError

PIECE = 1 << 18
"""Bytes moved at a time: they stay in the processor's second-level cache until they are used."""

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 31
"""zlib's code for the largest window, with gzip's header and checksum."""

REFUSED = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
"""First bytes of compressed files that are not read, and the program's name."""


class Source(Protocol):
    """Where bytes come from."""

    cut: bool
    """Whether a compressed file ended before its end."""

    def readinto(self, piece: memoryview) -> int:
        """Write the next bytes to the beginning of `piece`; gives their number, 0 at the end."""

    def close(self) -> None:
        """Close the file."""


class PlainSource:
    """An uncompressed file."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.cut = False

    def readinto(self, piece: memoryview) -> int:
        """Write the next bytes to the beginning of `piece`."""
        return self.stream.readinto(piece)  # type: ignore[attr-defined, no-any-return]

    def close(self) -> None:
        """Close the file."""
        self.stream.close()


class GzipSource:
    """A file compressed with gzip, of one or several members (``pigz`` and ``bgzip`` write several)."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path = path
        self.stream = stream
        self.cut = False
        self.member = zlib.decompressobj(GZIP_WINDOW)
        self.compressed = b""

    def readinto(self, piece: memoryview) -> int:
        """Write the next decompressed bytes to the beginning of `piece`."""
        while True:
            if self.member.eof and not self.next_member():
                return 0
            if not self.compressed:
                self.compressed = self.stream.read(PIECE)
                self.cut = not self.compressed
                if self.cut:
                    return 0
            try:
                text = self.member.decompress(self.compressed, len(piece))
            except zlib.error as error:
                raise InputError(f"{self.path}: the gzip file is damaged ({error}); copy it again") from error
            self.compressed = self.member.unconsumed_tail
            if text:
                piece[: len(text)] = text
                return len(text)

    def next_member(self) -> bool:
        """Begin the next member, and tell whether there is one. Zeros may fill up a file (tapes, ``dd``)."""
        self.compressed = self.member.unused_data
        while not (rest := self.compressed.lstrip(b"\0")):
            self.compressed = self.stream.read(PIECE)
            if not self.compressed:
                return False
        self.compressed = rest
        self.member = zlib.decompressobj(GZIP_WINDOW)
        return True

    def close(self) -> None:
        """Close the file."""
        self.stream.close()


def open_source(path: Path) -> Source:
    """Open a file; gzip is known by its first bytes, whatever the name.

    Raises
    ------
    InputError
        There is no such file, it is no regular file, it cannot be read, or it is compressed in another way.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a directory; name a file")
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: not a regular file; write it to the disk first")
        stream = path.open("rb", buffering=0)
        magic = stream.read(6)
        stream.seek(0)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the path and its permissions") from error
    for first, program in REFUSED.items():
        if magic.startswith(first):
            stream.close()
            raise InputError(f"{path}: compressed with {program}, only gzip is read; decompress it first")
    return GzipSource(path, stream) if magic.startswith(GZIP_MAGIC) else PlainSource(stream)


LONGEST_LINE = 1 << 16
"""Bytes of a header's line; more is no header."""

FELLOWS = 400
"""Bytes of the last numbers of a file, with which the very last one is compared."""

BLANKS = b" \n\t\r\f\v"
NOT_FINITE = re.compile(r"[+-]?(nan|inf(inity)?)", flags=re.IGNORECASE)


class TextStream:
    """A file of a header and many numbers, plain or gzip.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        The file is missing, no regular file, cannot be read, or is compressed by something else than gzip.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.source = open_source(self.path)
        self.text = bytearray(PIECE + MARGIN)
        self.characters = np.frombuffer(self.text, dtype=np.uint8)
        self.begin = self.end = 0
        """The part of `text` that is not yet read."""
        self.before = b""
        """Some of what stood before `text`."""
        self.offset = 0
        """Bytes of the file before `text`."""
        self.at_end = False
        self.mark = 0
        """Bytes of the file before what messages speak of."""
        self.expected = self.done = 0
        """How many values the file should hold, and how many were read."""

    def __enter__(self) -> TextStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.source.close()

    def refill(self) -> None:
        """Move what is not yet read to the front, and read on behind it."""
        rest = self.end - self.begin
        self.before = bytes(self.text[max(0, self.begin - FELLOWS) : self.begin])
        self.text[:rest] = self.text[self.begin : self.end]
        self.offset += self.begin
        self.begin, self.end = 0, rest
        try:
            read = self.source.readinto(memoryview(self.text)[rest:PIECE])
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error}); check the disk and try again") from error
        self.end += read
        self.at_end = read == 0

    def line(self) -> str:
        """Read the next line, without its line break.

        Raises
        ------
        InputError
            The file ends before the line does, or this is no text.
        """
        line = self.line_or_rest()
        if not line.endswith(b"\n"):
            raise self.cut_in_header()
        if b"\0" in line:
            raise self.error("not a text file; check the path and the format")
        return line.decode("utf-8", errors="replace").rstrip("\r\n")

    def line_or_rest(self) -> bytes:
        """Read the next line with its line break, which lacks if the file ends before."""
        self.mark = self.offset + self.begin
        while (stop := self.text.find(b"\n", self.begin, self.end) + 1) == 0:
            if self.at_end:
                stop = self.end
                break
            if self.end - self.begin > LONGEST_LINE:
                raise self.error("no line break in sight, not a text file; check the path and the format")
            self.refill()
        line = bytes(self.text[self.begin : stop])
        self.begin = stop
        return line

    def fill(self, out: NDArray[np.float64]) -> None:
        """Read as many numbers as `out` (one-dimensional, contiguous) has room for.

        Raises
        ------
        InputError
            The file ends before, something is no number, or a number is not finite. The message names the line.
        """
        filled = 0
        while filled < len(out):
            stop = self.whole_numbers()
            before = filled
            position, filled, status = parse_numbers(
                self.characters, np.uint64(self.begin), np.uint64(stop), out, filled
            )
            self.begin = min(int(position), self.end)
            self.done += filled - before
            if status in (NOT_A_NUMBER, UNDECIDED):
                out[filled] = self.hard_number(stop)
                filled += 1
                self.done += 1
        if self.at_end and self.begin == self.end:
            self.check_last_number()

    def whole_numbers(self) -> int:
        """Make sure that `text` holds whole numbers from `begin` on, and tell where they stop."""
        while True:
            stop = self.end
            if self.at_end and self.begin < self.end:
                self.text[stop : stop + 1] = b"\n"
                return stop + 1
            while stop > self.begin and self.text[stop - 1] not in BLANKS:
                stop -= 1
            if stop > self.begin:
                return stop
            if self.at_end:
                raise self.cut_in_values()
            if self.end - self.begin == PIECE:
                self.mark = self.offset + self.begin
                raise self.error("not a text file; check the path and the format")
            self.refill()

    def hard_number(self, stop: int) -> float:
        """Let Python read the number that begins here, or say what is wrong with it."""
        self.mark = self.offset + self.begin
        token = bytes(self.text[self.begin : stop]).split(maxsplit=1)[0]
        shown = token[:40].decode("ascii", errors="backslashreplace")
        count = f"value {self.done + 1} of {self.expected}"
        if NOT_FINITE.fullmatch(shown):
            raise self.error(f"{count} is {shown}; did the calculation fail?")
        if token.strip(b"*") == b"":
            raise self.error(f"{count} is {shown}: it did not fit its format; write the file with more digits")
        try:
            value = number(token.decode("ascii"))
        except ValueError as error:
            raise self.error(f"{count} is no number ({shown!r}); write or copy the file again") from error
        if not np.isfinite(value):
            raise self.error(f"{count} is too large ({shown}); did the calculation fail?")
        self.begin += len(token)
        return value

    def check_last_number(self) -> None:
        """Refuse a file that ends, without a line break, in a number with fewer decimals than those before it."""
        last_piece = bytes(self.text[max(0, self.end - FELLOWS) : self.end])
        tokens = (self.before + last_piece).split()[1:]
        lengths = [len(token.partition(b".")[2]) for token in tokens]
        if len(lengths) > 1 and lengths[-1] < min(lengths[:-1]):
            last = tokens[-1].decode("ascii")
            raise InputError(
                f"{self.path}: the file ends without a line break and the last number {last!r} seems to be cut; "
                "copy it again, or end it with a line break if it is whole"
            )

    def expect_line_end(self) -> None:
        """Check that no more values follow in the line of the last one; InputError where they do."""
        rest = self.line_or_rest().strip()
        if rest:
            raise self.surplus(rest)

    def check_compressed(self) -> None:
        """Read a compressed file to its end, whose checksum tells whether what was read is what was written.

        Raises
        ------
        InputError
            It is damaged or cut.
        """
        while isinstance(self.source, GzipSource) and not self.at_end:
            self.begin = self.end
            self.refill()
        if self.source.cut:
            raise InputError(f"{self.path}: the gzip file is cut short; copy it again")

    def expect_end(self) -> None:
        """Check that nothing follows.

        Raises
        ------
        InputError
            Something does, or a compressed file is cut.
        """
        while True:
            rest = bytes(self.text[self.begin : self.end]).lstrip(BLANKS)
            if rest:
                self.mark = self.offset + self.end - len(rest)
                raise self.surplus(rest)
            if self.at_end:
                break
            self.begin = self.end
            self.refill()
        self.check_compressed()

    def error(self, message: str) -> InputError:
        """Make an error that names the file, and the line of `mark`."""
        line, left = 1, self.mark
        source = open_source(self.path)
        piece = memoryview(bytearray(PIECE))
        while left > 0 and (read := source.readinto(piece[: min(left, PIECE)])):
            line += bytes(piece[:read]).count(b"\n")
            left -= read
        source.close()
        return InputError(f"{self.path}, line {line}: {message}")

    def surplus(self, rest: bytes) -> InputError:
        """Make the error of a file with text behind its values, at `mark`."""
        shown = rest[:40].split()[0].decode("ascii", errors="backslashreplace")
        return self.error(
            f"more follows ({shown!r}) after the {self.expected} values that the header states; "
            "do header and values belong together?"
        )

    def cut_in_header(self) -> InputError:
        """Make the error of a file that ends in its header."""
        if self.offset + self.end == 0:
            return InputError(f"{self.path}: the file is empty; write or copy it again")
        return InputError(f"{self.path}: the file is cut short, in its header; copy it again")

    def cut_in_values(self) -> InputError:
        """Make the error of a file that ends in its values."""
        return InputError(f"{self.path}: the file is cut short, {self.done} of {self.expected} values; copy it again")


def read_row(stream: TextStream, least: int, what: str) -> list[float]:
    """Read the numbers of the next line; there may be text behind the first `least`.

    Parameters
    ----------
    stream
        At the beginning of the line.
    least
        How many numbers there must be.
    what
        What the line holds, for the message.

    Raises
    ------
    InputError
        There are fewer, or one of them is not finite. The message names the line.
    """
    line = stream.line()
    row: list[float] = []
    for token in line.split():
        try:
            row.append(number(token))
        except ValueError:
            break
    if len(row) < least or not np.all(np.isfinite(row)):
        raise stream.error(f"expected {what}, found {line.strip()[:60]!r}; check the path and the format")
    return row


def whole(stream: TextStream, value: float, what: str) -> int:
    """Take a number of the header as an integer; InputError where it is none."""
    if value != int(value):
        raise stream.error(f"expected {what}, found {value}; check the path and the format")
    return int(value)


def allocate(stream: TextStream, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Make room for the values; InputError where the header states more than memory can hold."""
    try:
        return np.empty(shape)
    except (MemoryError, ValueError) as error:
        sizes = " x ".join(map(str, shape))
        raise InputError(
            f"{stream.path}: the header states {sizes} points, more than the memory holds; is it damaged?"
        ) from error
