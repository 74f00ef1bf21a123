"""Which files of a directory belong to a CP2K run: output, input, and cubes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from basinet.dft.cp2k_output import Cp2kOutput
from basinet.errors import InputError

HEAD = 1 << 16
"""Bytes at the beginning of a file that show whether it is a CP2K output: the banner comes early."""

NOT_OUTPUTS = (".cube", ".gz", ".wfn", ".xyz", ".extxyz", ".inp", ".restart", ".ener", ".bak-1", ".py", ".sh", ".json")
DENSITY = "ELECTRON_DENSITY"
TOTAL_DENSITY = "TOTAL_DENSITY"
HARTREE_POTENTIAL = "v_hartree"


def find_output(path: str | Path) -> Path:
    """Find the CP2K output of a run.

    Parameters
    ----------
    path
        The run's directory, or the output itself.

    Raises
    ------
    InputError
        There is no such place, or it holds no output of CP2K, or several.
    """
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path}: no such file or directory; name the directory of a CP2K run")
    files = [file for file in sorted(path.iterdir()) if file.is_file() and file.suffix not in NOT_OUTPUTS]
    outputs = [file for file in files if is_output(file)]
    if len(outputs) == 1:
        return outputs[0]
    if outputs:
        names = ", ".join(file.name for file in outputs)
        raise InputError(f"{path}: several CP2K outputs ({names}); name one of these files instead of the directory")
    nearly = [file.name for file in files if file.suffix in (".out", ".log")]
    hint = f" ({', '.join(nearly)} is empty or something else)" if nearly else ""
    raise InputError(f"{path}: no CP2K output in this directory{hint}; run CP2K with -o, or name the file")


def is_output(file: Path) -> bool:
    """Whether a file begins as CP2K's outputs do."""
    try:
        with file.open("rb") as stream:
            return b"CP2K| version string:" in stream.read(HEAD)
    except OSError:
        return False


def find_input(output: Cp2kOutput) -> Path:
    """Find the input beside an output: the file it names, or the only one that ends in ``.inp``.

    Raises
    ------
    InputError
        There is none.
    """
    directory = output.path.parent
    named = directory / Path(output.input_name or "").name
    if output.input_name and named.is_file():
        return named
    others = sorted(directory.glob("*.inp"))
    if len(others) == 1:
        return others[0]
    raise InputError(
        f"{output.path}: its input {output.input_name or ''} is not beside it; basinet takes the exact cell and "
        "atoms from the input, so put it there"
    )


def find_cube(output: Cp2kOutput, project: str, quantity: str, step: int | None = None) -> Path | None:
    """Find the cube of a quantity; of one step where a trajectory wrote several.

    Raises
    ------
    InputError
        There are several, and nothing tells which.
    """
    cubes = find_cubes(output, project, quantity)
    if step is not None:
        cubes = [cube for cube in cubes if step_of(cube) == step]
    if len(cubes) > 1:
        place = output.path.parent
        raise InputError(f"{place}: several cubes of {quantity} ({shorten(cubes)}); name one of them as the density")
    return cubes[0] if cubes else None


def find_cubes(output: Cp2kOutput, project: str, quantity: str) -> list[Path]:
    """All cubes of a quantity beside an output, by step; the project's own if any begin with its name."""
    directory = output.path.parent
    cubes = [*directory.glob(f"*{quantity}*.cube"), *directory.glob(f"*{quantity}*.cube.gz")]
    ours = [cube for cube in cubes if cube.name.startswith(f"{project}-")] or cubes
    return sorted(ours, key=lambda cube: (step_of(cube) or 0, cube.name))


def step_of(cube: Path) -> int | None:
    """The step that CP2K writes into a cube's name, 5 of ``run-ELECTRON_DENSITY-1_5.cube``; None if it is not there.

    Examples
    --------
    >>> step_of(Path("run-ELECTRON_DENSITY-1_5.cube.gz"))
    5
    """
    match = re.search(r"-1_(\d+)\.cube(\.gz)?$", cube.name)
    return None if match is None else int(match[1])


def shorten(paths: Sequence[Path]) -> str:
    """Names of files for a message, the first few of many."""
    names = [path.name for path in paths]
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])}, ... {names[-1]}, {len(names)} in all"
