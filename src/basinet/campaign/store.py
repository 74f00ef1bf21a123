"""What is finished and what failed, a file for each: they are the campaign's whole state."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from basinet.io.files import atomic_write

VERSION = 1
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Result:
    """A finished unit.

    Attributes
    ----------
    key
        Checksum of what it was made from; see `unit_key`.
    frames
        Labelled frames as extended XYZ: one of a single point, several of molecular dynamics.
    seconds
        Of CP2K and the partition.
    cp2k_version, input_sha256, attempt, host, finished
        Where the frames come from.
    report
        Of the partition and of the dynamics.
    restart
        State for the next segment of a trajectory.
    """

    key: str
    frames: list[str]
    seconds: float
    cp2k_version: str
    input_sha256: str
    attempt: int
    host: str
    finished: str
    report: dict[str, Any] = field(default_factory=dict)
    restart: str | None = None


@dataclass(frozen=True)
class Failure:
    """A try of a unit that gave nothing; `forgiven` ones no longer count against the retries."""

    unit: str
    key: str
    attempt: int
    kind: str
    message: str
    log: str | None
    seconds: float
    host: str
    time: str
    forgiven: bool = False


class Store:
    """Folders ``results``, ``failures`` and ``logs`` of a campaign."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, unit: str) -> Path:
        """File of a unit's result."""
        return self.root / "results" / f"{unit}.json"

    def wavefunction(self, unit: str) -> Path:
        """File of the wave functions that a unit hands on."""
        return self.root / "wavefunctions" / f"{unit}.wfn"

    def log(self, unit: str, attempt: int) -> Path:
        """CP2K's output of a try that failed."""
        return self.root / "logs" / f"{unit}-{attempt}.out"

    def write(self, unit: str, result: Result) -> None:
        """Keep a result, which appears when it is whole."""
        text = json.dumps({"version": VERSION, **asdict(result)}, allow_nan=False)
        with atomic_write(self.path(unit)) as stream:
            stream.write(text)

    def read(self, unit: str) -> Result | None:
        """Result of a unit; None if there is none."""
        return read_object(self.path(unit), Result)

    def record(self, failure: Failure) -> None:
        """Keep a failure."""
        path = self.root / "failures" / f"{failure.unit}-{failure.attempt}.json"
        with atomic_write(path) as stream:
            json.dump({"version": VERSION, **asdict(failure)}, stream)

    def failures(self, unit: str | None = None) -> list[Failure]:
        """Failures of a unit, or all of them, in the order of tries."""
        paths = (self.root / "failures").glob("*.json" if unit is None else f"{unit}-*.json")
        found = [failure for path in paths if (failure := read_object(path, Failure)) is not None]
        ours = [failure for failure in found if unit in (None, failure.unit)]
        return sorted(ours, key=lambda failure: (failure.unit, failure.attempt))

    def keep_log(self, unit: str, attempt: int, output: Path, errors: Path, limit: int) -> str | None:
        """Copy the end of CP2K's output and complaints; give back its path in the campaign's directory."""
        parts = []
        for path in (output, errors):
            if path.is_file() and path.stat().st_size:
                with path.open("rb") as stream:
                    stream.seek(max(0, path.stat().st_size - limit))
                    parts.append(stream.read())
        if not parts:
            return None
        target = self.log(unit, attempt)
        with atomic_write(target, "wb") as stream:
            stream.write(b"\n".join(parts))
        return str(target.relative_to(self.root))

    def clear(self) -> None:
        """Remove what no resumed campaign needs, once all is done."""
        for folder in ("wavefunctions", "scratch", "running"):
            shutil.rmtree(self.root / folder, ignore_errors=True)


def read_object(path: Path, kind: type[Kept]) -> Kept | None:
    """Read a file of ours; None if it is missing, damaged or of another version."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return kind(**values) if values.pop("version") == VERSION else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
