"""`basinet score`: atomic energies of potentials beside DFT's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from basinet.cli.options import ENERGY_KEY, EnergyKey, Overwrite, Resume, Workers, _text_table, option
from basinet.cli.output import _complain
from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from basinet.fidelity.score import ScoreTables

_COLUMNS = {
    "model": "", "system": "", "composition": "", "definition": "", "species": "", "total_r": ".3f", "local_r": ".3f",
    "within": ".3f", "gauge_removed": ".3f", "control": ".3f", "floor": ".3f", "ceiling": ".3f", "verdict": "",
}  # fmt: skip


def _score(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL|NAME... [FRAMES...]",
            help="Potentials: names (lj, gfn2-xtb, chgnet, sevennet-0, ...), models (*.basinet), LAMMPS commands "
            "(*.lammps), MODULE:CALLABLE that return an ASE calculator; and extended XYZ files, the shipped frames if "
            "there are none.",
        ),
    ],
    out: Annotated[Path, option("DIR", "Output directory.")] = Path("score"),
    most: Annotated[
        int | None, option("N", "At most N frames of each system and size, evenly spread over its time.", min=3)
    ] = None,
    workers: Workers = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    energy_key: EnergyKey = ENERGY_KEY,
) -> None:
    """Compare the atomic energies of potentials with DFT's, beside marks: floor, ceiling and a pair potential.

    A line for each potential, system and species: Pearson r of totals and of local energies, 'within' with each frame
    centred, 'gauge_removed' without what totals leave free in a mixture, beside its equal-sign 'control'. Writes
    DIR/scores.csv and the page DIR/score.html, whose path is the last line. A potential that cannot be scored is told
    in one line and does not hold up the others; the exit code is then 2.
    """
    from basinet.fidelity.named import is_potential
    from basinet.fidelity.score import calculate, marks_among, scores_of, spread_over
    from basinet.jobs.directory import prepared, refuse_inputs_inside
    from basinet.jobs.progress import Progress
    from basinet.jobs.store import Results

    potential = {text: is_potential(text) for text in inputs}
    names = [text for text in potential if potential[text]]
    files = [Path(text) for text in inputs if not potential[text]]
    if not names:
        raise InputError("no potential given; name one, such as lj or gfn2-xtb, a *.basinet file or MODULE:CALLABLE")
    refuse_inputs_inside(out, [*files, *(name for name in names if Path(name).exists())])
    frames = _frames(files, energy_key)
    with prepared(out, resume=resume, overwrite=overwrite):
        models = list(dict.fromkeys([*names, *marks_among(frames)]))
        chosen = spread_over(frames, most)
        predicted, failures, notes = calculate(models, chosen, out / "work", workers, Progress())
        if any(predicted[name] for name in names):
            found = scores_of(predicted, frames, names, Results(out / "work", list[dict[str, Any]]))
            failures |= found.failures
            unasked = [f"{name}: {reason}" for name, reason in failures.items() if name not in names]
            _report(out, replace(found, notes=[*notes, *unasked, *found.notes]))
    failures = {name: reason for name, reason in failures.items() if name in names}
    for name, reason in failures.items():
        _complain(reason if name in reason else f"{name}: {reason}", 2)
    if failures:
        raise typer.Exit(2)


def _report(out: Path, scores: ScoreTables) -> None:
    """Write and print scores, if there are any."""
    if scores.table.empty:
        return
    from basinet.fidelity.score import score_summary
    from basinet.files import write_table
    from basinet.study.report.score import write_score
    from basinet.study.tables import records

    write_table(out / "scores.csv", scores.table)
    typer.echo(_text_table(records(score_summary(scores.table)), _COLUMNS))
    for note in scores.notes:
        typer.echo(f"note: {note}")
    typer.echo(write_score(out, scores))


def _frames(files: Sequence[Path], energy_key: str) -> list[Atoms]:
    if not files:
        from basinet.fidelity.score import shipped_frames

        return shipped_frames()
    from basinet.frames.reading import read_frames

    return read_frames(files, energy_key=energy_key)
