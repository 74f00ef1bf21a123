"""The bytes of a file, plain or compressed with gzip, in pieces of the reader's choice."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO, Protocol

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
