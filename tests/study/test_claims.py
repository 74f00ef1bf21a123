"""Verdicts on constructed results whose truth is known."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from basinet.frames.bootstrap import Interval
from basinet.study.claims import evaluate_claims
from basinet.study.claims.members import falls, spearman
from basinet.study.claims.verdict import judge_between, judge_difference
from basinet.study.systems import RelationRecord
from basinet.study.tables import RESULTS, as_table, mean_rows, member_rows, records, select, system_label

pytestmark = pytest.mark.slow

WIDTHS = (4, 8, 16, 32, 64, 128, 256)
SEEDS = tuple(range(6))
ARCHITECTURES = (("tanh", 1), ("linear", 1))


def network(test, target, width, seed, r, **more):
    row = {
        "experiment": "sweep",
        "model": "network",
        "train_system": test,
        "test_system": test,
        "split": "test",
        "transferred": False,
        "activation": "tanh",
        "depth": 1,
        "width": width,
        "seed": seed,
        "parametrisation": "standard",
        "target": target,
        "gauge": "raw",
        "species": "all",
        "rcut": 5.25,
        "twojmax": 6,
        "pearson_r": r,
        "train_seconds": 0.1 * width,
    }
    return row | more


def study(local, total=lambda _system, _width: 0.98, *, systems=("ar",), scatter=0.004, seed=0):
    """A sweep whose mean local r is ``local(system, width)``, with independent scatter of the members."""
    rng = np.random.default_rng(seed)
    rows = []
    for system in systems:
        for activation, depth in ARCHITECTURES:
            for width in WIDTHS:
                for member in SEEDS:
                    same = {"activation": activation, "depth": depth}
                    noise = scatter * rng.standard_normal(2)
                    values = {"total": total(system, width) + noise[0], "local": local(system, width) + noise[1]}
                    for target, r in values.items():
                        rows.append(network(system, target, width, member, r, **same))
                        rows.append(network(system, target, width, member, r, **same, split="validation"))
    return rows


def verdicts(rows, **keywords):
    """Verdicts of each claim, by subject."""
    found = defaultdict(dict)
    for claim in evaluate_claims(as_table(rows, RESULTS), **keywords):
        found[claim.key][claim.subject] = claim.verdict
    return found


def falling(_system, width):
    return 0.97 - 0.03 * np.log2(width / 4)


def flat(_system, _width):
    return 0.95


@cache
def verdicts_of(local):
    return verdicts(study(local))


def test_local_fidelity_that_falls_with_width_supports_the_paper():
    found = verdicts_of(falling)
    assert found["local-falls"] == {"Ar": "supported"}
    assert found["small-better"] == {"Ar": "supported"}


def test_local_fidelity_that_does_not_depend_on_width_contradicts_it():
    found = verdicts_of(flat)
    assert found["local-falls"] == {"Ar": "contradicted"}
    assert found["small-better"] == {"Ar": "contradicted"}
    assert found["small-suffice"] == {"Ar": "supported"}


def test_local_fidelity_that_rises_with_width_contradicts_it():
    assert verdicts(study(lambda _s, w: 1.9 - falling(_s, w)))["local-falls"] == {"Ar": "contradicted"}


def test_large_scatter_leaves_the_question_open():
    assert verdicts(study(falling, scatter=0.5))["local-falls"] == {"Ar": "not resolved"}


def scattering(common):
    """Members whose local energies are a part in common, of fidelity ``common(width)``, and independent scatter."""
    rng, rows = np.random.default_rng(3), []
    for width in WIDTHS:
        q = 0.99 * 0.8 ** np.log2(width / 4)
        for seed in SEEDS:
            r = common(width) * q**0.5 + 0.004 * rng.standard_normal()
            rows.append(network("ar", "local", width, seed, r, agreement=q, parametrisation="unit_readout"))
    return rows


def test_a_fall_is_scatter_where_what_networks_have_in_common_stays_faithful():
    assert verdicts(scattering(lambda _w: 0.96))["width-scatter"] == {"Ar, unit readout": "supported"}
    assert verdicts(scattering(lambda w: falling("ar", w)))["width-scatter"] == {"Ar, unit readout": "contradicted"}


def test_where_local_energies_do_not_fall_there_is_no_cause_to_find():
    rows = [row | {"agreement": 0.9} for row in study(flat)]
    assert verdicts(rows)["width-scatter"] == {"Ar": "not testable here"}
    assert verdicts_of(falling)["width-scatter"] == {"Ar, standard": "not testable here"}  # no agreement is known


@pytest.mark.parametrize(("slope", "verdict"), [(1.1, "supported"), (0.3, "contradicted")])
def test_the_start_decides_where_linearised_networks_fall_as_trained_ones_do(slope, verdict):
    trained = [row for row in study(falling) if row["split"] == "test"]
    linearised = [
        row | {"experiment": "linearised", "model": "linearised", "pearson_r": 0.97 + slope * (row["pearson_r"] - 0.97)}
        for row in trained
        if row["target"] == "local"
    ]
    assert verdicts(trained + linearised)["start-decides"] == {"Ar, standard": verdict}
    assert verdicts(trained)["start-decides"] == {"Ar, standard": "not testable here"}


def test_choosing_the_best_width_on_the_same_seeds_would_invent_a_fall():
    """Without any trend, the cross-fitted fall averages to zero; the naive one does not."""
    rng = np.random.default_rng(1)
    crossed, naive = [], []
    for _ in range(200):
        values = 0.9 + 0.02 * rng.standard_normal((4, 8))
        crossed.append(falls(pd.DataFrame(values, columns=2.0 ** np.arange(8))).mean())
        naive.append(values.mean(axis=0).max() - values[:, -1].mean())
    error = np.std(crossed) / np.sqrt(len(crossed))
    assert abs(np.mean(crossed)) < 4 * error
    assert np.mean(naive) > 0.005


def test_totals_are_judged_by_their_worst_network():
    assert verdicts_of(flat)["totals-accurate"] == {"Ar": "supported"}
    poor = study(flat, total=lambda _s, w: 0.6 if w == 4 else 0.98)
    assert verdicts(poor)["totals-accurate"] == {"Ar": "contradicted"}


def test_scatter_between_seeds_is_compared_between_narrow_and_wide_networks():
    rng = np.random.default_rng(0)
    rows = [
        network("ar", "total", width, seed, 0.95 + 0.1 / width * rng.standard_normal(), activation=kind)
        for kind in ("tanh", "linear")
        for width in WIDTHS
        for seed in range(8)
    ]
    assert verdicts(rows)["small-scatter"] == {"Ar": "supported"}
    assert verdicts_of(flat)["small-scatter"]["Ar"] != "supported"


def mixture_rows():
    """A mixture 0.2 below the pure liquid in the raw gauge, and as good without the pair gauge."""
    rows = study(flat, systems=("ar", "kr"))
    rng = np.random.default_rng(2)
    for width in WIDTHS:
        for seed in SEEDS:
            noise = 0.004 * rng.standard_normal()
            rows.append(network("mix", "total", width, seed, 0.97 + noise))
            for species in ("all", "Ar", "Kr"):
                rows.append(network("mix", "local", width, seed, 0.75 + noise, species=species))
                rows.append(network("mix", "local", width, seed, 0.95 + noise, species=species, gauge="pair"))
    return rows


def test_the_mixture_struggles_only_in_the_raw_gauge():
    found = verdicts(mixture_rows())
    assert found["mixture-lower"] == {"Mx, raw": "supported", "Mx, pair gauge removed": "contradicted"}
    assert set(found["mixture-falls-faster"].values()) == {"contradicted"}


def test_frame_noise_widens_the_interval_between_systems():
    """Different systems have different test frames, and here that choice hides the difference."""
    rows = mixture_rows()
    for system in ("ar", "mix"):
        rows += [
            network(system, "local", width, "mean", 0.9, pearson_r_low=0.5, pearson_r_high=0.99) for width in WIDTHS
        ]
    assert verdicts(rows)["mixture-lower"]["Mx, raw"] == "not resolved"


def test_the_architectures_are_alike_unless_they_differ():
    assert verdicts_of(flat)["architectures-alike"] == {"Ar": "supported"}
    rows = study(flat)
    for row in rows:
        if row["activation"] == "linear" and row["target"] == "local":
            row["pearson_r"] -= 0.2
    assert verdicts(rows)["architectures-alike"] == {"Ar": "contradicted"}


def transferred(rows, link):
    """Transfer rows of every model, r after transfer being ``link(local r at home, activation, width)``."""
    moved = [
        row
        | {"train_system": "ar", "test_system": "mix", "transferred": True, "target": target}
        | {"pearson_r": link(row["pearson_r"], row["activation"], row["width"])}
        for row in rows
        for target in ("total", "local")
        if row["target"] == "local" and row["split"] == "test"
    ]
    return rows + moved


def test_better_local_energies_transfer_better_where_they_do():
    follows = transferred(study(falling), lambda r, _a, _w: r - 0.1)
    assert set(verdicts(follows)["local-predicts-transfer"].values()) == {"supported"}
    against = transferred(study(falling), lambda r, _a, _w: 1.0 - r)
    assert set(verdicts(against)["local-predicts-transfer"].values()) == {"contradicted"}


def test_tanh_keeps_transfer_longer_only_if_it_does():
    better = transferred(study(falling), lambda r, a, _w: r - (0.1 if a == "linear" else 0.0))
    assert verdicts(better)["tanh-transfers-longer"] == {"Ar to Mx": "supported"}
    same = transferred(study(falling), lambda r, _a, _w: r)
    assert verdicts(same)["tanh-transfers-longer"] == {"Ar to Mx": "contradicted"}


def test_small_networks_cost_less_if_training_time_grows_with_width():
    rows = study(flat, systems=("ar", "kr"))
    assert verdicts(rows)["small-cheaper"] == {"all systems": "supported"}
    for row in rows:
        row["train_seconds"] = 1.0
    assert verdicts(rows)["small-cheaper"] == {"all systems": "contradicted"}


RELATION = RelationRecord(
    slope=-1.2,
    intercept_ev_per_atom=-0.1,
    species_offsets_ev={"Ar": -0.1},
    pinned_by="single species",
    rmse_mev_per_atom=0.25,
    pearson_r=-0.9996,
    null_r=-0.98,
    pearson_r_total_es=-0.99,
    unexplained_variance=0.02,
    n_frames=80,
    intervals={"rmse_mev_per_atom": [0.2, 0.3], "unexplained_variance": [0.015, 0.03]},
    fitted_on="train",
    evaluated={},
    isolated_atom_check_mev={"Ar": -14.0},
)


def test_the_relation_is_judged_by_the_variance_it_leaves_not_by_the_part_whole_correlation():
    keys = ("relation-linear", "relation-rmse", "relation-intercept")
    found = verdicts(study(flat), relations={"ar": RELATION})
    assert [found[key] for key in keys] == [{"Ar": "supported"}] * 3
    loose = replace(
        RELATION,
        unexplained_variance=0.5,
        isolated_atom_check_mev={"Ar": 400.0},
        intervals={"rmse_mev_per_atom": [1.2, 1.5], "unexplained_variance": [0.4, 0.6]},
    )
    found = verdicts(study(flat), relations={"ar": loose})
    assert [found[key] for key in keys] == [{"Ar": "contradicted"}] * 3


@pytest.mark.parametrize("rows", [[], study(flat)[:1], [r for r in study(flat)[:400] if r["seed"] == 0][:14]])
def test_what_is_missing_is_not_testable_and_says_why(rows):
    claims = evaluate_claims(as_table(rows, RESULTS))
    assert {claim.verdict for claim in claims} == {"not testable here"}
    assert all(len(claim.detail) > 10 for claim in claims)
    assert all(np.isnan(claim.value) for claim in claims)


def test_diverged_members_are_left_out():
    rows = study(falling)
    for row in rows:
        if row["seed"] == 3 and row["width"] >= 64:
            row["pearson_r"] = None
    assert verdicts(rows)["local-falls"] == {"Ar": "supported"}


@pytest.mark.long
def test_results_are_the_same_every_time():
    rows = mixture_rows()
    first, second = (evaluate_claims(as_table(rows, RESULTS)) for _ in range(2))
    assert [(c.interval, c.verdict) for c in first if np.isfinite(c.value)] == [
        (c.interval, c.verdict) for c in second if np.isfinite(c.value)
    ]


def test_verdicts_follow_from_interval_and_smallest_effect():
    assert judge_difference(Interval(0.015, 0.012, 0.018)) == "contradicted"  # there, but too small to matter
    assert judge_difference(Interval(0.015, 0.005, 0.025)) == "not resolved"
    assert judge_difference(Interval(-0.2, -0.3, -0.1)) == "contradicted"
    assert judge_difference(Interval(0.1, np.nan, np.nan)) == "not testable here"
    assert judge_between(Interval(0.1, 0.05, 0.15), high=0.2) == "supported"
    assert judge_between(Interval(0.3, 0.25, 0.35), high=0.2) == "contradicted"


def test_rank_correlation_shares_ranks_between_equal_values():
    x, y = np.array([1.0, 1.0, 2.0, 3.0]), np.array([2.0, 2.0, 1.0, 0.0])
    assert spearman(x, y) == pytest.approx(-1.0)
    assert np.isnan(spearman(x, np.ones(4)))


def test_a_table_knows_missing_values_members_and_means():
    table = as_table([{"width": 4, "seed": "mean", "transferred": True}, {"seed": 0}], RESULTS)
    assert len(select(table, transferred=True)) == len(select(table, width=None)) == 1
    assert len(select(table, width=(4, None))) == 2
    assert len(member_rows(table)) == len(mean_rows(table)) == 1
    assert records(table)[1]["width"] is None


def test_systems_keep_their_own_names():
    assert system_label("water", ["H", "O"]) == "water"
    assert system_label("mix") == "Mx"
