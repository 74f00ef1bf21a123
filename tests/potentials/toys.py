"""Small data sets and ensembles that several rooms' tests build on: made of random numbers, no frames needed."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from basinet.descriptors.bispectrum import Bispectrum
from basinet.potentials.dataset import Dataset, Scaling
from basinet.potentials.ensemble import Ensemble
from basinet.potentials.network import Architecture, Layer
from basinet.potentials.training import initial_networks

DESCRIPTOR = Bispectrum(rcut=4.5, twojmax=2, weights={"Ar": 1.0, "Kr": 1.3})
N_COMPONENTS = DESCRIPTOR.n_components
E0 = {"Ar": -20.0, "Kr": -30.0}


def toy_dataset(
    n_frames: int, counts: dict[str, int], *, seed: int = 0, curved: float = 0.0, system: str = "toy"
) -> Dataset:
    """Random descriptors; the local energy is linear in them, plus `curved` times a square."""
    rng = np.random.default_rng(seed)
    elements = tuple(sorted(counts))
    species = np.tile(np.repeat(np.arange(len(elements)), [counts[e] for e in elements]), n_frames)
    n_atoms = sum(counts.values())
    frame = np.repeat(np.arange(n_frames), n_atoms)
    descriptors = rng.normal(size=(len(frame), N_COMPONENTS)) * rng.uniform(0.5, 20.0, N_COMPONENTS) + 7.0
    law = np.random.default_rng(99)  # one law of nature for all seeds
    slopes = law.normal(size=(2, N_COMPONENTS)) * 1e-3
    x = descriptors - 7.0
    local = np.einsum("ic,ic->i", x, slopes[species]) + curved * x[:, 0] * x[:, 1] - 0.05
    energy = np.bincount(frame, local)
    return Dataset(system, elements, frame, species, descriptors, energy, local)


def random_ensemble(
    elements: tuple[str, ...] = ("Ar",),
    architecture: Architecture | None = None,
    *,
    members: int = 3,
    seed: int = 0,
    descriptor: Bispectrum = DESCRIPTOR,
) -> Ensemble:
    """Untrained networks with biases, offsets and scales that differ between elements."""
    architecture = architecture or Architecture("tanh", 2, 6)
    n, n_components = len(elements), descriptor.n_components
    rng = np.random.default_rng([seed, 5])
    layers = initial_networks(range(seed, seed + members), architecture, n, n_components)
    layers = tuple(Layer(layer.weight, 0.1 * rng.normal(size=layer.bias.shape)) for layer in layers)
    scaling = Scaling(
        20.0 * rng.normal(size=(n, n_components)),
        rng.uniform(5.0, 60.0, (n, n_components)),
        rng.uniform(-0.1, 0.0, n),
        rng.uniform(0.01, 0.02, n),
    )
    return Ensemble(descriptor, architecture, elements, {e: E0[e] for e in elements}, scaling, layers, {"seed": seed})


def gas(symbols: str, seed: int = 0, box: float = 9.0, closest: float = 2.2) -> Atoms:
    """Atoms at random places of a slightly skewed periodic box, none closer than `closest` to another, A."""
    rng = np.random.default_rng(seed)
    atoms = Atoms(symbols, cell=[[box, 0, 0], [0.7, box + 0.4, 0], [0, 0.5, box - 0.3]], pbc=True)
    for index in range(len(atoms)):
        for _ in range(1000):
            atoms.positions[index] = rng.uniform(size=3) @ atoms.cell.array
            others = atoms.get_distances(index, list(range(index)), mic=True) if index else np.array([np.inf])
            if others.min() > closest:
                break
    return atoms
