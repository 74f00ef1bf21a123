"""Where the start of a network survives: gradient descent of linear networks in the lazy limit, in closed form.

A wide linear network of one hidden layer in the NTK parametrisation, ``f = v' (U g / sqrt(m) + b c) / sqrt(n) + d c``,
moves as its tangent at the start (Jacot, Gabriel and Hongler, arXiv:1806.07572): a linear model of the features ``phi =
(g / sqrt(m), c)`` whose gradient is multiplied by ``K = diag(v' v / n + U' U / n, v' v / n + 1)``. With the summed
features times the root of K, the singular direction k keeps ``prod_t (1 - rate_t sigma_k^2)`` of the distance between
the start and the fit to totals: what totals hardly see stays as it began.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import block_diag, sqrtm

import basinet
from basinet.frames.splits import divided
from basinet.potentials.dataset import build_dataset, fit_scaling, isolated_energies, pack
from basinet.potentials.network import Architecture
from basinet.potentials.training import TrainingSettings, default_descriptor, initial_networks, train_ensemble

SEEDS, WIDTH, STEPS = 10, 512, 1000


def argon():
    """Argon's first and later frames, with the local energies of the relation, and what they are described by."""
    liquid, isolated = divided(basinet.load_reference("ar"))
    relation = basinet.fit_relation(liquid[:80], isolated)
    descriptor, e0 = default_descriptor(["Ar"]), isolated_energies(isolated, liquid)
    whole = build_dataset("ar", liquid[:160], descriptor, e0, relation.local_energies)
    return [whole.select(range(*ends)) for ends in ((0, 80), (81, 100), (101, 160))], descriptor, e0


def pearson(energies, data):
    return np.array([np.corrcoef(values, data.local_energy)[0, 1] for values in energies])


@pytest.mark.long
@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_the_start_survives_descent_where_totals_are_blind_as_predicted(scale):
    (train, validation, test), descriptor, e0 = argon()
    architecture, rate = Architecture("linear", 1, WIDTH, "ntk", scale), 0.02 / (1.0 + scale**2)
    settings = TrainingSettings(
        method="gradient_descent", learning_rates=(rate,), search_members=SEEDS, max_steps=STEPS, evaluate_every=STEPS,
        batch_size=train.n_frames, patience=STEPS, dtype="float64",
    )  # fmt: skip
    trained = train_ensemble(train, validation, descriptor, e0, architecture, settings, members=SEEDS, seed=0)
    measured = pearson(trained.ensemble.predict(test), test)

    scaling, m = fit_scaling(train), descriptor.n_components
    packed = pack(train, scaling, summed=True)
    design = np.concatenate([packed.rows[0, :, 0] / m**0.5, packed.count[0]], 1) / np.sqrt(train.n_atoms[0])
    hidden, readout = initial_networks(range(SEEDS), architecture, 1, m)
    rates = 2 / train.n_frames * rate * (1 + np.cos(np.pi * np.arange(STEPS) / STEPS)) / 2
    weights = []
    for u, v in zip(hidden.weight[:, 0], readout.weight[:, 0, :, 0], strict=True):
        kernel = np.diag(np.full(m + 1, v @ v / WIDTH))
        kernel += block_diag(u @ u.T / WIDTH, 1.0)
        root = np.real(sqrtm(kernel))
        left, sigma, right = np.linalg.svd(design @ root, full_matrices=False)
        kept = np.prod(1.0 - rates[:, None] * sigma**2, 0)
        start = np.append(u @ v / WIDTH**0.5, 0.0)
        distance = right @ np.linalg.solve(root, start) - left.T @ packed.target / sigma
        weights.append(start + root @ ((kept - 1.0) * distance @ right))
    rows = np.concatenate([scaling.standardise(test) / m**0.5, np.ones((len(test.frame), 1))], 1)
    predicted = pearson(np.array(weights) @ rows.T, test)

    assert kept.min() < 0.01  # some directions are learnt, others not
    assert kept.max() > 0.9
    assert np.abs(predicted - measured).max() < 0.003
