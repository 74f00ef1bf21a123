"""Results of long work, one file for each task: the rule by which every command resumes.

A task is a key, which names its file, and a fingerprint of all that settles its result. The result is one JSON file
that appears when it is whole. A task is done if its file is there, can be read and has the task's fingerprint; any
other task is to be done. So a kill loses what was being done and nothing else, and a change of settings or inputs does
again what depends on them, and only that.

Examples
--------
>>> import tempfile
>>> results = Results(Path(tempfile.mkdtemp()) / "results", dict[str, int])
>>> tasks = {f"square-{number}": fingerprint("square", number) for number in range(3)}
>>> results.put("square-1", tasks["square-1"], {"value": 1})
>>> [key for key in tasks if results.get(key, tasks[key]) is None]
['square-0', 'square-2']
>>> results.get("square-1", tasks["square-1"]), results.get("square-1", fingerprint("square", -1))
({'value': 1}, None)
"""

import hashlib
import json
import os
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ase.io.jsonio import encode, object_hook
from pydantic import ConfigDict, TypeAdapter

from basinet.errors import InputError
from basinet.files import atomic_write, plain


def fingerprint(*parts: Any) -> str:
    """SHA-256 of settings and inputs: numbers, text, paths, mappings, sequences, arrays, dataclasses."""
    return hashlib.sha256(json.dumps(plain(parts), sort_keys=True).encode()).hexdigest()


def file_of(directory: Path, name: str, suffix: str) -> Path:
    """File of a name that may have come with data, such as a system's: it lies in the directory, whatever the name.

    InputError: the name has a slash or another character that no file of ours has, begins with a dot, or is too long.
    """
    if not name.isprintable() or "/" in name or name.startswith(".") or len(os.fsencode(name)) > _LONGEST_NAME:
        raise InputError(f"{name!r}: cannot be the name of a file; rename it, without slashes or a dot in front")
    return directory / f"{name}{suffix}"


_LONGEST_NAME = 200  # bytes; file systems take 255, temporary files have some more than the file


WITH_ATOMS = ConfigDict(arbitrary_types_allowed=True)  # of dataclasses of results that hold `ase.Atoms`
Kept = TypeVar("Kept")


class Results(Generic[Kept]):
    """A directory of results by key.

    A result is anything that JSON can hold, and beside it arrays and `ase.Atoms`, which come back as what they were,
    with all their digits. It is of the type `kind`; what is not, as in a damaged file, is no result.
    """

    def __init__(self, directory: str | Path, kind: type[Kept]) -> None:
        self.directory, self._adapter = Path(directory), TypeAdapter(kind)

    def path(self, key: str) -> Path:
        """File of a task's result."""
        return file_of(self.directory, key, ".json")

    def get(self, key: str, fingerprint: str) -> Kept | None:
        """Result of a task; None if it is not done."""
        try:
            kept = json.loads(self.path(key).read_text(encoding="utf-8"), object_hook=object_hook)
            if kept["fingerprint"] != fingerprint:
                return None
            found: Kept = self._adapter.validate_python(kept["result"])
        except Exception:  # noqa: BLE001 - none, or damaged, which ASE's decoder meets with errors of any type
            return None
        return found

    def put(self, key: str, fingerprint: str, result: Kept) -> None:
        """Keep the result of a task. InputError: the file cannot be written."""
        text = encode({"fingerprint": fingerprint, "result": _plainly(result)})
        with atomic_write(self.path(key)) as stream:
            stream.write(text)


def _plainly(result: Any) -> Any:
    """A result as JSON can hold it, dataclasses as their fields."""
    if is_dataclass(result) and not isinstance(result, type):
        result = vars(result)
    if isinstance(result, dict):
        return {key: _plainly(item) for key, item in result.items()}
    return [_plainly(item) for item in result] if isinstance(result, list) else result
