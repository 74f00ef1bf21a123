"""`basinet relate`: fit the relation, and write local energies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from basinet.cli.options import (
    ENERGY_KEY,
    FORCES_KEY,
    DefinitionOption,
    EnergyKey,
    ForcesKey,
    Frames,
    Seed,
)

if TYPE_CHECKING:
    from ase import Atoms

    from basinet.relation import Relation

COLUMNS = {
    "system": "", "frames": "d", "slope": ".4f", "intercept": ".3f", "rmse_mev": ".3f", "r": ".4f", "null_r": ".4f",
    "r_total_es": ".4f", "unexplained": ".4f", "pinned_by": "",
}  # fmt: skip
LEGEND = """E_rest = slope * E_es + intercept; intercept in eV per atom, rmse in meV per atom.
r: of E_rest and E_es; null_r: the same with E_tot shuffled; r_total_es: of E_tot and E_es; unexplained: share of the
variance of E_tot."""


def relate(
    frames: Frames,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.extxyz", help="Write all frames with REF_local_energy.", show_default=False),
    ] = None,
    definition: DefinitionOption = "total",
    as_json: Annotated[bool, typer.Option("--json", help="Print relation.json's entries.")] = False,
    energy_key: EnergyKey = ENERGY_KEY,
    forces_key: ForcesKey = FORCES_KEY,
    seed: Seed = 0,
) -> None:
    """Fit E_rest = a E_es + b to each system's frames; write the local DFT energies that follow from it.

    Isolated atoms among the frames (config_type=IsolatedAtom) pin the offsets of a mixture's species.
    """
    import json

    from basinet.cli.table import text_table
    from basinet.io.files import plain
    from basinet.io.frames import read_frames, write_frames
    from basinet.relation import fit_relation
    from basinet.study.scoring import by_system, divided, elements_of

    everything = read_frames(frames, energy_key=energy_key, forces_key=forces_key)
    liquid, isolated = divided(everything)
    relations = {}
    for system, own in by_system(liquid).items():
        known = [atoms for atoms in isolated if atoms.get_chemical_symbols()[0] in elements_of(own)]
        relations[system] = fit_relation(own, known or None, seed=seed)
    for name, relation in relations.items():
        if relation.pinned_by == "equal shares":
            remedy = "add isolated atoms (config_type=IsolatedAtom), or compare local energies within an element alone"
            typer.echo(f"basinet: warning: {name}: nothing tells the elements' offsets apart; {remedy}", err=True)
    if out is not None:
        for index, atoms in enumerate(liquid):
            _label(atoms, relations, definition, index)
        write_frames(out, everything)
    if as_json:
        typer.echo(json.dumps(plain({name: relation.to_dict() for name, relation in relations.items()}), indent=2))
        return
    typer.echo(text_table([_row(name, relation) for name, relation in relations.items()], COLUMNS))
    typer.echo(LEGEND)
    if out is not None:
        typer.echo(f"{out}: {len(liquid)} frames with REF_local_energy")


def _label(atoms: Atoms, relations: dict[str, Relation], definition: Any, index: int) -> None:
    from basinet.io.frames import system_of

    atoms.arrays["REF_local_energy"] = relations[system_of(atoms)].local_energies(atoms, definition, index)


def _row(name: str, relation: Relation) -> dict[str, Any]:
    return {
        "system": name,
        "frames": relation.n_frames,
        "slope": relation.slope,
        "intercept": relation.intercept,
        "rmse_mev": 1e3 * relation.rmse,
        "r": relation.pearson_r,
        "null_r": relation.null_r,
        "r_total_es": relation.pearson_r_total_es,
        "unexplained": relation.unexplained_variance,
        "pinned_by": relation.pinned_by,
    }
