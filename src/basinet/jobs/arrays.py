"""Saved models: one line of JSON, then raw numbers. Never a pickle, so that opening one runs no code.

The line holds the caller's header, the format's name and version, a table of the arrays (name, dtype, shape)
and a SHA-256 checksum. What follows are the arrays one after the other, C order, little-endian. The checksum
covers both, so that an altered hyper-parameter is found as well as an altered weight.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basinet.errors import InputError
from basinet.files import atomic_write, plain, read_bytes

_FORMAT = "basinet-model"
_VERSION = 2  # 2: a model may stand on a pair potential, without which its networks are not to be read
_RESERVED = ("format", "version", "arrays", "sha256")
_DTYPES = {"<f8": 8, "<f4": 4, "<i8": 8, "<i4": 4, "|b1": 1, "|u1": 1}  # with their sizes in bytes


def save_arrays(path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a header, anything JSON can hold, and arrays of float32, float64, int32, int64, uint8 or bool, atomically.

    ValueError: the header uses one of the format's own keys (``format``, ``version``, ``arrays``, ``sha256``), or an
    array has another dtype. InputError: the file cannot be written.
    """
    taken = [key for key in _RESERVED if key in header]
    if taken:
        raise ValueError(f"header keys of the format's own: {', '.join(taken)}")
    table, payload = [], bytearray()
    for name, array in arrays.items():
        values = np.asarray(array)
        little = values.astype(values.dtype.newbyteorder("<"), copy=False)
        if little.dtype.str not in _DTYPES:
            raise ValueError(f"array {name!r}: dtype {values.dtype} cannot be saved")
        table.append({"name": name, "dtype": little.dtype.str, "shape": list(values.shape)})
        payload += little.tobytes()
    line = {"format": _FORMAT, "version": _VERSION, **plain(header), "arrays": table}
    line["sha256"] = _checksum(line, payload)
    with atomic_write(path, "wb") as stream:
        stream.write(json.dumps(line, allow_nan=False).encode("utf-8") + b"\n")
        stream.write(payload)


def load_arrays(path: str | Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `save_arrays` wrote: the caller's header, and the arrays, writable.

    InputError: the file is missing, not one of ours, of a newer format version, cut short, or altered.
    """
    content = read_bytes(path)
    line, newline, payload = content.partition(b"\n")
    header = _parse_header(path, line)
    version = header.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"{path}: the model file states no format version; save the model again")
    if version > _VERSION:
        msg = f"{path}: model format version {version} is unknown, {_VERSION} is the newest; upgrade basinet"
        raise InputError(msg)
    shapes = _parse_table(path, header.get("arrays"))
    expected = sum(_DTYPES[dtype] * math.prod(shape) for _, dtype, shape in shapes)
    if not newline or len(payload) < expected:
        raise InputError(f"{path}: the model file is cut short ({len(payload)} of {expected} bytes); copy it again")
    if len(payload) > expected or _checksum(header, payload) != header.get("sha256"):
        raise InputError(f"{path}: the model file does not match its checksum, it was altered; copy it again")
    arrays: dict[str, NDArray[Any]] = {}
    start = 0
    for name, dtype, shape in shapes:
        size = _DTYPES[dtype] * math.prod(shape)
        values = np.frombuffer(payload[start : start + size], dtype=np.dtype(dtype))
        # A copy in native byte order: writable, and not tied to the file's bytes.
        arrays[name] = values.reshape(shape).astype(values.dtype.newbyteorder("="), copy=True)
        start += size
    return {key: value for key, value in header.items() if key not in _RESERVED}, arrays


def refuse_other_arrays(
    path: str | Path, arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]], remedy: str
) -> None:
    """Refuse a file whose arrays of real numbers have other shapes than these, or hold NaN or infinities."""
    for name, shape in shapes.items():
        found = arrays.get(name)
        if found is None or found.dtype.kind != "f" or found.shape != shape or not np.isfinite(found).all():
            size = " x ".join(map(str, shape))
            raise InputError(f"{path}: the array {name!r} is not {size} finite numbers; {remedy}")


def _checksum(header: Mapping[str, Any], payload: bytes | bytearray) -> str:
    """Compute the SHA-256 of the header (without its checksum, in one canonical spelling) and the payload."""
    covered = {key: value for key, value in header.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(covered, sort_keys=True, separators=(",", ":")).encode())
    digest.update(b"\n")
    digest.update(payload)
    return digest.hexdigest()


def _parse_header(path: str | Path, line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        if _FORMAT.encode() in line[:200]:
            raise InputError(f"{path}: the model file's header is cut short or altered; copy it again") from error
        header = None
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise InputError(f"{path}: not a model saved by basinet; check the path")
    return header


def _parse_table(path: str | Path, table: Any) -> list[tuple[str, str, tuple[int, ...]]]:
    try:
        rows = [(row["name"], row["dtype"], tuple(row["shape"])) for row in table]
    except (TypeError, KeyError) as error:
        raise InputError(f"{path}: the model file's table of arrays is altered; copy it again") from error
    for name, dtype, shape in rows:
        sizes = all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in shape)
        if not isinstance(name, str) or not isinstance(dtype, str) or dtype not in _DTYPES or not sizes:
            raise InputError(f"{path}: the model file's table of arrays is altered; copy it again")
    return rows
