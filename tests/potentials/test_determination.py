"""What totals determine of local energies: ridge predicted from singular values, ridge strength and noise alone.

Argon's shipped configurations with the literature's Lennard-Jones energies, so that every local energy is known: ``e =
w x + delta``, with w of least squares over all atoms and delta what no linear model of these descriptors can give.
Totals of n frames are then ``y = X w + noise``, the noise being sums of delta, and ridge of strength lambda gives on
average

    E[w_ridge] = V diag(s^2 / (s^2 + lambda)) V' w,    cov(w_ridge) = noise^2 V diag(s^2 / (s^2 + lambda)^2) V'

with the singular values s and right vectors V of X (Hoerl and Kennard, Technometrics 12, 55 (1970)). A direction that
totals hardly see, s^2 << lambda, gives nothing of w; below the noise it gives scatter.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import basinet
from basinet.frames.splits import divided
from basinet.potentials.dataset import build_dataset
from basinet.potentials.pair_potential import literature_lennard_jones
from basinet.potentials.ridge import fit_ridge
from basinet.potentials.training import default_descriptor

WINDOWS = 8  # of training frames, spread over the trajectory


@pytest.fixture(scope="module")
def liquid():
    """All frames, with totals and local energies of the pair potential."""
    frames = divided(basinet.load_reference("ar"))[0]
    potential = literature_lennard_jones()
    data = build_dataset("ar", frames, default_descriptor(["Ar"]), {"Ar": 0.0}, potential.local_energies)
    return replace(data, energy=data.sum_over_atoms(data.local_energy))


def measured_and_predicted(liquid, n_frames, first):
    """Local r of ridge on frames that it was not trained on, and its prediction."""
    chosen = np.arange(first, first + n_frames)
    train, test = liquid.select(chosen), liquid.select(np.setdiff1d(np.arange(liquid.n_frames), chosen))
    model = fit_ridge(train)
    measured = np.corrcoef(model.predict(test), test.local_energy)[0, 1]

    def centred(data):
        rows = model.scaling.standardise(data)
        return rows - rows.mean(0)

    x, e = centred(liquid), liquid.local_energy - liquid.local_energy.mean()
    w = np.linalg.lstsq(x, e, rcond=None)[0]
    noise = np.std(liquid.sum_over_atoms(e - x @ w))
    sums = train.sum_over_atoms(model.scaling.standardise(train).T).T
    _, s, v = np.linalg.svd(sums, full_matrices=False)
    expected = v.T @ (s**2 / (s**2 + model.strength) * (v @ w))
    scatter = noise**2 * (v.T * (s / (s**2 + model.strength)) ** 2) @ v
    seen = centred(test)
    covariance = seen.T @ seen / len(seen)
    variance = expected @ covariance @ expected + np.trace(covariance @ scatter)
    return measured, expected @ covariance @ w / np.sqrt(variance * np.var(test.local_energy))


@pytest.mark.long
@pytest.mark.parametrize("n_frames", [12, 24, 48, 96, 160])
def test_singular_values_strength_and_noise_predict_the_local_fidelity_of_ridge(liquid, n_frames):
    starts = np.linspace(0, liquid.n_frames - n_frames, WINDOWS).astype(int)
    found = np.array([measured_and_predicted(liquid, n_frames, first) for first in starts])
    assert found[:, 0].mean() == pytest.approx(found[:, 1].mean(), abs=0.02)
