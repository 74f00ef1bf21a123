"""A small results directory with every file that the report reads; numbers are invented."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from basinet.study import tables
from basinet.study.report.page import write_report
from basinet.study.report.results import load_results
from basinet.study.tables import write_results, write_rows

WIDTHS = (4, 16, 64)
ELEMENTS = {"ar": ["Ar"], "kr": ["Kr"], "mix": ["Ar", "Kr"]}
NETWORK = {"model": "network", "activation": "tanh", "depth": 1, "width": 16, "seed": "mean"}


class Builder:
    """Writes the directory, file by file."""

    def __init__(self, systems, seed=0):
        self.systems = systems
        self.rng = np.random.default_rng(seed)
        self.rows = []

    def add(self, test, target, r, **more):
        row = {"test_system": test, "train_system": test, "target": target, "pearson_r": r, "r2": r * r}
        row |= {"n_atoms": 32, "split": "test", "transferred": False, "gauge": "raw", "species": "all"}
        row |= {"rcut": 5.25, "twojmax": 6, "weights": "Ar:1.0", "radii": "Ar:0.5"}
        row |= {"n_train": 60, "parametrisation": "standard", "initial_scale": 1.0}
        row |= {"definition": "total", "rmse_mev": 1.0, "train_seconds": 1.0}
        if more.get("seed", "mean") == "mean":
            row |= {"pearson_r_low": r - 0.02, "pearson_r_high": r + 0.005}
        self.rows.append(row | more)

    def sweep(self):
        pairs = [(name, name, False) for name in self.systems]
        if set(self.systems) == set(ELEMENTS):
            pairs += [("mix", "ar", True), ("mix", "kr", True), ("ar+kr", "mix", True)]
        for train, test, moved in pairs:
            for activation, depth in (("tanh", 1), ("linear", 1), ("tanh", 2), ("linear", 2)):
                for width in WIDTHS:
                    for member in (0, 1, 2, "mean"):
                        kind = {"activation": activation, "depth": depth, "width": width, "seed": member}
                        self.network(train, test, moved, width, kind)

    def network(self, train, test, moved, width, kind):
        base = {"experiment": "sweep", "model": "network", "train_system": train, "transferred": moved} | kind
        for split in ("validation", "test"):
            noise = 0.005 * self.rng.standard_normal()
            self.add(test, "total", 0.98 + noise, split=split, **base)
            for species in ("all", *ELEMENTS[test]) if test == "mix" else ("all",):
                for gauge, r in (
                    (("raw", 0.8), ("pair", 0.95), ("control", 0.79)) if test == "mix" else (("raw", 0.95),)
                ):
                    falling = r - 0.02 * np.log2(width / 4) + noise
                    known = {} if kind["seed"] == "mean" else {"agreement": falling**2}
                    self.add(test, "local", falling, split=split, species=species, gauge=gauge, **base, **known)
                    if split == "test" and gauge == "raw" and not moved:
                        lazy = base | {"experiment": "linearised", "model": "linearised"}
                        self.add(test, "local", falling - 0.01, species=species, **lazy)

    def others(self):
        for system in self.systems:
            for target in ("total", "local"):
                for model in ("lennard_jones", "fitted_pair", "ceiling", "ridge"):
                    self.add(system, target, 0.97, experiment="baseline", model=model)
                for member in range(10):
                    r = 0.2 * self.rng.standard_normal()
                    self.add(system, target, r, experiment="baseline", model="untrained", seed=member)
                for model in (NETWORK, {"model": "ridge"}):
                    self.add(system, target, 0.95, experiment="cross_validation", split="out_of_fold", **model)
                    for n, width, seed in product((10, 20, 40), (4, 16), (0, 1)):
                        size = {} if model["model"] == "ridge" else {"width": width, "seed": seed}
                        own = {"experiment": "learning_curve", "n_train": n} | model | size
                        self.add(system, target, 0.9 + n / 1000, **own)
                    for rcut in (4.5, 5.25, 6.0):
                        self.add(system, target, 0.9, experiment="resolution", rcut=rcut, **model)
                    self.add(system, target, 0.93, experiment="size_transfer", n_atoms=108, **model)
                for width in WIDTHS:
                    kind = NETWORK | {"width": width, "seed": 0, "parametrisation": "mup"}
                    self.add(system, target, 0.9, experiment="parametrisation", **kind)
                    kind |= {"parametrisation": "standard", "initial_scale": 0.1}
                    self.add(system, target, 0.9, experiment="initial_scale", **kind)

    def weights(self):
        """A scan of species weight and size: totals hardly change, raw local energies do."""
        for weight, radius in product((0.8, 1.3), (0.5, 0.54)):
            base = {"experiment": "resolution", "model": "ridge"}
            base |= {"weights": f"Ar:1.0 Kr:{weight}", "radii": f"Ar:0.5 Kr:{radius}"}
            self.add("mix", "total", 0.97, **base)
            for species in ("all", "Ar", "Kr"):
                self.add("mix", "local", 0.7 * weight, species=species, **base)
                self.add("mix", "local", 0.95, species=species, gauge="pair", **base)

    def write(self, root):
        root.mkdir(parents=True, exist_ok=True)
        write_results(root / "results.csv", self.rows, "total")
        points, parity, curves, rates = self.points(), self.parity(), self.curves(), self.rates()
        written = {"relation_points": points, "parity": parity, "curves": curves, "learning_rates": rates}
        written["selection"] = [{"rcut": 5.25, "twojmax": 6, "system": self.systems[0], "score": 0.3, "chosen": True}]
        written["determination"] = [
            {"system": name, "definition": "total", "direction": k, "singular_value": 100.0 / k**2, "kept": 1.0 / k}
            | {"variance_share": 0.6 / k**2, "start_share": 0.2}
            for name in self.systems
            for k in range(1, 6)
        ]
        written |= {"direct": self.direct(), "direct_atoms": self.direct_atoms()}
        for name, rows in written.items():
            write_rows(root / f"{name}.csv", rows, getattr(tables, name.upper()))
        gauge = {
            "model": "ridge",
            "pair": "Ar-Kr",
            "r": [3.0, 5.0],
            "h_ev": [0.001, 0.0],
            "h_control_ev": [0.0, 0.0],
            "local_r": {"Ar": {"raw": 0.7, "pair": 0.9}, "Kr": {"raw": 0.7, "pair": 0.9}},
        }
        (root / "gauge.json").write_text(json.dumps({"mix": [gauge]} if "mix" in self.systems else {}))
        (root / "relation.json").write_text(json.dumps({name: relation() for name in self.systems}))
        (root / "study.json").write_text(json.dumps(self.study()))
        (root / "config.yaml").write_text("seed: 0  # <b>&amp;</b>\n")
        (root / "provenance.json").write_text(
            json.dumps({"versions": {"basinet": 'b <i>"'}, "stages": [{"name": "sweep", "wall_seconds": 1.0}]})
        )
        return root

    def points(self):
        rows = []
        for system in self.systems:
            for frame in range(20):
                x = -0.3 + 0.01 * self.rng.standard_normal()
                split = "train" if frame < 12 else "test"
                row = {"system": system, "frame": frame, "n_atoms": 32, "split": split, "e_es_ev": x}
                rows.append(row | {"e_rest_ev": -1.2 * x, "e_total_ev": -0.2 * x, "residual_mev": 0.2})
        return rows

    def direct(self):
        row = {"n_atoms": 32, "compared": "relation", "species": "all", "rmse_mev": 2.0, "spread_mev": 7.0}
        row |= {"pearson_r": 0.95, "pearson_r_low": 0.94, "pearson_r_high": 0.96, "pearson_r_within": 0.94}
        row |= {"slope": 1.02, "slope_low": 0.98, "slope_high": 1.06, "participation": 0.6, "n_values": 640}
        return [row | {"system": system} for system in self.systems]

    def direct_atoms(self):
        return [
            {"system": system, "n_atoms": 32, "species": species, "direct_mev": x + 2.0 * y, "relation_mev": x}
            for system in self.systems
            for species in ELEMENTS[system]
            for x, y in zip(7.0 * self.rng.standard_normal(200), self.rng.standard_normal(200), strict=True)
        ]

    def parity(self):
        rows = []
        for system in self.systems:
            for frame in range(30):
                x = self.rng.standard_normal()
                base = {"experiment": "sweep", "model": "network", "system": system, "split": "test", "frame": frame}
                base |= {"reference_mev": x, "prediction_mev": 0.9 * x}
                rows += [base | {"target": "total", "species": "all"}]
                rows += [base | {"target": "local", "species": element} for element in ELEMENTS[system]]
        return rows

    def curves(self):
        base = {"activation": "tanh", "depth": 1, "seed": 0}
        return [
            base
            | {"train_system": system, "width": width, "epoch": epoch}
            | {"train_rmse_mev": 1.0 / (1 + epoch), "validation_rmse_mev": 1.5 / (1 + epoch)}
            for system in self.systems
            for width in WIDTHS
            for epoch in (0, 10, 20)
        ]

    def rates(self):
        base = {"activation": "tanh", "depth": 1, "parametrisation": "standard", "lr": 0.01}
        base |= {"validation_rmse_mev": 1.0, "chosen": True}
        return [base | {"train_system": s, "width": width} for s in self.systems for width in WIDTHS]

    def study(self):
        named = {
            name: {"n_frames": 20, "n_atoms": 32, "elements": ELEMENTS[name], "n_by_split": {"train": 12}}
            for name in self.systems
        }
        chosen = {name: {"activation": "tanh", "depth": 1, "width": 16} for name in self.systems}
        return {
            "title": "Liquids <script>&",
            "data": {"systems": named},
            "chosen_architectures": chosen,
            "preset": "smoke",
            "command": "reproduce",
            "descriptor": {"rcut": 5.25, "twojmax": 6, "weights": {"Ar": 1.0, "Kr": 1.3}},
        }


def relation():
    figures = {"slope": -1.2, "intercept_ev_per_atom": -0.1, "species_offsets_ev": {}, "pinned_by": "isolated atoms"}
    figures |= {"rmse_mev_per_atom": 0.2, "pearson_r": -0.999, "null_r": -0.98, "n_frames": 12}
    figures |= {"pearson_r_total_es": -0.99, "unexplained_variance": 0.02}
    figures |= {"fitted_on": "train", "evaluated": {}, "isolated_atom_check_mev": {"Ar": -14.0}}
    return figures | {"intervals": {"unexplained_variance": [0.01, 0.03]}}


def build(root, systems):
    builder = Builder(systems)
    builder.sweep()
    builder.others()
    if "mix" in systems:
        builder.weights()
    return builder.write(Path(root))


@pytest.fixture(scope="session")
def full_directory(tmp_path_factory):
    """Two pure liquids and their mixture."""
    return build(tmp_path_factory.mktemp("full"), ["ar", "kr", "mix"])


@pytest.fixture(scope="session")
def report(full_directory):
    """The page of the full study; its figures lie beside it."""
    return write_report(full_directory)


@pytest.fixture(scope="session")
def results(full_directory):
    """The full study in memory."""
    return load_results(full_directory)


@pytest.fixture
def pure_directory(tmp_path):
    """One pure liquid."""
    return build(tmp_path / "pure", ["ar"])


@pytest.fixture
def mixture_directory(tmp_path):
    """A mixture alone."""
    return build(tmp_path / "mixture", ["mix"])


@pytest.fixture
def bare_directory(tmp_path):
    """The smallest table: one network of a system with a name of its own, no other file."""
    builder = Builder(["ar"])
    kind = NETWORK | {"seed": 0}
    builder.add("brine", "total", 0.9, experiment="sweep", **kind)
    root = tmp_path / "bare"
    root.mkdir()
    write_results(root / "results.csv", builder.rows, "total")
    return root
