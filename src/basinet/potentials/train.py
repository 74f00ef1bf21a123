"""Training of an ensemble in one call: `basinet.train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.potentials.ensemble import Ensemble
    from basinet.potentials.network import Activation, Parametrisation
    from basinet.potentials.pair_potential import LennardJones, PairChoice

GAP = 1
"""Frames left out between training and validation frames."""


def train(
    frames: Sequence[Atoms],
    descriptor: Bispectrum | None = None,
    *,
    width: int = 32,
    depth: int = 1,
    activation: Activation = "tanh",
    parametrisation: Parametrisation = "standard",
    members: int = 8,
    seed: int = 0,
    validation: float | Sequence[Atoms] = 0.2,
    pair_potential: PairChoice | Literal["fitted"] = None,
    **optimiser: Any,
) -> Ensemble:
    r"""Train an ensemble of networks on total energies only or, with a `force_weight`, on forces as well.

    .. math:: E = \sum_i E_{0,s(i)} + f_{s(i)}(g_i), \qquad
       L = \frac{1}{|B|} \sum_{A \in B} \Big(E_A - \sum_{i \in A} f_{s(i)}(g_i)\Big)^2

    with one network :math:`f_s` per species and the bispectrum :math:`g_i` of atom i (the seed's eq. 6). The part
    that ``force_weight=0.1`` (in A^2) adds is in `basinet.potentials.program`.

    Parameters
    ----------
    frames
        Labelled with ``REF_energy`` (eV). Isolated atoms among them (``config_type=IsolatedAtom``) give E0;
        where an element has none, least squares do.
    descriptor
        A cutoff of 5.25 A and ``twojmax`` 6 unless given. Models of different elements compose only if their
        descriptors are equal, weights of both elements included.
    width, depth, activation, parametrisation
        Architecture, see `basinet.potentials.network.Architecture`.
    members, seed
        Networks of the ensemble have the seeds ``seed`` to ``seed + members - 1``.
    validation
        Frames that choose learning rate and stopping time; or their share, which is then taken from the end
        of each system, a frame away from what is trained on.
    pair_potential
        Networks learn the difference to this potential: the literature's (of noble gases), one fitted to the total
        energies of the frames trained on (`LennardJones`), or your own. Both of the former have a cutoff
        of 11 A, where energy and force are shifted to vanish. None: networks learn everything.
    **optimiser
        Any of `basinet.potentials.TrainingSettings`, such as ``max_steps=1000``,
        ``learning_rates=[0.01]`` or ``force_weight=0.1``, which needs frames with ``REF_forces`` (eV/A).

    Raises
    ------
    InputError
        If labels are missing, there are too few frames, or a setting is unknown or out of range.

    Examples
    --------
    >>> import basinet
    >>> frames = basinet.load_reference("ar")[:20]
    >>> small = basinet.train(frames, width=4, members=2, learning_rates=[0.01], max_steps=50)
    >>> small.local_energies(frames[0]).shape
    (2, 32)
    """
    from basinet.config.loading import validated
    from basinet.frames.reading import system_of
    from basinet.frames.splits import divided, elements_of
    from basinet.potentials.dataset import build_dataset, isolated_energies
    from basinet.potentials.network import Architecture
    from basinet.potentials.pair_potential import chosen_pair_potential, fitted_pair_potential
    from basinet.potentials.settings import TrainingSettings, default_descriptor
    from basinet.potentials.training import train_ensemble

    settings = validated(TrainingSettings, optimiser, "train()")
    architecture = Architecture(activation, depth, width, parametrisation)
    if members < 1:
        msg = f"members is {members}; give at least 1"
        raise InputError(msg)
    liquid, isolated = divided(frames)
    fitted, held = _held_out(liquid, validation)
    elements = elements_of(fitted)
    if elements_of(held) != elements:
        found = ", ".join(elements_of(held))
        msg = f"validation frames hold {found}, training frames {', '.join(elements)}: give both the same"
        raise InputError(msg)
    e0 = isolated_energies(isolated, fitted)
    name = "+".join(dict.fromkeys(system_of(atoms) for atoms in fitted))
    descriptor = descriptor or default_descriptor(elements)
    derivatives = descriptor.derivatives if settings.force_weight > 0.0 else None
    pairs: LennardJones | None
    if pair_potential == "fitted":
        pairs = fitted_pair_potential(fitted, e0, isolated)
    else:
        pairs = chosen_pair_potential(pair_potential, elements)
    data, checked = (
        build_dataset(name, part, descriptor, e0, derivatives=derivatives, pair_potential=pairs)
        for part in (fitted, held)
    )
    trained = train_ensemble(data, checked, descriptor, e0, architecture, settings, members=members, seed=seed)
    return trained.ensemble


def _held_out(frames: Sequence[Atoms], validation: float | Sequence[Atoms]) -> tuple[list[Atoms], list[Atoms]]:
    """Training and validation frames."""
    from basinet.frames.splits import by_system, divided

    if not isinstance(validation, int | float):
        return list(frames), divided(validation)[0]
    if not 0 < validation < 1:
        msg = f"validation is {validation}; give a share between 0 and 1, or frames"
        raise InputError(msg)
    fitted: list[Atoms] = []
    held: list[Atoms] = []
    for name, own in by_system(frames).items():
        n_held = max(round(validation * len(own)), 1)
        n_fitted = len(own) - n_held - GAP
        if n_fitted < 2:
            msg = f"system {name}: {len(own)} frames are too few to train on and to hold out {n_held}; give more"
            raise InputError(msg)
        fitted += own[:n_fitted]
        held += own[-n_held:]
    return fitted, held
