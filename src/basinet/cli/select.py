"""`basinet select`: choose the descriptor by total energies."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

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
    check_scheduler,
    numbers,
)

COLUMNS = {
    "rcut": "g", "twojmax": "d", "weights": "", "radii": "", "system": "", "validation_rmse_mev": ".3f",
    "validation_r": ".4f", "score": ".4f", "chosen": "",
}  # fmt: skip


def select(
    frames: Frames,
    *,
    rcut: Annotated[str | None, typer.Option(metavar="A,...", help="Cutoffs to try.", show_default=False)] = None,
    twojmax: Annotated[str | None, typer.Option(metavar="N,...", help="Values to try.", show_default=False)] = None,
    weight_ratios: Annotated[
        str | None,
        typer.Option(metavar="W,...", help="Ratios of neighbour weights to try.", show_default=False),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(metavar="KIND,...", help="Of equal and van_der_waals: cutoffs to try.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the table.", show_default=False)] = None,
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
    from basinet.config import load_study_config
    from basinet.io.tables import write_table

    asked = {"rcut": rcut, "twojmax": twojmax, "weight_ratios": weight_ratios}
    candidates: dict[str, Any] = {
        key: numbers(text, f"--{key.replace('_', '-')}") for key, text in asked.items() if text is not None
    }
    if sizes is not None:
        candidates["sizes"] = sizes.split(",")
    names = {"frames": [str(path) for path in frames], "energy_key": energy_key, "forces_key": forces_key}
    settings = load_study_config(changes={"data": names, "descriptor": candidates, "seed": seed})

    from basinet.cli.table import text_table
    from basinet.execution.progress import Progress
    from basinet.execution.workers import connect
    from basinet.study.describing import choose_by_ridge
    from basinet.study.run import load_data
    from basinet.study.selection import SELECTION_COLUMNS, selection_rows
    from basinet.study.store import Store

    progress = Progress()
    data = load_data(settings.data, settings.split, settings.seed, progress.note)
    check_scheduler(scheduler)
    with TemporaryDirectory(prefix="basinet-") as folder:
        root = Path(folder)
        store = Store(root / "work")
        for system in data.systems:
            store.write_system(system, settings.definition)
        with connect(workers, scheduler, root / "work" / "compiled") as client:
            descriptor, tasks = choose_by_ridge(client, root, store, settings.descriptor, progress)
        rows = selection_rows(root, tasks, descriptor)
    if out is not None:
        write_table(out, rows, SELECTION_COLUMNS)
    typer.echo(text_table(rows, COLUMNS))
    weights = ",".join(f"{element}={weight:g}" for element, weight in descriptor.weights.items())
    radii = ",".join(f"{element}={radius:g}" for element, radius in descriptor.radii.items())
    typer.echo(f"chosen: --rcut {descriptor.rcut:g} --twojmax {descriptor.twojmax} --weights {weights} --radii {radii}")
