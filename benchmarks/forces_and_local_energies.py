"""Do forces repair the local energies? Ensembles trained on total energies, and on forces with growing weight.

    python benchmarks/forces_and_local_energies.py --out results/forces
    python benchmarks/forces_and_local_energies.py --systems ar --widths 32 --weights 0 1 --frames 10
    python benchmarks/forces_and_local_energies.py --widths 32 --weights 0 1 --pair-potential literature --out pairs

Trains on the shipped frames of 32 atoms (first 60 % of the time, the next 20 % validate), with the preset's descriptor
(cutoff 5.25 A, twojmax 6), tanh, one hidden layer, and scores the last 20 % of the time: Pearson r of total and local
energies, per species, by the members' mean and as the mean over the members; of the mixture also with the pair gauge
removed by coefficients fitted on validation frames, with the control of equal signs beside it (`basinet.fidelity`).
Lines `ceiling` are of networks trained on the local energies themselves, at the same descriptor.
`force` rows: Pearson r and RMSE (meV/A) of the members' mean forces. Writes DIR/forces.csv, which is added to, so that
systems can be run one after the other, and DIR/forces.png.

How exact the forces of the reference are bounds what can be reached: the net force on the atoms of a frame, which no
potential has, comes from the grid of the density. `noise` is its root mean square over the root of the atoms.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from basinet.fidelity.gauge import stack_pair_features
from basinet.fidelity.scoring import ScoredFrames, evaluation_rows, fitted_gauges, with_mean, without_gauges
from basinet.potentials.dataset import build_dataset
from basinet.potentials.network import Architecture
from basinet.potentials.pair_potential import chosen_pair_potential
from basinet.potentials.training import TrainingSettings, default_descriptor, train_ensemble
from basinet.study.run import load_data
from basinet.study.settings import DataSettings, TrainConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from basinet.potentials.ensemble import Ensemble
    from basinet.study.systems import StudySystem

COLUMNS = (
    "system", "n_train", "width", "force_weight", "target", "gauge", "species", "pearson_r", "pearson_r_low",
    "pearson_r_high", "member_r", "rmse_mev", "slope", "lr", "train_rmse_mev", "validation_rmse_mev",
    "train_force_rmse_mev", "validation_force_rmse_mev", "cpu_seconds",
)  # fmt: skip
COLOURS = (("ar", "tab:blue"), ("kr", "tab:red"), ("mix", "tab:green"))
CEILING = "ceiling"
"""In place of a weight: networks trained on the local energies themselves."""
Curve: TypeAlias = tuple[str, str, dict[str, str]]


def curve(name: str, colour: str, system: str, target: str, species: str = "all", gauge: str = "raw") -> Curve:
    """Name, colour and rows of a curve."""
    return name, colour, {"system": system, "target": target, "species": species, "gauge": gauge}


PANELS = (
    ("total energies", "pearson_r", [curve(s, c, s, "total") for s, c in COLOURS]),
    ("forces", "rmse_mev", [curve(s, c, s, "force") for s, c in COLOURS]),
    (
        "local energies",
        "pearson_r",
        [
            *(curve(system, colour, system, "local") for system, colour in COLOURS[:2]),
            curve("mix, Ar", "tab:green", "mix", "local", "Ar"),
            curve("mix, Kr", "tab:olive", "mix", "local", "Kr"),
        ],
    ),
    (
        "mixture: pair gauge removed, and control",
        "pearson_r",
        [
            curve(f"{species}, {gauge}", colour, "mix", "local", species, gauge)
            for species, gauge, colour in (
                ("Ar", "pair", "tab:green"),
                ("Ar", "control", "lightgreen"),
                ("Kr", "pair", "tab:olive"),
                ("Kr", "control", "khaki"),
            )
        ],
    ),
)


def force_row(model: Ensemble, system: StudySystem, block: np.ndarray) -> dict[str, Any]:
    """Fidelity of the mean forces on one block of frames."""
    frames = [system.frames[index] for index in block]
    predicted = np.concatenate([model.evaluate(atoms).forces for atoms in frames]).ravel()
    reference = np.concatenate([atoms.arrays["REF_forces"] for atoms in frames]).ravel()
    return {
        "target": "force",
        "gauge": "raw",
        "species": "all",
        "pearson_r": np.corrcoef(predicted, reference)[0, 1],
        "rmse_mev": 1e3 * np.sqrt(np.mean((predicted - reference) ** 2)),
        "slope": np.polyfit(reference, predicted, 1)[0],
    }


def scores(system: StudySystem, widths: list[int], weights: list[float], options: argparse.Namespace) -> Iterator[Any]:
    """Yield the rows of one system."""
    descriptor = default_descriptor(["Ar", "Kr"])
    data = build_dataset(
        system.name, system.frames, descriptor, system.e0, system.local_energies("total"),
        descriptor.derivatives, chosen_pair_potential(options.pair_potential, descriptor.weights),
    )  # fmt: skip
    features = stack_pair_features(system.frames, data.elements)
    blocks = {name: (block, np.isin(data.frame, block)) for name, block in system.split.blocks().items()}
    part = {name: data.select(block) for name, (block, _) in blocks.items()}
    if options.frames is not None:
        part["train"] = data.select(blocks["train"][0][-options.frames :])
    held, test = (ScoredFrames(part[n], features[blocks[n][1]], n) for n in ("validation", "test"))
    for width in widths:
        for weight in (*weights, CEILING):
            ceiling = weight == CEILING
            settings = TrainingSettings(
                learning_rates=options.rates,
                search_members=options.searchers,
                max_steps=options.steps,
                force_weight=0.0 if ceiling else weight,
            )
            trained = train_ensemble(
                part["train"], part["validation"], descriptor, system.e0, Architecture("tanh", 1, width), settings,
                members=options.members, seed=0, target="local" if ceiling else "total",
            )  # fmt: skip
            model = trained.ensemble
            gauges = fitted_gauges(with_mean(model.predict(held.dataset), 0)[0], held)
            values, seeds = with_mean(model.predict(test.dataset), 0)
            rows = list(evaluation_rows(values, test, seeds, {}, without_gauges(values, test, gauges)))
            shared = {
                "system": system.name,
                "n_train": part["train"].n_frames,
                "width": width,
                "force_weight": weight,
                "lr": trained.learning_rate,
                "train_rmse_mev": 1e3 * trained.train_rmse.mean(),
                "validation_rmse_mev": 1e3 * trained.validation_rmse.mean(),
                "cpu_seconds": trained.cpu_seconds,
                **{f"{name}_force_rmse_mev": 1e3 * rmse.mean() for name, rmse in trained.force_rmse.items()},
            }
            for row in rows:
                if row["seed"] == "mean":
                    alike = [r for r in rows if all(r[k] == row[k] for k in ("target", "gauge", "species"))]
                    member_r = np.mean([r["pearson_r"] for r in alike if r["seed"] != "mean"])
                    yield shared | {k: v for k, v in row.items() if k in COLUMNS} | {"member_r": member_r}
            yield shared | force_row(model, system, blocks["test"][0])


def noise(system: StudySystem) -> float:
    """Noise of a component of the reference's forces, meV/A, by the net force."""
    net = np.array([atoms.arrays["REF_forces"].sum(axis=0) for atoms in system.frames])
    return float(1e3 * np.sqrt(np.mean(net**2) / system.n_atoms))


def read(path: Path) -> list[dict[str, Any]]:
    """Rows of the table so far."""
    if not path.exists():
        return []
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def line(rows: list[dict[str, Any]]) -> str:
    """One line of the printed table from the rows of one training."""
    value = {(r["target"], r["gauge"], r["species"]): r for r in rows}
    local = [
        f"{gauge[0]}:{species} {float(r['pearson_r']):.3f} ({float(r['member_r']):.3f})"
        for (target, gauge, species), r in value.items()
        if target == "local" and (species != "all" or ("local", gauge, "Kr") not in value)
    ]
    total, force = value["total", "raw", "all"], value["force", "raw", "all"]
    return (
        f"{total['system']:>4} {total['width']:>5} {total['force_weight']:>7} {float(total['lr']):>7g}"
        f" {float(total['pearson_r']):.4f} {float(total['rmse_mev']):.3f}  {float(force['pearson_r']):.4f}"
        f" {float(force['rmse_mev']):5.1f}  {float(total['cpu_seconds']):5.0f}  " + "  ".join(local)
    )


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Fidelity of totals, forces and local energies against the weight of the forces; a line style for each width."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    rows = [row for row in rows if row["force_weight"] != CEILING]
    weights = sorted({float(row["force_weight"]) for row in rows})
    styles = dict(zip(sorted({int(row["width"]) for row in rows}), ("-", "--", ":", "-."), strict=False))
    figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained", sharex=True)
    for axis, (title, column, curves) in zip(axes.flat, PANELS, strict=True):
        for name, colour, key in curves:
            for width, style in styles.items():
                own = [row for row in rows if all(row[k] == v for k, v in key.items()) and int(row["width"]) == width]
                points = sorted((weights.index(float(row["force_weight"])), float(row[column])) for row in own)
                label = name if width == min(styles) else None
                axis.plot(*np.reshape(points, (-1, 2)).T, style, marker="o", ms=3.5, color=colour, label=label)
        axis.set(title=title, ylabel="Pearson r" if column == "pearson_r" else "RMSE, meV/A")
        axis.set_xticks(range(len(weights)), [f"{weight:g}" for weight in weights])
        if axis is axes[0, 0]:
            for width, style in styles.items():
                axis.plot([], [], style, color="black", label=f"width {width}")
        axis.legend(fontsize=8, ncols=2)
    for axis in axes[1]:
        axis.set_xlabel("weight of forces, A$^2$ (0: total energies only)")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Train, print the table, write it and draw it."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--systems", nargs="+", default=["ar", "kr", "mix"])
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 0.01, 0.1, 1.0, 10.0], help="A^2")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.003, 0.01], help="learning rates to choose from")
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--searchers", type=int, default=2, help="members that take part in the choice of the rate")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--frames", type=int, help="training frames, the last ones in time; all unless given")
    parser.add_argument("--pair-potential", choices=["literature"], help="learn the difference to it")
    parser.add_argument("--out", type=Path, default=Path("forces"), metavar="DIR")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / "forces.csv"
    rows = read(table)
    found = load_data(TrainConfig(data=DataSettings(size_transfer=False)), print).systems
    print("system, width, weight/A^2, rate; total r, RMSE (meV/atom); forces r, RMSE (meV/A); CPU s; local r (members)")
    for system in found:
        if system.name not in options.systems:
            continue
        print(f"{system.name}: {len(system.frames)} frames, noise of the forces {noise(system):.1f} meV/A", flush=True)
        started = time.monotonic()
        own: list[dict[str, Any]] = []
        for row in scores(system, options.widths, options.weights, options):
            own.append(row)
            if row["target"] == "force":
                print(line(own), flush=True)
                rows, own = rows + own, []
                with table.open("w", newline="") as stream:
                    writer = csv.DictWriter(stream, COLUMNS)
                    writer.writeheader()
                    writer.writerows(rows)
        print(f"{time.monotonic() - started:.0f} s", flush=True)
    draw(rows, options.out / "forces.png")


if __name__ == "__main__":
    main()
