"""The descriptor is the simplest among those that total energies cannot tell from the best."""

from __future__ import annotations

import pytest

from basinet.descriptors.bispectrum import Bispectrum
from basinet.study.store import Store
from basinet.study.tasks import Described, DescribeTask, Selection, choose_descriptor


def described(twojmax=6, weight=1.3, rcut=5.25):
    return DescribeTask(Bispectrum(rcut, twojmax, {"Ar": 1.0, "Kr": weight}))


def chosen(root, scores, standard_error=0.01):
    """The choice among tasks with given scores: total-energy error over spread, here of one system."""
    store = Store(root)
    for task, score in scores.items():
        entry = Selection(score, 0.9, spread_mev=1.0, standard_error_mev=standard_error, strength=1.0)
        store.keep(task, Described([], {"mix": entry}))
    return choose_descriptor(store, list(scores))


@pytest.mark.parametrize(
    ("best", "other"),
    [
        (described(twojmax=8), described(twojmax=6)),
        (described(weight=1.3), described(weight=1.0)),
        (described(weight=0.6), described(weight=1.3)),
    ],
    ids=["fewer components", "weights of 1", "weights nearer to 1"],
)
def test_the_simplest_within_one_standard_error_wins_and_none_beyond_it(tmp_path, best, other):
    assert chosen(tmp_path / "near", {best: 0.100, other: 0.109}) == other.descriptor
    assert chosen(tmp_path / "far", {best: 0.100, other: 0.111}) == best.descriptor


def test_among_equally_simple_ones_the_least_error_wins(tmp_path):
    better, worse = described(rcut=5.25), described(rcut=5.75)
    assert chosen(tmp_path, {worse: 0.105, better: 0.100}) == better.descriptor
