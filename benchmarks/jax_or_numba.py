"""The same bispectrum and forces written for JAX, beside this package's compiled loops: what decided between them.

    python benchmarks/jax_or_numba.py
    python benchmarks/jax_or_numba.py --twojmax 6 --atoms 256

JAX's version is what one writes for it: neighbours padded to a rectangle, Wigner matrices by the recursion over whole
arrays, components by products with Clebsch-Gordan coefficients, forces by ``jax.grad``; float64, compiled, on one core.
Neighbour lists are found beforehand for both. CPU times, the two in turn; compilation apart.
"""

from __future__ import annotations

import argparse
import os
import time
from math import pi
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ.setdefault("OMP_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np
from descriptors import DENSITY, liquid_like, seconds

from basinet.descriptors.bispectrum import Bispectrum
from basinet.descriptors.clebsch_gordan import clebsch_gordan, component_labels, matrix_offsets, normalisation
from basinet.descriptors.kernels import RFAC0
from basinet.frames.neighbours import find_neighbours


def coefficients(j1: int, j2: int, j: int) -> np.ndarray:
    """Clebsch-Gordan coefficients (j + 1, j1 + 1, j2 + 1); zero where the projections do not sum."""
    shift = (j1 + j2 - j) // 2
    found = np.zeros((j + 1, j1 + 1, j2 + 1))
    for a1 in range(j1 + 1):
        for a2 in range(j2 + 1):
            if 0 <= a1 + a2 - shift <= j:
                found[a1 + a2 - shift, a1, a2] = clebsch_gordan(j1, j2, j, a1, a2)
    return found


def bispectrum(vectors: Any, inside: Any, rcut: float, twojmax: int) -> Any:
    """Components (n_atoms, n_components) from padded neighbour vectors (n_atoms, n_neighbours, 3)."""
    r = jnp.sqrt((vectors**2).sum(-1))
    theta = RFAC0 * pi * r / rcut
    sine = jnp.sin(theta) / r
    a = jnp.cos(theta) - 1j * vectors[..., 2] * sine
    b = (vectors[..., 1] - 1j * vectors[..., 0]) * sine
    weight = inside * 0.5 * (1 + jnp.cos(pi * r / rcut))
    factors, offsets = normalisation(twojmax), matrix_offsets(twojmax)
    u = jnp.ones((*r.shape, 1, 1), complex)
    density = []
    a, b = a[..., None, None], b[..., None, None]
    for j in range(twojmax + 1):
        if j:
            low, high = jnp.pad(u, [(0, 0)] * 3 + [(0, 1)]), jnp.pad(u, [(0, 0)] * 3 + [(1, 0)])
            last = b * low[..., -1:, :] + a * high[..., -1:, :]
            u = jnp.concatenate([a.conj() * low - b.conj() * high, last], -2)
        scale = factors[offsets[j] : offsets[j + 1]].reshape(j + 1, j + 1)
        density.append(jnp.eye(j + 1) + scale * jnp.einsum("nk,nkab->nab", weight, u))
    columns = []
    for j1, j2, j in component_labels(twojmax):
        c = coefficients(j1, j2, j)
        z = jnp.einsum("mab,MAB,naA,nbB->nmM", c, c, density[j1], density[j2], optimize="optimal")
        columns.append((density[j].conj() * z).real.sum((-1, -2)) - (j + 1))
    return jnp.stack(columns, -1)


def compare(n_atoms: int, twojmax: int, neighbours: float, repeats: int) -> str:
    """One line of the table."""
    rcut = (3 * neighbours / (4 * np.pi * DENSITY)) ** (1 / 3)
    atoms = liquid_like(n_atoms, seed=n_atoms)
    descriptor = Bispectrum(rcut=rcut, twojmax=twojmax, weights={"Ar": 1.0})
    slope = np.random.default_rng(0).normal(size=descriptor.n_components)
    found = find_neighbours(atoms.positions, np.array(atoms.cell), True, rcut)
    counts = np.diff(found.first)
    vectors, inside = np.ones((n_atoms, counts.max(), 3)), np.zeros((n_atoms, counts.max()))
    rows = np.repeat(np.arange(n_atoms), counts)
    slots = np.arange(len(rows)) - found.first[rows]
    vectors[rows, slots], inside[rows, slots] = found.vector, 1.0

    @jax.jit
    def theirs(vectors: Any) -> Any:
        def energy(v: Any) -> Any:
            return (bispectrum(v, inside, rcut, twojmax) @ slope).sum()

        return jax.value_and_grad(energy)(vectors)

    describe = jax.jit(lambda v: bispectrum(v, inside, rcut, twojmax))

    def ours() -> Any:
        return descriptor.gradient(atoms, lambda own, _: np.broadcast_to(slope, (len(own), len(slope))))

    def search() -> Any:
        return find_neighbours(atoms.positions, np.array(atoms.cell), True, rcut)

    start = time.perf_counter()
    gradient = np.array(jax.block_until_ready(theirs(vectors))[1])
    compilation = time.perf_counter() - start
    jax.block_until_ready(describe(vectors))
    pair = np.zeros((n_atoms, 3))
    np.add.at(pair, rows, gradient[rows, slots])
    np.add.at(pair, found.atom, -gradient[rows, slots])
    deviation = np.abs(pair - ours().forces).max() / np.abs(pair).max()
    calls = (
        lambda: descriptor(atoms), search, ours,
        lambda: jax.block_until_ready(describe(vectors)), lambda: jax.block_until_ready(theirs(vectors)),
    )  # fmt: skip
    times = np.array([[seconds(call) for call in calls] for _ in range(repeats)])
    own, search_time, forces, describe_jax, forces_jax = np.median(times, axis=0) / n_atoms * 1e6
    return (
        f"| {twojmax} | {n_atoms} | {own - search_time:.1f} | {describe_jax:.1f} | {forces - search_time:.1f}"
        f" | {forces_jax:.1f} | {compilation:.0f} | {deviation:.0e} |"
    )


def main() -> None:
    """Print the table."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--twojmax", type=int, nargs="+", default=[6, 8])
    parser.add_argument("--atoms", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--neighbours", type=float, default=54.0, help="mean number within the cutoff")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    print("us/atom on one core: components, and components with forces; seconds to compile")
    print("| twojmax | atoms | basinet | JAX | with forces: basinet | JAX | compilation | deviation |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    for twojmax in options.twojmax:
        for n_atoms in options.atoms:
            print(compare(n_atoms, twojmax, options.neighbours, options.repeats), flush=True)


if __name__ == "__main__":
    main()
