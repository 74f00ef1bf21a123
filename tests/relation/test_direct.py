"""Direct energies of argon, the first frames of the second edition: nothing is fitted, and the relation is tested."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.study.small_study import small_config

import basinet
from basinet.descriptors import Bispectrum
from basinet.errors import InputError
from basinet.fidelity.direct import compare_direct_energies
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.pair_potential import literature_lennard_jones
from basinet.study.baselines import baseline_rows
from basinet.study.claims.relation import atom_claims
from basinet.study.settings import SplitSettings
from basinet.study.store import Store
from basinet.study.systems import direct_rows, group_systems
from basinet.study.tables import DIRECT, DIRECT_ATOMS, RESULTS, as_table
from basinet.study.tasks import sweep_tasks
from basinet.units import Hartree

FRAMES = Path(__file__).parents[2] / "campaigns" / "second" / "ar32.extxyz"


@pytest.fixture(scope="module")
def frames():
    return basinet.read_frames(FRAMES)


def test_direct_energies_sum_to_the_total_energy(frames):
    for atoms in frames:
        missed = atoms.arrays["REF_direct_energy"].sum() - atoms.info["REF_energy"]
        assert abs(missed) < 4e-4 * Hartree  # of 675 hartree: five digits of the cube
        assert missed == pytest.approx(atoms.info["direct_closure_error"], abs=1e-6)


def test_the_relation_of_totals_is_nearly_that_of_atoms(frames):
    """Chance would give r = 0, and local energies out of order between frames r = 0 as well."""
    relation = basinet.fit_relation(frames)
    table = compare_direct_energies(frames, relation).set_index("compared")
    row = table.loc["relation"]
    assert row["pearson_r"] > 0.9
    assert row["pearson_r_low"] < row["pearson_r"] < row["pearson_r_high"]
    assert row["slope"] == pytest.approx(1.0, abs=0.15)
    assert row["rmse_mev"] < 3.0 < row["spread_mev"]
    assert row["slope_low"] < row["slope"] < row["slope_high"]
    assert 0.4 < row["participation"] < 0.7  # 2 / pi for a normal distribution
    assert table.loc["pair_potential", "pearson_r"] > 0.9
    assert table.loc["relation_electronic", "pearson_r"] < 0.5
    turned = [atoms.copy() for atoms in frames]
    for atoms in turned:
        atoms.arrays["REF_direct_energy"] = np.roll(atoms.arrays["REF_direct_energy"], 5)
    assert abs(compare_direct_energies(turned, relation)["pearson_r"][0]) < 0.1


def test_one_atom_or_all_carry_what_is_left_of_a_frame(frames):
    relation = basinet.fit_relation(frames)
    for odd, share in ((slice(None), 1.0), (slice(1), 1 / 32)):
        made = [atoms.copy() for atoms in frames[:34]]
        for number, atoms in enumerate(made):
            direct = relation.local_energies(atoms)
            direct[odd] += (-1) ** number  # of an even number of frames: no constant, which centring removes
            atoms.arrays["REF_direct_energy"] = direct
        row = compare_direct_energies(made, relation).iloc[0]
        assert row["participation"] == pytest.approx(share, rel=1e-6)
        assert row["rmse_mev"] == pytest.approx(1e3 * share**0.5, rel=1e-6)


def test_a_study_tests_the_relation_atom_by_atom(frames):
    """Direct energies twice as large, those of other atoms, and none at all."""
    turned, doubled = ([atoms.copy() for atoms in frames] for _ in range(2))
    for own, twice in zip(turned, doubled, strict=True):
        own.arrays["REF_direct_energy"] = np.roll(own.arrays["REF_direct_energy"], 5)
        twice.arrays["REF_direct_energy"] = 2.0 * twice.arrays["REF_direct_energy"]
    verdicts = []
    for given in (frames, turned, doubled, basinet.load_reference("ar")[: len(frames)]):
        systems = group_systems(given, [], SplitSettings(), size_transfer=True, seed=0)
        rows, of_atoms = direct_rows(systems)
        (claim,) = atom_claims(as_table(rows, DIRECT), {"ar": ["Ar"]})
        assert len(as_table(of_atoms, DIRECT_ATOMS)) == (sum(map(len, frames)) if rows else 0)
        verdicts.append(claim.verdict)
    assert verdicts == ["supported", "contradicted", "contradicted", "not testable here"]


@pytest.mark.parametrize(
    ("reference", "definitions"), [("both", ("total", "direct")), ("relation", ("total",)), ("direct", ("direct",))]
)
def test_a_study_scores_by_the_reference_asked_for(frames, tmp_path, reference, definitions):
    config = small_config(reference=reference, controls={"ceiling_widths": [4]})
    store, (system,) = Store(tmp_path), group_systems(frames, [], SplitSettings(), size_transfer=False, seed=0)
    store.write_system(system, system.definitions(config.reference, config.definition))
    (stored,) = store.systems()
    assert tuple(stored.definitions) == definitions
    ceilings = [task for task in sweep_tasks(config, [stored], Bispectrum(4.5, 2)) if task.target == "local"]
    assert [task.definitions for task in ceilings] == [(one,) for one in definitions]
    direct = np.concatenate([atoms.arrays["REF_direct_energy"] for atoms in frames]) - system.e0["Ar"]
    for definition in definitions:
        block = store.block(stored, Bispectrum(4.5, 2), "test", definition=definition)
        inside = np.isin(stored.arrays["frame"], system.split.test)
        same = np.array_equal(block.dataset.local_energy, direct[inside])
        assert same == (definition == "direct")


def test_the_relation_is_scored_on_direct_energies_beside_the_models(frames, tmp_path):
    """Local energies of atoms that the relation gives, shifted by random numbers: r is known."""
    made = [atoms.copy() for atoms in frames]
    relation, rng = basinet.fit_relation(made[: round(0.6 * len(made))]), np.random.default_rng(0)
    spread = np.concatenate([relation.local_energies(atoms) for atoms in made]).std()
    for atoms in made:
        atoms.arrays["REF_direct_energy"] = relation.local_energies(atoms) + rng.normal(scale=spread, size=len(atoms))
    store, (system,) = Store(tmp_path), group_systems(made, [], SplitSettings(), size_transfer=False, seed=0)
    store.write_system(system, system.definitions("both", "total"))
    rows = as_table(baseline_rows(store, Bispectrum(4.5, 2), untrained=0, seed=0), RESULTS)
    (found,) = rows[rows["model"] == "relation"]["pearson_r"]
    assert found == pytest.approx(0.5**0.5, abs=0.08)
    scored = rows[rows["model"] == "lennard_jones"].groupby(["definition", "target"])["pearson_r"].mean()
    assert [*scored.index] == [("direct", "local"), ("total", "local"), ("total", "total")]
    assert scored["direct", "local"] < scored["total", "local"]


def test_direct_energies_that_are_not_there_are_refused_or_left_out():
    shipped = group_systems(basinet.load_reference("ar")[:40], [], SplitSettings(), size_transfer=False, seed=0)[0]
    assert shipped.definitions("both", "electronic") == ("electronic",)
    with pytest.raises(InputError, match="reference: no frame of system ar has REF_direct_energy"):
        shipped.definitions("direct", "total")


def test_a_potential_is_judged_by_direct_energies_where_asked(frames):
    potential = PairPotentialCalculator(literature_lennard_jones())
    scores = {name: basinet.evaluate(potential, frames, definition=name) for name in ("direct", "total")}
    local = {name: table[table["target"] == "local"]["pearson_r"].item() for name, table in scores.items()}
    assert 0.9 < local["direct"] < local["total"]


def test_frames_without_direct_energies_are_refused_or_scored_on_totals(frames):
    shipped = basinet.load_reference("ar")[:8]
    with pytest.raises(InputError, match="system ar: no frame has REF_direct_energy"):
        compare_direct_energies(shipped, basinet.fit_relation(shipped))
    potential = PairPotentialCalculator(literature_lennard_jones())
    assert set(basinet.evaluate(potential, shipped, definition="direct")["target"]) == {"total"}
    some = [*frames[:3], *shipped[:1]]
    with pytest.raises(InputError, match="REF_direct_energy is missing"):
        basinet.evaluate(potential, some, definition="direct")
