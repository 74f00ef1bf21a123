"""Local DFT energies: the sum rule, the two readings of the density, labels that do not belong together."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from basinet.errors import InputError
from basinet.relation.fit import fit_relation
from basinet.relation.relation import local_electrostatic_energies

SELF = {"Ar": -1228.0, "Kr": -982.0}
HARTREE = {"Ar": 466.0, "Kr": 347.0}


def labelled(symbols, seed, closure=0.0, overlap=0.0):
    """A frame whose atoms' Hartree energies miss the frame's by the closure error, eV."""
    rng = np.random.default_rng(seed)
    atoms = Atoms(symbols, positions=np.zeros((len(symbols), 3)))
    local = np.array([HARTREE[symbol] for symbol in symbols]) + 0.04 * rng.normal(size=len(symbols))
    self_energy = sum(SELF[symbol] for symbol in symbols)
    atoms.arrays["REF_local_hartree_energy"] = local
    atoms.arrays["REF_local_hartree_energy_electronic"] = -0.25 * local
    atoms.info |= {
        "REF_hartree_energy": local.sum() - closure,
        "REF_core_self_energy": self_energy,
        "REF_core_overlap_energy": overlap,
        "REF_electrostatic_energy": local.sum() - closure + self_energy + overlap,
    }
    atoms.info["REF_energy"] = -0.2 * atoms.info["REF_electrostatic_energy"] + 1e-3 * rng.normal()
    return atoms


def isolated(symbol):
    atoms = labelled([symbol], 99)
    atoms.info["config_type"] = "IsolatedAtom"
    return atoms


MIXTURE = [labelled(["Ar", "Kr", "Kr"], seed, closure=1e-3, overlap=2e-3) for seed in range(10)]
ISOLATED = [isolated("Ar"), isolated("Kr")]


def test_local_energies_sum_to_the_fitted_energy_exactly():
    relation = fit_relation(MIXTURE, ISOLATED)
    residuals = relation.residuals(MIXTURE)
    for atoms, residual in zip(MIXTURE, residuals, strict=True):
        fitted = atoms.info["REF_energy"] - residual
        assert relation.local_energies(atoms).sum() == pytest.approx(fitted, abs=1e-9)


def test_closure_error_and_overlaps_are_shared_equally():
    """E_es,i = E_H,i + E_self + (overlap - closure error) / N."""
    atoms = MIXTURE[0]
    expected = atoms.arrays["REF_local_hartree_energy"] + [SELF["Ar"], SELF["Kr"], SELF["Kr"]]
    np.testing.assert_allclose(
        local_electrostatic_energies(atoms, SELF), expected + (2e-3 - 1e-3) / 3, atol=1e-9, rtol=0
    )


def test_differences_between_atoms_of_a_species_are_those_of_their_hartree_energies():
    relation = fit_relation(MIXTURE, ISOLATED)
    for definition, key in (("total", ""), ("electronic", "_electronic")):
        local = relation.local_energies(MIXTURE[0], definition)
        hartree = MIXTURE[0].arrays["REF_local_hartree_energy" + key]
        expected = (1 + relation.slope) * (hartree[2] - hartree[1])
        assert local[2] - local[1] == pytest.approx(expected, abs=1e-9)


def test_isolated_atoms_tell_the_self_energies_of_a_mixture_apart():
    relation = fit_relation(MIXTURE, ISOLATED)
    assert relation.self_energies == {s: pytest.approx(e, abs=1e-9) for s, e in SELF.items()}


def test_compositions_tell_the_self_energies_apart():
    pure = [labelled(["Ar"] * 3, seed) for seed in range(20, 25)]
    relation = fit_relation(MIXTURE + pure)
    assert relation.pinned_by == "compositions"
    assert relation.self_energies == {s: pytest.approx(e, abs=1e-8) for s, e in SELF.items()}


def test_equal_shares_still_sum_to_the_fitted_energy():
    relation = fit_relation(MIXTURE)
    assert relation.pinned_by == "equal shares"
    fitted = MIXTURE[4].info["REF_energy"] - relation.residuals(MIXTURE)[4]
    assert relation.local_energies(MIXTURE[4]).sum() == pytest.approx(fitted, abs=1e-9)


def test_a_frame_of_one_species_brings_its_own_self_energy():
    frames = [labelled(["Ar"] * 4, seed) for seed in range(6)]
    unlabelled = [atoms.copy() for atoms in frames]
    for atoms in unlabelled:
        del atoms.info["REF_core_self_energy"]
    relation = fit_relation(unlabelled)
    assert relation.self_energies == {}
    np.testing.assert_allclose(
        relation.local_energies(frames[0]), fit_relation(frames).local_energies(frames[0]), rtol=1e-13
    )
    with pytest.raises(InputError, match="REF_core_self_energy is missing"):
        relation.local_energies(unlabelled[0])


def test_frames_are_not_changed():
    before = [atoms.copy() for atoms in MIXTURE]
    fit_relation(MIXTURE, ISOLATED).local_energies(MIXTURE[0])
    assert before == MIXTURE
    assert [atoms.info for atoms in before] == [atoms.info for atoms in MIXTURE]


def test_a_missing_or_broken_local_label_is_an_error():
    relation = fit_relation(MIXTURE, ISOLATED)
    atoms = MIXTURE[0].copy()
    atoms.arrays["REF_local_hartree_energy"][1] = np.nan
    with pytest.raises(InputError, match="atom 1 is nan"):
        relation.local_energies(atoms)
    del atoms.arrays["REF_local_hartree_energy"]
    with pytest.raises(InputError, match=r"frame 7: per-atom label REF_local_hartree_energy is missing"):
        relation.local_energies(atoms, index=7)
    with pytest.raises(InputError, match="definition 'neutral' is unknown"):
        relation.local_energies(atoms, "neutral")


def test_labels_that_do_not_close_are_refused():
    """The electronic integrals under the key of the neutral ones miss its energy by hundreds of eV."""
    relation = fit_relation(MIXTURE, ISOLATED)
    atoms = MIXTURE[0].copy()
    atoms.arrays["REF_local_hartree_energy"] = atoms.arrays["REF_local_hartree_energy_electronic"]
    with pytest.raises(InputError, match="miss REF_electrostatic_energy"):
        relation.local_energies(atoms)


def test_frames_of_other_pseudopotentials_are_refused():
    relation = fit_relation(MIXTURE, ISOLATED)
    atoms = MIXTURE[0].copy()
    atoms.info["REF_core_self_energy"] += 1.0
    with pytest.raises(InputError, match="pseudopotentials"):
        relation.local_energies(atoms)


def test_an_unknown_species_is_an_error():
    relation = fit_relation([labelled(["Ar"] * 4, seed) for seed in range(6)])
    with pytest.raises(InputError, match="knows no Kr"):
        relation.local_energies(MIXTURE[0])
