"""The command line in this process, and small files for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import basinet
from basinet.cli.app import app

FEW = 16


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def argon_frames():
    return basinet.load_reference("ar")[:FEW]


@pytest.fixture(scope="session")
def argon_file(tmp_path_factory, argon_frames):
    path = tmp_path_factory.mktemp("frames") / "ar.extxyz"
    basinet.write_frames(path, [*argon_frames, basinet.load_isolated_atoms()["Ar"]])
    return path


@pytest.fixture(scope="session")
def mixture_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("frames") / "mix.extxyz"
    basinet.write_frames(path, basinet.load_reference("mix")[:FEW] + list(basinet.load_isolated_atoms().values()))
    return path


def untrained(system: str, width: int = 4) -> Any:
    from basinet.potentials.dataset import build_dataset
    from basinet.potentials.network import Architecture
    from basinet.potentials.training import untrained_ensemble

    frames = basinet.load_reference(system)[:4]
    e0 = {symbol: atom.info["REF_energy"] for symbol, atom in basinet.load_isolated_atoms().items()}
    descriptor = basinet.Bispectrum(rcut=4.5, twojmax=2, weights={"Ar": 1.0, "Kr": 1.3})
    data = build_dataset(system, frames, descriptor, e0)
    return untrained_ensemble(data, descriptor, e0, Architecture(width=width), members=3, seed=0)


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> dict[str, Path]:
    """Untrained models of argon and krypton, which compose, and one that does not."""
    folder = tmp_path_factory.mktemp("models")
    paths = {name: folder / f"{name}.basinet" for name in ("ar", "kr", "wide")}
    for (name, path), system, width in zip(paths.items(), ("ar", "kr", "kr"), (4, 4, 8), strict=True):
        assert name
        untrained(system, width).save(path)
    return paths


@pytest.fixture
def atoms_file(tmp_path):
    """Path of a cube of atoms whose energies are known."""
    from tests.labelling.neutral_atoms import write_neutral_atoms

    return write_neutral_atoms(tmp_path / "atoms.cube")
