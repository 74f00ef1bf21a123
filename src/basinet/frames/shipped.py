"""Reference data that ships with the package, and its loader."""

import hashlib
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable

from ase import Atoms

from basinet.errors import InputError
from basinet.files import decode
from basinet.frames.reading import parse_frames

SYSTEMS = ("ar", "kr", "mix")
SIZES = (32, 108)
CHECKSUMS = "SHA256SUMS"


def load_reference(system: str, atoms: int = 32) -> list[Atoms]:
    """Load the reference frames of a liquid: ``ar``, ``kr`` or ``mix`` (equimolar), with 32 or 108 atoms in the box.

    They come in order of time, with all labels (eV, A, e). InputError where there are no such frames, or the file is
    not the one that was shipped.

    >>> frames = load_reference("ar")
    >>> len(frames), len(frames[0])
    (205, 32)
    """
    if system not in SYSTEMS:
        raise InputError(f"reference data: unknown system {system!r}; choose one of {', '.join(SYSTEMS)}")
    if atoms not in SIZES:
        raise InputError(f"reference data: no frames of {atoms} atoms; choose {' or '.join(map(str, SIZES))}")
    return _load(f"{system}{atoms}.extxyz")


def load_isolated_atoms() -> dict[str, Atoms]:
    """Load the isolated atoms by symbol: their ``REF_energy`` is E0 (eV), with the settings of the frames.

    >>> {symbol: round(float(atom.info["REF_energy"]), 3) for symbol, atom in load_isolated_atoms().items()}
    {'Ar': -574.185, 'Kr': -501.038}
    """
    return {atom.get_chemical_symbols()[0]: atom for atom in _load("isolated.extxyz")}


def reference_checksums() -> dict[str, str]:
    """Give the SHA-256 of every shipped file, by name."""
    lines = (_folder() / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def verify_reference() -> dict[str, str]:
    """Check every shipped file and return the checksums by name; InputError where a file is missing or altered."""
    checksums = reference_checksums()
    for name in checksums:
        _verified(name)
    return checksums


def _load(name: str) -> list[Atoms]:
    return [atoms.copy() for atoms in _parsed(_verified(name), f"reference data {name}")]


@lru_cache(maxsize=8)
def _parsed(content: bytes, source: str) -> tuple[Atoms, ...]:
    """Frames of a file's content, read once: most of a second for 205 frames."""
    return tuple(parse_frames(decode(content, source), source))


def _verified(name: str) -> bytes:
    try:
        content = (_folder() / name).read_bytes()
    except OSError as error:
        raise InputError(f"reference data {name}: the file is missing; install basinet again") from error
    if hashlib.sha256(content).hexdigest() != reference_checksums()[name]:
        raise InputError(f"reference data {name}: the file does not match its checksum; install basinet again")
    return content


def _folder() -> Traversable:
    return resources.files("basinet.frames") / "data"
