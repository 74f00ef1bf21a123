"""The house: rooms import only rooms below them, a public name stands in one file, and docs name what is there."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tomllib
from collections import Counter
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))}
PAGES = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("campaigns/*.md"), *ROOT.glob("benchmarks/*.md")}
)

# From the ground up: a room may import the rooms named before it. What is no folder (`errors.py`, ...) lies under all.
ROOMS = [
    "frames", "jobs", "density", "cp2k", "relation", "descriptors", "labelling",
    "potentials", "lammps", "md", "fidelity", "study", "cli",
]  # fmt: skip
UNDER_ALL = ["config"]


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in TREES}


def imported(node: ast.AST) -> list[str]:
    """Modules that an import statement names; `from package import module` names the module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        inner = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in MODULES else node.module for name in inner]
    return []


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_every_folder_is_a_room() -> None:
    folders = {path.parent.name for path in SOURCE.glob("basinet/*/__init__.py")}
    assert folders == {*ROOMS, *UNDER_ALL}


def test_a_room_imports_only_rooms_below_it() -> None:
    upward = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path, tree in TREES.items()
        for name in chain.from_iterable(map(imported, ast.walk(tree)))
        if name.startswith("basinet.") and room(module_name(path)) in ROOMS and room(name) in ROOMS
        if ROOMS.index(room(name)) > ROOMS.index(room(module_name(path)))
    ]
    assert not upward


def test_imports_at_the_top_of_files_run_in_no_circle() -> None:
    graph = {
        module_name(path): {name for name in chain.from_iterable(map(imported, tree.body)) if name in MODULES}
        for path, tree in TREES.items()
    }
    assert list(TopologicalSorter({name: needs - {name} for name, needs in graph.items()}).static_order())


def test_a_public_name_is_defined_in_one_file() -> None:
    names = Counter(
        node.name
        for tree in TREES.values()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    )
    assert not [name for name, files in names.items() if files > 1]


def test_every_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = chain.from_iterable(project["optional-dependencies"].values())
    declared = {re.split(r"[<>=\[ ]", entry)[0].lower() for entry in [*project["dependencies"], *extras]}
    used = {
        name.split(".")[0] for tree in TREES.values() for name in chain.from_iterable(map(imported, ast.walk(tree)))
    }
    used -= {*sys.stdlib_module_names, "basinet"}
    distributions = packages_distributions()
    undeclared = {name for name in used if not {d.lower() for d in distributions.get(name, [name])} & declared}
    assert not {name.replace("_", "-") for name in undeclared} - declared


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_files_and_modules_that_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = re.findall(r"`((?:src|tests|docs|benchmarks|campaigns|examples)/[\w./-]+)`", text)
    links = [link for link in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text) if "." in link or "/" in link]
    lost = [name for name in files if not (ROOT / name).exists()]
    lost += [name for name in links if not (page.parent / name).exists()]
    if page.name != "CHANGELOG.md":
        modules = set(re.findall(r"\b(?:from|import) (basinet(?:\.\w+)+)", text))
        lost += [name for name in modules if name not in MODULES and importlib.util.find_spec(name) is None]
    assert not lost
