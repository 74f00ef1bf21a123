r"""Networks linearised at their start: what total energies make of a random initial function, in closed form.

Near its start :math:`\theta_0` a network is linear in its parameters (Jacot, Gabriel and Hongler, arXiv:1806.07572):

.. math:: f(x) \approx f_0(x) + \frac{\partial f}{\partial \theta}(x) \cdot \delta, \qquad
   \delta = D J^T (J D J^T + \lambda)^{-1} (E - F_0)

with :math:`J_A = \sum_{i \in A} \partial f(x_i) / \partial \theta` the gradient of the total of frame A,
:math:`F_0` the totals of the start, D the parameters' factors of the learning rate, and ridge regression in place of
training: the strength :math:`\lambda` stands for its length. What totals do not see of the start :math:`f_0` stays.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from basinet.arrays import FloatArray
from basinet.potentials.dataset import Dataset, PackedFrames, pack
from basinet.potentials.ensemble import Ensemble
from basinet.potentials.network import Activation, Layer, Network, _hidden_values, _slopes_in_layers

_STRENGTHS = np.logspace(-10, 1, 23)  # in units of the kernel's largest eigenvalue


@dataclass(frozen=True)
class LinearisedEnsemble:
    """An ensemble at its start, and the changes of its parameters that fit totals to first order.

    The layers of the change have the axes of the start's; the root mean square error of validation totals, over frames
    and members, is in eV per atom.
    """

    start: Ensemble
    change: Network
    validation_rmse: float

    def predict(self, dataset: Dataset) -> FloatArray:
        """Local energies relative to the isolated atoms, ``(members, n_atoms_total)``, eV."""
        energies = self.start.predict(dataset)
        network_of = self.start.network_of(dataset.elements)[dataset.species]
        rows = self.start.scaling.standardise(dataset, network_of)
        for m, s in np.ndindex(*self.start.networks[0].weight.shape[:2]):
            own = network_of == s
            change = tuple(Layer(layer.weight[m, s], layer.bias[m, s]) for layer in self.change)
            added = _first_order(self.start.network(m, s), change, rows[own], self.start.architecture.activation)
            energies[m, own] += self.start.scaling.scale[s] * added
        return energies


def linearise(start: Ensemble, train: Dataset, validation: Dataset) -> LinearisedEnsemble:
    """Fit the networks of an untrained ensemble, linear in their parameters, to the totals of `train`.

    The strength is that of the least squared error of validation totals, mean over members. Every frame weighs alike;
    in training larger ones weigh less.
    """
    scale = float(start.scaling.scale.mean())
    missed, held = ((data.energy - data.sum_over_atoms(start.predict(data))) / scale for data in (train, validation))
    packed = [_packed(start, data) for data in (train, validation)]
    solutions, errors = [], []
    for member in range(start.members):
        gradients, of_held = (_gradients(start, member, frames) for frames in packed)
        values, vectors = np.linalg.eigh(gradients @ gradients.T)
        filters = 1.0 / (np.maximum(values, 0.0) + values[-1] * _STRENGTHS[:, None])
        solution = (filters * (vectors.T @ missed[member])) @ vectors.T @ gradients
        errors.append((((solution @ of_held.T - held[member]) / validation.n_atoms) ** 2).mean(1))
        solutions.append(solution)
    mean_squares = np.mean(errors, 0)
    best = int(np.argmin(mean_squares))
    change = _change(start, np.stack([solution[best] for solution in solutions]))
    return LinearisedEnsemble(start, change, scale * float(np.sqrt(mean_squares[best])))


def changes_by_training(start: Ensemble, trained: Ensemble, train: Dataset) -> dict[str, FloatArray]:
    r"""How far training took networks from their start, per member, (members,): 0 for a lazy network.

    ``feature_change`` is :math:`|H - H_0| / |H_0|` of the last hidden layer's values at the atoms trained on,
    ``kernel_drift`` is :math:`1 - \langle K, K_0 \rangle / |K| |K_0|` of the kernel :math:`K = J D J^T` of totals,
    with J less its mean over frames (Cortes, Mohri and Rostamizadeh, J. Mach. Learn. Res. 13, 795 (2012)).
    """
    packed = _packed(start, train)
    found: dict[str, list[float]] = {"kernel_drift": [], "feature_change": []}
    for member in range(start.members):
        gradients = [_gradients(ensemble, member, packed) for ensemble in (start, trained)]
        before, after = (centred @ centred.T for centred in (one - one.mean(0) for one in gradients))
        norm = np.linalg.norm
        found["kernel_drift"].append(1.0 - float(np.sum(before * after) / (norm(before) * norm(after))))
        first, last = (_features(ensemble, member, packed) for ensemble in (start, trained))
        found["feature_change"].append(float(norm(last - first) / norm(first)))
    return {name: np.array(values) for name, values in found.items()}


def _packed(start: Ensemble, data: Dataset) -> PackedFrames:
    return pack(data, start.scaling, summed=start.architecture.activation == "linear")


def _flat(frames: PackedFrames, species: int) -> tuple[FloatArray, FloatArray]:
    """Rows of a species, one below the other, and their counts."""
    return frames.rows[species].reshape(-1, frames.rows.shape[-1]), frames.count[species].ravel()


def _features(ensemble: Ensemble, member: int, frames: PackedFrames) -> FloatArray:
    """Values of the last hidden layer, of all species."""
    activation = ensemble.architecture.activation
    kinds = range(len(ensemble.elements))
    return np.stack([_hidden_values(ensemble.network(member, s), *_flat(frames, s), activation)[-1] for s in kinds])


def _gradients(ensemble: Ensemble, member: int, frames: PackedFrames) -> FloatArray:
    """``J D^(1/2)``: gradients of totals in the parameters of all species, (n_frames, n_parameters)."""
    activation, rules = ensemble.architecture.activation, ensemble.architecture.rules(frames.rows.shape[-1])
    parts = []
    for s in range(len(ensemble.elements)):
        network, (rows, count) = ensemble.network(member, s), _flat(frames, s)
        hidden = _hidden_values(network, rows, count, activation)
        slopes = _slopes_in_layers(network, hidden, activation)
        for rule, inputs, slope in zip(rules, [rows, *hidden], slopes, strict=True):
            counts = rule.bias_rate_factor**0.5 * count[:, None]
            columns = rule.rate_factor**0.5 * np.concatenate([rule.multiplier * inputs, counts], 1)
            by_frame, slope_by_frame = (array.reshape(*frames.count[s].shape, -1) for array in (columns, slope))
            parts.append((by_frame.swapaxes(1, 2) @ slope_by_frame).reshape(len(by_frame), -1))
    return np.concatenate(parts, 1)


def _change(start: Ensemble, solutions: FloatArray) -> Network:
    """Layers of ``D^(1/2)`` times solutions (members, n_parameters), which have the order of `_gradients`."""
    members, n_species, n_components = start.networks[0].weight.shape[:3]
    sizes = [(fan_in + 1) * fan_out for fan_in, fan_out in pairwise(start.architecture.sizes(n_components))]
    parts = np.split(solutions.reshape(members, n_species, -1), np.cumsum(sizes)[:-1], axis=-1)
    layers = []
    for rule, layer, part in zip(start.architecture.rules(n_components), start.networks, parts, strict=True):
        matrix = rule.rate_factor**0.5 * part.reshape(members, n_species, -1, layer.bias.shape[-1])
        layers.append(Layer(rule.multiplier * matrix[..., :-1, :], rule.bias_rate_factor**0.5 * matrix[..., -1, :]))
    return tuple(layers)


def _first_order(network: Network, change: Network, rows: FloatArray, activation: Activation) -> FloatArray:
    """Change of the energies of atoms to first order in a change of the parameters, (n_atoms,)."""
    count = np.ones(len(rows))
    hidden = [rows, *_hidden_values(network, rows, count, activation)]
    moved = np.zeros_like(rows)
    for layer, delta, before, after in zip(network, change, hidden, [*hidden[1:], None], strict=True):
        moved = moved @ layer.weight + before @ delta.weight + delta.bias
        if after is not None and activation == "tanh":
            moved = (1.0 - after**2) * moved
    return np.asarray(moved[:, 0])
