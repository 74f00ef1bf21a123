"""Results of long work, one file for each task: the rule by which every command resumes.

A task is a key, which names its file, and a fingerprint of all that settles its result. The result is one JSON file
that appears when it is whole. A task is done if its file is there, can be read and has the task's fingerprint; any
other task is to be done. So a kill loses what was being done and nothing else, and a change of settings or inputs does
again what depends on them, and only that.

Examples
--------
>>> import tempfile
>>> results = Results(Path(tempfile.mkdtemp()) / "results")
>>> tasks = {f"square-{number}": fingerprint("square", number) for number in range(3)}
>>> results.put("square-1", tasks["square-1"], {"value": 1})
>>> results.missing(tasks)
['square-0', 'square-2']
>>> results.get("square-1", tasks["square-1"]), results.get("square-1", fingerprint("square", -1))
({'value': 1}, None)
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ase.io.jsonio import encode, object_hook

from basinet.errors import InputError
from basinet.files import atomic_write, plain


def fingerprint(*parts: Any) -> str:
    """SHA-256 of settings and inputs: numbers, text, paths, mappings, sequences, arrays, dataclasses."""
    return hashlib.sha256(json.dumps(plain(parts), sort_keys=True).encode()).hexdigest()


def file_of(directory: Path, name: str, suffix: str) -> Path:
    """File of a name that may have come with data, such as a system's: it lies in the directory, whatever the name.

    Raises
    ------
    InputError
        The name has a slash or another character that no file of ours has, begins with a dot, or is too long.
    """
    if not name.isprintable() or "/" in name or name.startswith(".") or len(os.fsencode(name)) > _LONGEST_NAME:
        raise InputError(f"{name!r}: cannot be the name of a file; rename it, without slashes or a dot in front")
    return directory / f"{name}{suffix}"


_LONGEST_NAME = 200
"""Bytes; file systems take 255, temporary files have some more than the file."""


class Results:
    """A directory of results by key.

    A result is anything that JSON can hold, and beside it arrays and `ase.Atoms`, which come back as what they were,
    with all their digits.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def path(self, key: str) -> Path:
        """File of a task's result."""
        return file_of(self.directory, key, ".json")

    def has(self, key: str, fingerprint: str) -> bool:
        """Tell if a task is done."""
        return self._read(key, fingerprint) is not None

    def get(self, key: str, fingerprint: str) -> Any:
        """Result of a task; None if it is not done."""
        kept = self._read(key, fingerprint)
        return None if kept is None else kept["result"]

    def put(self, key: str, fingerprint: str, result: Any) -> None:
        """Keep the result of a task.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        text = encode({"fingerprint": fingerprint, "result": result})
        with atomic_write(self.path(key)) as stream:
            stream.write(text)

    def missing(self, tasks: Mapping[str, str]) -> list[str]:
        """Keys of the tasks (key to fingerprint) that are to be done."""
        return [key for key, fingerprint in tasks.items() if not self.has(key, fingerprint)]

    def _read(self, key: str, fingerprint: str) -> dict[str, Any] | None:
        try:
            kept = json.loads(self.path(key).read_text(encoding="utf-8"), object_hook=object_hook)
        except (OSError, ValueError, TypeError, KeyError):  # none, or damaged
            return None
        ours = isinstance(kept, dict) and "result" in kept and kept.get("fingerprint") == fingerprint
        return kept if ours else None
