"""From frames to arrays: energies are relative to isolated atoms, and a missing label is an error, never a zero."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from basinet.errors import InputError
from basinet.frames.shipped import load_isolated_atoms, load_reference
from basinet.potentials.dataset import build_dataset, isolated_energies


def frames_of(*formulas: str, e0: dict[str, float] | None = None, noise: float = 0.0) -> list[Atoms]:
    e0 = e0 or {"Ar": -5.0, "Kr": -7.0}
    rng = np.random.default_rng(0)
    frames = []
    for index, formula in enumerate(formulas):
        atoms = Atoms(formula, positions=rng.uniform(size=(len(Atoms(formula)), 3)))
        atoms.info["REF_energy"] = sum(e0[s] for s in atoms.get_chemical_symbols()) + noise * rng.normal()
        atoms.info["frame"] = index
        frames.append(atoms)
    return frames


def nothing(atoms: Atoms) -> np.ndarray:
    return np.zeros((len(atoms), 2))


def test_isolated_atoms_are_the_zero_of_energy():
    frames = load_reference("mix")[:3]
    e0 = isolated_energies(list(load_isolated_atoms().values()), frames)
    data = build_dataset("mix", frames, nothing, e0)
    assert data.elements == ("Ar", "Kr")
    for atoms, energy in zip(frames, data.energy, strict=True):
        assert energy == pytest.approx(atoms.info["REF_energy"] - 16 * e0["Ar"] - 16 * e0["Kr"], abs=1e-9)
    # Liquid noble gases are bound, by some 50-90 meV an atom.
    assert np.all((data.energy / 32 > -0.12) & (data.energy / 32 < -0.03))


def test_without_isolated_atoms_compositions_determine_e0():
    fitted = isolated_energies([], frames_of("Ar4", "Ar3Kr", "Ar2Kr2", "Kr4"))
    assert fitted["Ar"] == pytest.approx(-5.0, abs=1e-12)
    assert fitted["Kr"] == pytest.approx(-7.0, abs=1e-12)


def test_with_one_isolated_atom_of_two_the_fit_takes_over():
    lonely = Atoms("Ar", info={"REF_energy": -4.9})
    frames = frames_of("Ar2Kr2", "Ar2Kr2")
    e0 = isolated_energies([lonely], frames)
    assert 2 * e0["Ar"] + 2 * e0["Kr"] == pytest.approx(frames[0].info["REF_energy"], abs=1e-12)


def test_a_choice_of_e0_shifts_energies_and_changes_no_difference():
    frames = frames_of("Ar4", "Ar4", "Ar4", noise=0.3)
    exact = build_dataset("ar", frames, nothing, {"Ar": -5.0})
    fitted = build_dataset("ar", frames, nothing, isolated_energies([], frames))
    assert np.allclose(np.diff(exact.energy), np.diff(fitted.energy), atol=1e-12)
    assert fitted.energy.mean() == pytest.approx(0.0, abs=1e-12)


def test_local_energies_are_relative_to_the_isolated_atom_of_their_species():
    frames = frames_of("ArKr", "KrAr")
    data = build_dataset(
        "mix", frames, nothing, {"Ar": -5.0, "Kr": -7.0}, lambda atoms: np.where(atoms.numbers == 18, -5.1, -7.3)
    )
    assert np.allclose(data.local_energy, [-0.1, -0.3, -0.3, -0.1], atol=1e-12)
    assert np.array_equal(data.species, [0, 1, 1, 0])
    assert np.array_equal(data.frame, [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("value", "said"), [(None, "missing"), (np.nan, "nan"), (np.inf, "inf"), ("a", "not a number")]
)
def test_a_frame_without_a_finite_energy_is_named(value, said):
    frames = frames_of("Ar2", "Ar2", "Ar2")
    if value is None:
        del frames[1].info["REF_energy"]
    else:
        frames[1].info["REF_energy"] = value
    for use in (lambda: build_dataset("ar", frames, nothing, {"Ar": 0.0}), lambda: isolated_energies([], frames)):
        with pytest.raises(InputError, match=r"frame 1.*REF_energy") as error:
            use()
        assert said in str(error.value)


def test_an_isolated_atom_without_energy_is_named():
    with pytest.raises(InputError, match=r"REF_energy.*missing"):
        isolated_energies([Atoms("Ar")], frames_of("Ar2"))


def test_an_isolated_pair_is_no_isolated_atom():
    with pytest.raises(InputError, match="2 atoms"):
        isolated_energies([Atoms("Ar2", info={"REF_energy": 0.0})], frames_of("Ar2"))


def test_an_element_without_e0_is_an_error():
    with pytest.raises(InputError, match="Kr"):
        build_dataset("mix", frames_of("ArKr"), nothing, {"Ar": 0.0})


def test_no_frames_are_an_error():
    with pytest.raises(InputError, match="no frames"):
        build_dataset("ar", [], nothing, {"Ar": 0.0})
