"""`basinet relate`, `_describe` and `_select`: relation, descriptors and choice of descriptor of labelled frames."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from basinet.cli.options import (
    ENERGY_KEY,
    FORCES_KEY,
    EnergyKey,
    ForcesKey,
    Frames,
    Scheduler,
    Seed,
    Workers,
    _check_scheduler,
    _element_numbers,
    _numbers,
    _sizes,
    _text_table,
    flag,
    option,
)
from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from basinet.relation.relation import Relation

_COLUMNS = {
    "system": "", "frames": "d", "slope": ".4f", "intercept": ".3f", "rmse_mev": ".3f", "r": ".4f", "null_r": ".4f",
    "r_total_es": ".4f", "unexplained": ".4f", "r2_left_out": ".4f", "pinned_by": "",
}  # fmt: skip
_LEGEND = """E_rest = slope * E_es + intercept; intercept in eV per atom, rmse in meV per atom.
r: of E_rest and E_es; null_r: the same with E_tot shuffled; r_total_es: of E_tot and E_es; unexplained: share of the
variance of E_tot; r2_left_out: share of it that the line explains in blocks of frames it was not fitted to."""


def _relate(
    frames: Frames,
    out: Annotated[Path | None, option("FILE.extxyz", "Write all frames with REF_local_energy.")] = None,
    definition: Annotated[Literal["total", "electronic"], flag("Reading of the local Hartree energy.")] = "total",
    as_json: Annotated[bool, flag("Print relation.json's entries.", "--json")] = False,
    energy_key: EnergyKey = ENERGY_KEY,
    forces_key: ForcesKey = FORCES_KEY,
    seed: Seed = 0,
    force: Annotated[bool, flag("Write local energies of frames that show no relation.", "--force")] = False,
) -> None:
    """Fit E_rest = a E_es + b to each system's frames; write the local DFT energies that follow from it.

    Isolated atoms among the frames (config_type=IsolatedAtom) pin the offsets of a mixture's species. Where the line
    explains less than half of the variance of total energies of frames that it was not fitted to, or no more than
    chance does, there is no relation, and nothing is written without --force.
    """
    import json

    from basinet.files import plain
    from basinet.frames.reading import read_frames, system_of, write_frames
    from basinet.frames.splits import by_system, divided
    from basinet.jobs.directory import refuse_inputs_inside
    from basinet.relation.fit import fit_relation

    if out is not None:
        refuse_inputs_inside(out, frames)
    everything = read_frames(frames, energy_key=energy_key, forces_key=forces_key)
    liquid, isolated = divided(everything)
    relations = {system: fit_relation(own, isolated, seed=seed) for system, own in by_system(liquid).items()}
    for name, relation in relations.items():
        if relation.pinned_by == "equal shares":
            remedy = "add isolated atoms (config_type=IsolatedAtom), or compare local energies within an element alone"
            typer.echo(f"basinet: warning: {name}: nothing tells the elements' offsets apart; {remedy}", err=True)
    _tell_doubts(relations, refuse=out is not None and not force)
    if out is not None:
        for index, atoms in enumerate(liquid):
            local = relations[system_of(atoms)].local_energies(atoms, definition, index)
            atoms.arrays["REF_local_energy"] = local
        write_frames(out, everything)
    if as_json:
        typer.echo(json.dumps(plain({name: relation.to_dict() for name, relation in relations.items()}), indent=2))
        return
    typer.echo(_text_table([_row(name, relation) for name, relation in relations.items()], _COLUMNS))
    typer.echo(_LEGEND)
    _show_direct(relations, liquid)
    if out is not None:
        typer.echo(f"{out}: {len(liquid)} frames with REF_local_energy")


def _tell_doubts(relations: dict[str, Relation], *, refuse: bool) -> None:
    for name, relation in relations.items():
        if relation.doubts and refuse:
            raise InputError(f"system {name} shows no relation: {relation.doubts}; --force writes anyway")
        if relation.doubts:
            typer.echo(f"basinet: warning: system {name} shows no relation: {relation.doubts}", err=True)


_DIRECT_COLUMNS = {
    "system": "", "n_atoms": "d", "compared": "", "species": "", "pearson_r": ".4f", "pearson_r_low": ".4f",
    "pearson_r_high": ".4f", "pearson_r_within": ".4f", "slope": ".4f", "rmse_mev": ".3f", "spread_mev": ".3f",
    "participation": ".2f",
}  # fmt: skip


def _show_direct(relations: dict[str, Relation], liquid: Sequence[Atoms]) -> None:
    """Where frames of a system carry direct energies: how these go with the relation's, atom by atom."""
    from basinet.fidelity.direct import compare_direct_energies
    from basinet.frames.labels import DIRECT_ENERGY, all_labelled
    from basinet.frames.splits import by_system

    rows: list[dict[str, Any]] = []
    for name, own in by_system(liquid).items():
        if all_labelled(own, DIRECT_ENERGY):
            found = compare_direct_energies(own, relations[name]).to_dict("records")
            rows += [{str(column): value for column, value in row.items()} for row in found]
    if rows:
        typer.echo("\nDirect energies, not fitted, beside others, atom by atom (slope 1 expected; meV):")
        typer.echo(_text_table(rows, _DIRECT_COLUMNS))


def _row(name: str, relation: Relation) -> dict[str, Any]:
    renamed = {"system": name, "frames": relation.n_frames, "rmse_mev": 1e3 * relation.rmse, "r": relation.pearson_r}
    renamed |= {"r_total_es": relation.pearson_r_total_es, "unexplained": relation.unexplained_variance}
    return vars(relation) | renamed | {"r2_left_out": relation.r2_out_of_sample}


def _describe(
    frames: Frames,
    out: Annotated[Path, option("FILE.npz", "Where to write.")],
    rcut: Annotated[float, option("A", "Cutoff, Angstrom.")] = 5.25,
    twojmax: Annotated[int, option("N", "Twice the largest momentum.")] = 6,
    weights: Annotated[str | None, option("ELEMENT=W,...", "Neighbour weight of each element; 1 unless given.")] = None,
    radii: Annotated[
        str,
        option("KIND|ELEMENT=R,...", "Sizes: van_der_waals, equal, or R of each; a pair is cut off at rcut (R + R')."),
    ] = "van_der_waals",
) -> None:
    """Compute the bispectrum of every atom.

    The file is NumPy's .npz, the atoms of all frames one after another: descriptors (n_atoms, n_components);
    frame (n_atoms,), index of the atom's frame; numbers (n_atoms,), atomic numbers; components (n_components, 3),
    doubled momenta 2j1 2j2 2j; rcut in Angstrom; twojmax; elements, weights and radii, one each per element.
    """
    import numpy as np

    from basinet.descriptors import Bispectrum, element_radii
    from basinet.files import atomic_write
    from basinet.frames.labels import for_each_frame
    from basinet.frames.reading import read_frames
    from basinet.frames.splits import elements_of
    from basinet.jobs.directory import refuse_inputs_inside
    from basinet.potentials.training import default_descriptor

    refuse_inputs_inside(out, frames)
    chosen = _element_numbers(weights, "--weights") if weights is not None else None
    read = read_frames(frames)
    chosen = chosen or dict(default_descriptor(elements_of(read)).weights)
    descriptor = Bispectrum(rcut, twojmax, chosen, element_radii(chosen, _sizes(radii)))
    arrays: dict[str, Any] = {
        "descriptors": np.concatenate(for_each_frame(descriptor, read)),
        "frame": np.repeat(np.arange(len(read)), [len(atoms) for atoms in read]),
        "numbers": np.concatenate([atoms.numbers for atoms in read]),
        "components": np.array(descriptor.component_labels),
        "rcut": np.array(descriptor.rcut),
        "twojmax": np.array(descriptor.twojmax),
        "elements": np.array(list(descriptor.weights)),
        "weights": np.array(list(descriptor.weights.values())),
        "radii": np.array(list(descriptor.radii.values())),
    }
    with atomic_write(out, "wb") as stream:
        np.savez(stream, **arrays)
    typer.echo(f"{out}: {len(arrays['frame'])} atoms of {len(read)} frames, {descriptor.n_components} components")


_CANDIDATE_COLUMNS = {
    "rcut": "g", "twojmax": "d", "weights": "", "radii": "", "system": "", "validation_rmse_mev": ".3f",
    "validation_r": ".4f", "score": ".4f", "chosen": "",
}  # fmt: skip


def _select(
    frames: Frames,
    *,
    rcut: Annotated[str | None, option("A,...", "Cutoffs to try.")] = None,
    twojmax: Annotated[str | None, option("N,...", "Values to try.")] = None,
    weight_ratios: Annotated[str | None, option("W,...", "Ratios of neighbour weights to try.")] = None,
    sizes: Annotated[str | None, option("KIND,...", "Of equal and van_der_waals: cutoffs to try.")] = None,
    out: Annotated[Path | None, option("FILE.csv", "Write the table.")] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    energy_key: EnergyKey = ENERGY_KEY,
    forces_key: ForcesKey = FORCES_KEY,
    seed: Seed = 0,
) -> None:
    """Choose cutoff, twojmax, neighbour weights and sizes by the total energies of held-out frames.

    Ridge regression predicts contiguous folds of the training and validation frames; local energies and test
    frames play no part. Score: error over spread, mean of the systems. Chosen is the descriptor with the fewest
    components, then the weights nearest to 1, among those within one standard error of the least score.
    """
    from basinet.study.settings import load_study_config

    asked = {"rcut": rcut, "twojmax": twojmax, "weight_ratios": weight_ratios}
    candidates: dict[str, Any] = {
        key: _numbers(text, f"--{key.replace('_', '-')}") for key, text in asked.items() if text is not None
    }
    if sizes is not None:
        candidates["sizes"] = sizes.split(",")
    names = {"frames": [str(path) for path in frames], "energy_key": energy_key, "forces_key": forces_key}
    settings = load_study_config(
        changes={"data": names, "descriptor": candidates, "seed": seed, "cross_validation": {"folds": 0}}
    )

    from basinet.jobs.progress import Progress
    from basinet.jobs.workers import open_workers
    from basinet.study.run import choose_by_ridge, load_data, selection_rows
    from basinet.study.store import Store
    from basinet.study.tables import SELECTION, write_rows

    progress = Progress()
    data = load_data(settings, progress.note)
    _check_scheduler(scheduler)
    with TemporaryDirectory(prefix="basinet-") as folder:
        root = Path(folder)
        store = Store(root)
        for system in data.systems:
            store.write_system(system, system.definitions(settings.reference, settings.definition))
        with open_workers(workers, scheduler) as pool:
            descriptor, tasks = choose_by_ridge(pool, store, settings.descriptor, progress)
        rows = selection_rows(store, tasks, descriptor)
    if out is not None:
        write_rows(out, rows, SELECTION)
    typer.echo(_text_table(rows, _CANDIDATE_COLUMNS))
    weights = ",".join(f"{element}={weight:g}" for element, weight in descriptor.weights.items())
    radii = ",".join(f"{element}={radius:g}" for element, radius in descriptor.radii.items())
    typer.echo(f"chosen: --rcut {descriptor.rcut:g} --twojmax {descriptor.twojmax} --weights {weights} --radii {radii}")
