"""Sizes of elements: cutoffs in proportion to van der Waals radii."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from basinet.descriptors.bispectrum import Bispectrum, element_radii
from basinet.errors import InputError

DIMER = {"weights": {"Ar": 1.0, "Kr": 1.0}, "radii": {"Ar": 0.5, "Kr": 0.6}, "rcut": 5.0, "twojmax": 4}


@pytest.mark.parametrize(("pair", "cutoff"), [("ArAr", 5.0), ("ArKr", 5.5), ("KrKr", 6.0)])
def test_a_pair_is_seen_within_the_sum_of_its_radii_and_not_beyond(pair, cutoff):
    descriptor = Bispectrum(**DIMER)

    def seen(distance):
        return np.abs(descriptor(Atoms(pair, positions=[[0, 0, 0], [0, 0, distance]]))).max(axis=1)

    assert (seen(cutoff - 0.05) > 1e-5).all()
    assert (seen(cutoff + 0.05) < 1e-13).all()


def test_the_descriptor_of_a_larger_atom_is_that_of_a_scaled_structure():
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 6, (7, 3))
    sized = Bispectrum(5.0, 6, {"Kr": 1.0}, {"Kr": 0.6})
    plain = Bispectrum(6.0, 6, {"Kr": 1.0})
    smaller = Bispectrum(5.0, 6, {"Kr": 1.0})
    atoms = Atoms("Kr7", positions=positions)
    assert np.allclose(sized(atoms), plain(atoms), rtol=1e-12, atol=1e-12)
    assert np.allclose(sized(atoms), smaller(Atoms("Kr7", positions=positions / 1.2)), rtol=1e-11, atol=1e-11)


def test_radii_follow_the_van_der_waals_radii():
    radii = element_radii(["Xe", "Ar", "Kr"])
    assert min(radii.values()) == 0.5
    assert radii["Kr"] / radii["Ar"] == pytest.approx(2.02 / 1.88, abs=1e-4)
    assert radii["Xe"] > radii["Kr"]
    assert element_radii(["Kr"]) == {"Kr": 0.5}
    assert element_radii(["Ar", "Kr"], "equal") == {"Ar": 0.5, "Kr": 0.5}


def test_settings_travel_through_a_dictionary():
    descriptor = Bispectrum(**DIMER)
    assert Bispectrum.from_dict(descriptor.to_dict()) == descriptor
    assert "radii" not in Bispectrum(5.0, 4, {"Ar": 1.0}).to_dict()  # files of equal sizes read as they always did


@pytest.mark.parametrize(
    ("radii", "message"),
    [
        ({"Ar": 0.5}, "give a number for each of Ar, Kr"),
        ({"Ar": 0.5, "Kr": 0.0}, "radius of Kr is 0.0"),
        ({"Ar": 0.5, "Kr": float("nan")}, "radius of Kr is nan"),
    ],
)
def test_impossible_radii_are_refused(radii, message):
    with pytest.raises(InputError, match=message):
        Bispectrum(5.0, 4, {"Ar": 1.0, "Kr": 1.0}, radii)


def test_an_element_without_a_radius_is_named():
    with pytest.raises(InputError, match="radius of Fe"):
        element_radii(["Fe", "Ar"])
