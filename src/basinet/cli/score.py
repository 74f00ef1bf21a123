"""`basinet score`: atomic energies of potentials beside DFT's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from basinet.cli.options import ENERGY_KEY, EnergyKey, Overwrite, Resume, Workers, _text_table, option
from basinet.cli.output import _complain
from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

_COLUMNS = {
    "model": "", "system": "", "n_atoms": "d", "definition": "", "species": "", "total_r": ".3f", "local_r": ".3f",
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
    from basinet.fidelity.score import calculate, marks_among, score_summary, scores_of, spread_over
    from basinet.jobs.directory import prepared, refuse_inputs_inside
    from basinet.jobs.progress import Progress
    from basinet.jobs.store import Results

    names = list(dict.fromkeys(text for text in inputs if is_potential(text)))
    files = [Path(text) for text in inputs if not is_potential(text)]
    if not names:
        raise InputError("no potential given; name one, such as lj or gfn2-xtb, a *.basinet file or MODULE:CALLABLE")
    refuse_inputs_inside(out, [*files, *(name for name in names if Path(name).exists())])
    frames = _frames(files, energy_key)
    with prepared(out, resume=resume, overwrite=overwrite):
        asked = list(dict.fromkeys([*names, *marks_among(frames)]))
        predicted, failures = calculate(asked, spread_over(frames, most), out / "work", workers, Progress())
        found = scores_of(predicted, frames, Results(out / "work", list[dict[str, Any]]))
        failures |= found.failures
        if {*names} - failures.keys():
            from basinet.files import write_table
            from basinet.study.report.score import write_score
            from basinet.study.tables import records

            write_table(out / "scores.csv", found.table)
            typer.echo(_text_table(records(score_summary(found.table)), _COLUMNS))
            for note in found.notes:
                typer.echo(f"note: {note}")
            typer.echo(write_score(out, found))
    for name, reason in failures.items():
        _complain(reason if name in reason else f"{name}: {reason}", 2)
    if failures:
        raise typer.Exit(2)


def _frames(files: Sequence[Path], energy_key: str) -> list[Atoms]:
    if not files:
        from basinet.fidelity.score import shipped_frames

        return shipped_frames()
    from basinet.frames.reading import read_frames

    return read_frames(files, energy_key=energy_key)
