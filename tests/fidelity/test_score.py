"""Scores of potentials: what the pair gauge does to them, and that they are what anyone would compute by hand."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes

import basinet
from basinet.errors import InputError
from basinet.fidelity.named import NAMED, identity_of, known_elements, open_potential
from basinet.fidelity.score import FEW, NO_LOCAL, _tasks, score_summary, scores_of, shipped_frames, spread_over
from basinet.jobs.store import Results
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.pair_potential import LennardJones, PairCoefficients, literature_lennard_jones
from basinet.study.report.score import answers

LITERATURE = literature_lennard_jones()
ALIKE = LennardJones({**LITERATURE.parameters, ("Ar", "Kr"): PairCoefficients(0.0, 0.0)}, LITERATURE.cutoff)


class UnevenPairs(Calculator):
    """The literature's pair potential, with a share of the energy of an unlike pair given to krypton."""

    implemented_properties = ("energy", "energies")

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        unlike = LITERATURE.local_energies(atoms) - ALIKE.local_energies(atoms)
        share = np.where(np.array(atoms.symbols) == "Kr", self.share, 1.0 - self.share)
        energies = ALIKE.local_energies(atoms) + 2.0 * share * unlike
        self.results = {"energy": LITERATURE.energy(atoms), "energies": energies}


@pytest.fixture(scope="module")
def mixture():
    """Frames whose exact local energies are those of the literature's pair potential."""
    frames = spread_over(basinet.load_reference("mix"), 15)
    for atoms in frames:
        atoms.arrays["REF_local_energy"] = LITERATURE.local_energies(atoms)
        atoms.info["REF_energy"] = LITERATURE.energy(atoms)
    return frames


@pytest.fixture(scope="module")
def uneven(mixture):
    return basinet.score(UnevenPairs(1.0), mixture, name="uneven")


def test_pairs_split_unevenly_score_low_until_their_gauge_is_removed(uneven):
    rows = score_summary(uneven).query("model == 'uneven'").set_index("species")
    assert (rows["total_r"] > 1.0 - 1e-9).all()
    assert rows.loc["Ar", "local_r"] < 0.5
    assert rows["gauge_removed"].min() > 0.98
    assert rows.loc["Ar", "control"] < 0.85


def test_an_even_split_needs_no_correction(mixture):
    rows = score_summary(basinet.score(UnevenPairs(0.5), mixture)).query("model == 'model'")
    assert rows[["local_r", "gauge_removed"]].to_numpy() == pytest.approx(1.0, abs=1e-6)


def test_marks_stand_beside_a_potential(uneven):
    assert list(uneven["model"].unique()) == ["uneven", "lj", "floor"]  # too few frames for a ceiling
    rows = score_summary(uneven).query("model == 'lj'")
    assert (rows["verdict"] == "real").all()
    assert ((rows["floor"] > 0.2) & (rows["floor"] < 0.95)).all()


def test_scores_equal_those_computed_by_hand(mixture, uneven):
    calculator = UnevenPairs(1.0)
    energies = np.array([calculator.get_property("energies", atoms) for atoms in mixture])
    exact = np.array([atoms.arrays["REF_local_energy"] for atoms in mixture])
    krypton = np.array([atoms.symbols == "Kr" for atoms in mixture])
    rows = uneven.query("model == 'uneven' and gauge == 'raw'").set_index(["target", "species"])
    by_hand = np.corrcoef(energies[krypton], exact[krypton])[0, 1]
    assert rows.loc[("local", "Kr"), "pearson_r"] == pytest.approx(by_hand, abs=1e-9)
    error = energies[krypton] - exact[krypton]
    assert rows.loc[("local", "Kr"), "rmse_mev"] == pytest.approx(1e3 * error.std(), rel=1e-6)
    total = np.corrcoef(energies.sum(1), exact.sum(1))[0, 1]
    assert rows.loc[("total", "all"), "pearson_r"] == pytest.approx(total, abs=1e-9)


def test_energies_that_leave_something_out_are_refused(mixture):
    class Parts(UnevenPairs):
        def calculate(self, *arguments, **keywords):
            super().calculate(*arguments, **keywords)
            self.results["energy"] += 1e-3 * self.atoms.positions[0, 0] * len(self.atoms)

    with pytest.raises(InputError, match="do not sum to the energy"):
        basinet.score(Parts(0.5), mixture)


def test_a_constant_between_the_sums_is_told_and_harms_nothing(mixture):
    class Shifted(UnevenPairs):
        def calculate(self, *arguments, **keywords):
            super().calculate(*arguments, **keywords)
            self.results["energy"] += 1.0

    scores = basinet.score(Shifted(0.5), mixture)
    assert "constant" in scores.attrs["notes"][0]
    assert score_summary(scores)["local_r"].max() == pytest.approx(1.0, abs=1e-6)


def test_two_compositions_of_one_system_are_scored_apart():
    def named(system, name, count):
        frames = [atoms.copy() for atoms in basinet.load_reference(system)[:count]]
        for atoms in frames:
            atoms.info["system"] = name
        return frames

    scores = basinet.score(UnevenPairs(0.5), [*named("ar", "liq", 6), *named("kr", "liq", 5)])
    rows = score_summary(scores).query("model == 'model'").set_index("composition")
    assert list(rows.index) == ["Ar32", "Kr32"]
    assert rows["total_r"].nunique() == 2
    assert rows.loc["Kr32", "floor"] != rows.loc["Ar32", "floor"]
    alone = basinet.score(UnevenPairs(0.5), named("kr", "liq", 5))
    assert rows.loc["Kr32", "total_r"] == pytest.approx(score_summary(alone)["total_r"].iloc[0], abs=1e-12)
    assert "Liq Kr32: r =" in answers(score_summary(scores))[1]


def test_systems_with_elements_that_a_potential_lacks_are_left_out_with_a_note():
    argon = PairPotentialCalculator(LennardJones({("Ar", "Ar"): LITERATURE.parameters["Ar", "Ar"]}, LITERATURE.cutoff))
    scores = basinet.score(argon, spread_over(shipped_frames(), 4))
    assert set(scores["composition"]) == {"Ar32"}
    assert [note for note in scores.attrs["notes"] if note.startswith("model knows Ar and lacks Kr")]
    with pytest.raises(InputError, match="lacks Kr"):
        basinet.score(argon, basinet.load_reference("kr")[:4])


def test_constant_energies_of_atoms_have_no_raw_correlation_to_show(mixture):
    class Constant(UnevenPairs):
        def calculate(self, *arguments, **keywords):
            super().calculate(*arguments, **keywords)
            self.results = {"energy": 0.0, "energies": np.zeros(len(self.atoms))}

    rows = score_summary(basinet.score(Constant(0.5), mixture[:12]))
    assert "raw –" in answers(rows)[1]


def test_places_that_cannot_be_judged_do_not_count_against_a_potential():
    frames = [*basinet.load_reference("ar")[:12], *basinet.load_reference("kr")[:2]]
    rows = score_summary(basinet.score(UnevenPairs(0.5), frames))
    assert set(rows.query("model == 'model' and system == 'kr'")["verdict"]) <= {FEW, NO_LOCAL}
    assert "Real everywhere: model." in answers(rows)[0]
    assert "Not to be judged here: model." in answers(rows.query("system == 'kr'").assign(verdict=FEW))[0]


def test_a_calculator_sees_charges_and_moments_but_no_label(mixture):
    seen = []

    class Curious(UnevenPairs):
        def calculate(self, atoms=None, *arguments, **keywords):
            seen.append(atoms)
            super().calculate(atoms, *arguments, **keywords)

    frames = [atoms.copy() for atoms in mixture[:3]]
    for atoms in frames:
        atoms.set_initial_charges(np.linspace(-1, 1, 32))
        atoms.set_initial_magnetic_moments(np.ones(32))
        atoms.info["charge"] = 0
    basinet.score(Curious(0.5), frames)
    assert not [key for atoms in seen for key in [*atoms.info, *atoms.arrays] if key.startswith("REF_")]
    for atoms in seen:
        assert atoms.info["charge"] == 0
        assert atoms.get_initial_charges()[0] == -1
        assert atoms.get_initial_magnetic_moments().sum() == 32


@pytest.mark.parametrize("name", ["lj", "floor", "ceiling"])
def test_the_names_of_marks_are_taken(mixture, name):
    with pytest.raises(InputError, match="that of a mark"):
        basinet.score(UnevenPairs(0.5), mixture, name=name)


def test_marks_are_computed_anew_where_species_have_changed(mixture, tmp_path):
    kept = Results(tmp_path, list[dict[str, Any]])
    frames = [atoms.copy() for atoms in mixture[:6]]

    def floor():
        predicted = {"lj": {id(atoms): (LITERATURE.local_energies(atoms)[None], None) for atoms in frames}}
        return scores_of(predicted, frames, ["lj"], kept).table.query("model == 'floor'")

    first = floor()
    assert floor().equals(first)
    frames[0].numbers = frames[0].numbers[::-1]
    assert not floor().equals(first)


def test_a_calculation_is_that_of_all_that_a_calculator_sees(mixture):
    def key(atoms):
        return next(iter(_tasks("lj", [(0, [atoms])]))).fingerprint

    swapped, charged, magnetic, labelled = (mixture[0].copy() for _ in range(4))
    swapped.numbers = swapped.numbers[::-1]
    charged.info["charge"] = 1
    magnetic.set_initial_magnetic_moments(np.ones(32))
    labelled.info["REF_energy"] = 0.0
    assert len({*map(key, [mixture[0], swapped, charged, magnetic])}) == 4
    assert key(labelled) == key(mixture[0])


@pytest.mark.parametrize(
    ("potential", "changed"),
    [("folder.inner:make", "folder/inner.py"), ("pairs.lammps", "pairs.lammps"), ("pairs.lammps", "pairs.table")],
)
def test_a_potential_is_another_where_a_file_of_it_has_changed(tmp_path, monkeypatch, potential, changed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inner.py").write_text("")
    (tmp_path / "pairs.table").write_text("")
    (tmp_path / "pairs.lammps").write_text(
        "# elements: Ar\npair_style table linear 10\npair_coeff * * pairs.table Ar\n"
    )
    before = identity_of(potential)
    assert identity_of(potential) == before
    path = tmp_path / changed
    path.write_text(f"{path.read_text()}# changed\n")
    assert identity_of(potential) != before


def test_frames_are_spread_over_the_time_of_each_system():
    frames = [*basinet.load_reference("ar"), *basinet.load_reference("kr")[:2]]
    chosen = spread_over(frames, 3)
    assert [atoms.info["system"] for atoms in chosen] == ["ar"] * 3 + ["kr"] * 2
    assert chosen[0] is frames[0]
    assert chosen[2] is frames[204]


def test_a_descriptor_that_fails_costs_floor_and_ceiling_only(mixture, monkeypatch):
    def refuse(_elements):
        raise InputError("no such element")

    monkeypatch.setattr("basinet.fidelity.score.default_descriptor", refuse)
    scores = basinet.score(UnevenPairs(0.5), mixture)
    assert set(scores["model"]) == {"model", "lj"}
    assert "no such element" in scores.attrs["notes"][0]


def test_a_ceiling_that_fails_leaves_the_floor(monkeypatch):
    def refuse(*_arguments, **_settings):
        raise InputError("no training today")

    monkeypatch.setattr("basinet.fidelity.score.train_ensemble", refuse)
    scores = basinet.score(UnevenPairs(0.5), spread_over(basinet.load_reference("ar"), 20))
    assert set(scores["model"]) == {"model", "lj", "floor"}
    assert scores.attrs["notes"] == ["no ceiling for Ar32: no training today"]


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")  # of packages about themselves
@pytest.mark.parametrize("name", [name for name, one in NAMED.items() if find_spec(one.package)])
def test_atomic_energies_of_a_named_potential_sum_to_its_energy(name):
    atoms = basinet.load_reference("ar")[0]
    calculator = open_potential(name)
    energies = calculator.get_property("energies", atoms)
    assert energies.shape == (32,)
    assert energies.sum() == pytest.approx(calculator.get_property("energy", atoms), abs=1e-4)


@pytest.mark.lammps
def test_a_potential_of_lammps_is_scored_by_its_energies_of_atoms(tmp_path):
    path = tmp_path / "pairs.lammps"
    coefficients = "pair_coeff 1 1 0.0143 3.633\npair_coeff 2 2 0.0103 3.405\npair_coeff 1 2 0.01214 3.519\n"
    path.write_text(f"# elements: Kr Ar\npair_style lj/cut 11.0\n{coefficients}")
    atoms = basinet.load_reference("mix")[0]
    calculator = open_potential(str(path))
    assert known_elements(calculator) == ["Kr", "Ar"]
    energies = calculator.get_property("energies", atoms)
    assert energies == pytest.approx(LITERATURE.local_energies(atoms), abs=1e-9)
