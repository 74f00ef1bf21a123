"""Bad input: one line that says what is wrong, where, and what to do."""

import numpy as np
import pytest

from basinet.density.basins import integrate_basins
from basinet.errors import InputError

CELL = 4.0 * np.eye(3)
ATOM = [[1.0, 1.0, 1.0]]


def density(shape=(6, 5, 4)):
    return 1.0 + np.random.default_rng(0).random(shape)


def with_value(value, place=(1, 2, 3)):
    array = density()
    array[place] = value
    return array


def changed(**arguments):
    return arguments


BAD = {
    "NaN in the density": (changed(density=with_value(np.nan)), r"the density is nan at grid point \(1, 2, 3\)"),
    "infinity in the density": (changed(density=with_value(-np.inf)), r"the density is -inf at grid point \(1, 2, 3\)"),
    "NaN in a field": (changed(fields={"v": with_value(np.nan)}), r"field 'v' is nan at grid point \(1, 2, 3\)"),
    "infinity in a field": (changed(fields={"v": with_value(np.inf)}), "field 'v' is inf at grid point"),
    "an overflowing density": (changed(density=density() * 1e307), "too large to add up; check its unit"),
    "a constant density": (changed(density=np.full((4, 4, 4), 0.3)), "the density is 0.3 everywhere"),
    "an all-zero density": (changed(density=np.zeros((4, 4, 4))), "the density is 0.0 everywhere"),
    "a density of one point": (changed(density=np.ones((1, 1, 1))), "the density is 1.0 everywhere"),
    "a flat array": (changed(density=np.arange(8.0)), r"the density has the shape \(8,\)"),
    "an empty array": (changed(density=np.zeros((0, 4, 4))), r"the density has the shape \(0, 4, 4\)"),
    "complex values": (changed(density=density() + 0j), "the density holds complex128; pass real numbers"),
    "a field on another grid": (changed(fields={"v": density((6, 5, 5))}), r"field 'v' has the shape \(6, 5, 5\) and"),
    "fields without names": (changed(fields=[density()]), "fields is a list; pass a dict"),
    "a field named as what is there": (changed(fields={"volume": density()}), "a field is named 'volume'"),
    "a flat cell": (changed(cell=[[1, 0, 0], [0, 1, 0], [1, 1, 0]]), "has no volume"),
    "a cell of four numbers": (changed(cell=[1, 2, 3, 4]), "pass three finite vectors"),
    "no atoms": (changed(positions=np.zeros((0, 3))), "there are no atoms"),
    "positions of two coordinates": (changed(positions=[[0.0, 1.0]]), r"positions have the shape \(1, 2\)"),
    "a position that is NaN": (changed(positions=[[0.0, 1.0, np.nan]]), "atom 0 is at"),
    "two atoms in one place": (changed(positions=ATOM + ATOM), "atoms 0 and 1 are in one place"),
    "two atoms on each other's images": (
        changed(positions=[[0, 0, 0], [1, 2, 3], [5, -2, 7]]),
        "atoms 1 and 2 are in one place",
    ),
    "a negative radius": (changed(nuclear_radius=-1.0), "nuclear_radius is -1.0"),
    "a radius that is NaN": (changed(nuclear_radius=np.nan), "nuclear_radius is nan"),
    "vacuum everywhere": (changed(vacuum=5.0), "no density is above the vacuum threshold of 5.0"),
    "a threshold that is NaN": (changed(vacuum=np.nan), "vacuum is nan"),
    "no threads": (changed(threads=0), "threads is 0; give 1 or more"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_one_line_says_what_is_wrong(change, message):
    good = {"density": density(), "cell": CELL, "positions": ATOM}
    with pytest.raises(InputError, match=message) as caught:
        integrate_basins(**{**good, **change})
    assert "\n" not in str(caught.value)


def test_what_is_good_passes():
    basins = integrate_basins(density().astype(np.float32), [4.0, 4.0, 4.0], ATOM, {"v": np.ones((6, 5, 4), int)})
    np.testing.assert_allclose(basins.integrals["v"], basins.volume)
