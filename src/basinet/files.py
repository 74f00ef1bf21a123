"""Writing files so that no half-written one is ever seen; locks on files."""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import json
import math
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TextIO

import numpy as np
import yaml

from basinet.errors import DiskFullError, InputError

if TYPE_CHECKING:
    import pandas as pd

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)

LOCK = ".lock"  # file that the process which works in a directory holds


@contextmanager
def atomic_write(path: str | Path, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """Open a file that appears under its name only when complete, for text (UTF-8, line ends as they are) or bytes.

    It goes to a temporary file beside the target, whose directory is created if missing, is flushed to the disk and
    then renamed. If anything fails, the old file is untouched and the temporary one is removed. InputError where the
    disk is full, or the place cannot be written to.
    """
    target = Path(path)
    with explained(target):
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            raise InputError(f"{target}: not a regular file; name a file to write")
        # A symbolic link stays a link: what it points to is replaced.
        try:
            target = target.resolve()
        except RuntimeError as error:
            raise InputError(f"{target}: a loop of symbolic links; name another file") from error
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    encoding, newline = ("utf-8", "") if mode == "w" else (None, None)
    try:
        with (
            explained(target, only=FULL_DISK),
            os.fdopen(descriptor, mode, encoding=encoding, newline=newline) as stream,
        ):
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        with explained(target):
            temporary.replace(target)
            _sync_directory(target.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def explained(path: Path, only: tuple[int, ...] | None = None) -> Iterator[None]:
    """Turn a refusal of the operating system to write into an InputError; `only` names the error numbers."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise DiskFullError(f"{path}: disk full; free some space and run again") from error
        if only is not None:
            raise
        reason = error.strerror or str(error)
        raise InputError(f"{path}: cannot write ({reason}); choose another place") from error


def _sync_directory(directory: Path) -> None:
    """Make a rename durable, where the file system lets a directory be synchronised."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def plain(value: Any) -> Any:
    """Express a value in types of JSON and YAML: arrays as lists, paths as text, NaN as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically. Numbers keep all digits; NaN and infinities become null, which JSON can hold."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_write(path) as stream:
        stream.write(text + "\n")


def read_json(path: str | Path, remedy: str = "write it again") -> Any:
    """Read a JSON file; InputError, with the line and the remedy, where it is missing, cut short, or not JSON."""
    text = decode(read_bytes(path), str(path), remedy)
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_int=_whole)
    except json.JSONDecodeError as error:
        msg = f"{path}, line {error.lineno}: not valid JSON ({error.msg}); it may be cut short, {remedy}"
        raise InputError(msg) from error
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path}: not valid JSON ({error}); {remedy}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, each of whose keys stands once; Python would take the last."""
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise ValueError(f"the key {twice!r} stands twice")
    return values


def _whole(text: str) -> int:
    """A whole number of JSON that a float can hold."""
    if abs(value := int(text)) > sys.float_info.max:
        raise ValueError(f"the number {text[:20]}... is too large")
    return value


def write_yaml(path: str | Path, value: Any) -> None:
    """Write YAML atomically, keys in the order given, nothing but plain types."""
    text = yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True, default_flow_style=False)
    with atomic_write(path) as stream:
        stream.write(text)


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, atomically, without its index.

    Numbers are written with the fewest digits that give the same number back, booleans as ``true`` and ``false``,
    missing values as nothing.
    """
    flags = table.select_dtypes(["bool", "boolean"])
    spelled = table.assign(**{str(name): flags[name].map({True: "true", False: "false"}) for name in flags})
    with atomic_write(path) as stream:
        spelled.to_csv(stream, index=False, lineterminator="\n")


def read_table(
    path: str | Path, columns: Mapping[str, str] | None = None, remedy: str = "write it again"
) -> pd.DataFrame:
    """Read a CSV table: some columns with their pandas types, missing where the file lacks them, or all as they spell.

    InputError, with the line, where the file is missing, empty or not text, a row has too few or too many values, or a
    value is not of its type.
    """
    import pandas as pd

    text = decode(read_bytes(path), str(path), remedy)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next((cells for cells in reader if cells), None)
        if header is None:
            raise InputError(f"{path}: the table is empty; {remedy}")
        if len(set(header)) != len(header):
            raise InputError(f"{path}, line {reader.line_num}: a column name appears twice; rename one")
        for cells in reader:
            if cells and len(cells) != len(header):
                raise InputError(
                    f"{path}, line {reader.line_num}: {len(cells)} values for {len(header)} columns; "
                    f"the file may be cut short, {remedy}"
                )
        if not text.endswith("\n"):
            raise InputError(f"{path}: the table's last line has no end, it may be cut short; {remedy}")
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not a CSV table ({error}); {remedy}") from error
    known = None if columns is None else {name: kind for name, kind in columns.items() if name in header}
    try:
        table = pd.read_csv(io.StringIO(text, newline=""), dtype=known, keep_default_na=False, na_values=[""])
    except ValueError as error:
        raise InputError(f"{path}: not the table expected ({error}); {remedy}") from error
    if columns is None:
        return table
    absent = {name: pd.Series(index=table.index, dtype=kind) for name, kind in columns.items() if name not in header}
    return table.assign(**absent)[[*columns]]


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn a refusal of the operating system to read into an InputError."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a directory; name a file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the path and its permissions") from error


def refuse_twice(paths: Iterable[str | Path]) -> None:
    """Refuse a file that is named twice: what is in it would count twice."""
    seen: set[Path] = set()
    for path in paths:
        if Path(path).resolve() in seen:
            raise InputError(f"{path}: is named twice, and what is in it would count twice; name it once")
        seen.add(Path(path).resolve())


def read_bytes(path: str | Path) -> bytes:
    """Read the content of a file; InputError where it is none (a directory, pipe or device), or cannot be read."""
    with reading(path):
        mode, given = Path(path).stat().st_mode, str(path).startswith(("/dev/fd/", "/dev/stdin"))  # as <(...)
        if not (given or stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise InputError(f"{path}: a pipe or device, not a file; write it to the disk first")
        return Path(path).read_bytes()


COMPRESSED = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip",
}  # fmt: skip
"""First bytes of compressed files, and the program's name."""


def decode(content: bytes, source: str, remedy: str = "check the path and the format") -> str:
    """Decode bytes as UTF-8 text; InputError where they are none."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        for first, program in COMPRESSED.items():
            if content.startswith(first):
                raise InputError(f"{source}: compressed with {program}; decompress it first") from error
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{source}, line {line}: not text (UTF-8); {remedy}") from error


def read_text(path: str | Path) -> str:
    """Read the text of a file; InputError where it is missing, unreadable or not UTF-8."""
    return decode(read_bytes(path), str(path))


NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eEdD]?([+-][0-9]+)|[eEdD]([0-9]+))?")
"""Numbers as C, Python and Fortran print them. Python's `float` takes more than those, ``1_000`` for one."""


def number(token: str) -> float:
    """Read a number as C, Python or Fortran print it; ValueError if it is none.

    >>> number("1.5D-01"), number("0.33004-101")
    (0.15, 3.3004e-102)
    """
    match = NUMBER.fullmatch(token)
    if match is None:
        raise ValueError(f"{token[:40]!r} is no number")
    mantissa, signed, unsigned = match.groups()
    return float(f"{mantissa}e{signed or unsigned or 0}")


def refuse_cut_number(where: str, last: str, fellows: Sequence[str]) -> None:
    """Refuse the last number of a file without a line break at its end, unless it has all decimals of its fellows.

    Programs end files with a line break. Where numbers have fewer and more decimals, nothing else tells a whole one.
    """

    def length(number: str) -> int:
        return len(number.partition(".")[2] if any("." in fellow for fellow in fellows) else number)

    if fellows and length(last) < max(map(length, fellows)):
        raise InputError(
            f"{where}: the file ends without a line break and the last number {last!r} seems to be cut; "
            "copy it again, or end it with a line break if it is whole"
        )


def free_memory() -> int:
    """Bytes that can be had without swapping, within the limits of a control group."""
    import psutil

    limits = [psutil.virtual_memory().available]
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # no such group, or "max"
        most, current = (int((group / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
        limits.append(most - current)
    return max(min(limits), 0)


_LITTLE = 1 << 26  # bytes that are not asked about


def refuse_beyond_memory(needed: float, what: str, remedy: str) -> None:
    """Refuse what needs more bytes than are free; InputError names both numbers."""
    if needed > _LITTLE and needed > (free := free_memory()):
        raise InputError(f"{what} needs {needed / 1e9:.3g} GB of memory, and {free / 1e9:.3g} GB are free; {remedy}")


@contextmanager
def holding(path: Path, *, wait: bool) -> Iterator[TextIO]:
    """Hold a lock file and yield it, open for reading and writing: what is in it is from a process that was killed.

    The kernel lets go of the lock however the process ends; the file is removed only at a regular end. On a file
    system without locks there is no guard. BlockingIOError where another process holds it, and nobody is to wait.
    """
    while True:
        with path.open("a+", encoding="utf-8", errors="replace") as stream:
            try:
                fcntl.flock(stream.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise
            except OSError:
                pass
            if not _is_named(stream, path):
                continue  # whoever held it has removed it meanwhile: others would lock another file of that name
            try:
                stream.seek(0)
                yield stream
            finally:
                path.unlink(missing_ok=True)
            return


def _is_named(stream: TextIO, path: Path) -> bool:
    """Tell if an open file is still the one that has a name."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    return False


def is_held(path: Path) -> bool:
    """Tell if some process holds a lock file."""
    try:
        with path.open("r", encoding="utf-8") as stream:
            fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
