"""`basinet md` and `basinet sample`: molecular dynamics with a model or any ASE calculator, and of noble gases."""

from __future__ import annotations

from functools import partial
from math import isfinite, nan
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any

import typer

from basinet.cli.models import _composed, _models_and_others
from basinet.cli.options import OptionalSeed, Overwrite, Resume, _with_settings, flag, option
from basinet.cli.output import _Interrupted, _Parts, results_directory
from basinet.errors import InputError
from basinet.md.dynamics_settings import DynamicsConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import RootModel

    from basinet.md.run import Ending

FREE = ("steps", "equilibration", "reference")
"""Settings that may change when a run goes on: none of them changes the motion."""
_PARTS = 100  # of a run, by which its progress is told
DENSITY_TOLERANCE = 0.01  # relative difference of densities beyond which a g(r) is not that of the same liquid


@_with_settings(DynamicsConfig)
def _md(
    files: Annotated[
        list[Path], typer.Argument(metavar="MODEL... START", help="Models (*.basinet) and an extended XYZ file.")
    ],
    *,
    settings: dict[str, Any],
    reference: Annotated[list[Path] | None, option("FILE...", "Frames whose g(r) is shown beside the run's.")] = None,
    out: Annotated[Path, option("DIR", "Output directory.")] = Path("md"),
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Run molecular dynamics, and measure: energy drift, temperature, g(r) beside a reference's, stability.

    START's last frame moves with the forces of the models (composed where there are several, the mean of the
    members) or of an ASE calculator. DIR holds trajectory.extxyz, log.csv, summary.json, rdf.csv and a figure.
    A run that was stopped goes on with --resume as if it had not been; with more --steps, a finished one grows longer.
    """
    from pydantic import RootModel

    from basinet.config.loading import validated

    missing = "no start given; name an extended XYZ file after the models"
    models, (start,) = _models_and_others(files, settings["calculator"], missing, one_start=True)
    given = settings | {"models": [*map(str, models)], "start": str(start), "reference": [*map(str, reference or ())]}
    config = validated(RootModel[DynamicsConfig], given, "basinet md")
    ending = _run_and_analyse(out, config, resume=resume, overwrite=overwrite)
    if ending.failure is not None:
        raise InputError(
            f"{out}: given up at step {ending.step} ({config.root.time(ending.step):g} ps): {ending.failure}; what was "
            "written is kept; try a shorter --timestep, or train the model on such configurations"
        )


def _run_and_analyse(out: Path, given: RootModel[DynamicsConfig], *, resume: bool, overwrite: bool) -> Ending:
    from basinet.files import write_json
    from basinet.jobs.directory import refuse_inputs_inside
    from basinet.jobs.progress import Progress
    from basinet.jobs.provenance import provenance
    from basinet.md.analysis import RDF, SUMMARY, analyse, summary, write_figure, write_rdf
    from basinet.md.run import RESTART, load_start, simulate

    config = given.root
    refuse_inputs_inside(out, [*config.models, config.start, *config.reference])

    progress = Progress()
    shown = _Parts(progress)
    warned: list[int] = []

    def reached(step: int) -> int:
        return min(_PARTS * step // config.steps, _PARTS)

    def begin(step: int) -> None:
        what = f"molecular dynamics, {config.ensemble.upper()}, {config.time(config.steps):g} ps"
        shown.begin(what, _PARTS, "parts", reached(step))

    def report(step: int, row: Mapping[str, Any]) -> None:
        count = row["extrapolating"]
        if count and not warned:
            warned.append(step)
            atoms = f"{count} atom{'s' if count > 1 else ''}"
            progress.note(f"step {step}: {atoms} outside the model's training range; the log counts them")
        shown.reach(reached(step), f"{row['time_ps']:.2f} ps, {row['temperature_k']:.0f} K")

    load = partial(load_start, config, partial(_calculator, config))
    with results_directory(out, given, load, resume=resume, overwrite=overwrite, computed=RESTART, free=FREE) as start:
        try:
            ending = simulate(out, start.atoms, config, inputs=start.checksums, begin=begin, report=report)
        finally:
            shown.finish()
        results = analyse(out, config, ending, start.reference)
        found = summary(results)
        write_rdf(out / RDF, results.structures)
        write_figure(results, out)
        write_json(out / SUMMARY, found)
        record = {**provenance(), "inputs": start.checksums, "seconds_per_step": ending.seconds}
        write_json(out / "provenance.json", record)
    typer.echo("\n".join(_summary_lines(out, found)))
    return ending


def _calculator(config: DynamicsConfig) -> Any:
    if config.calculator is not None:
        from basinet.fidelity.named import calculator_from

        return calculator_from(config.calculator)
    from basinet.potentials.calculator import Calculator

    return Calculator(_composed([Path(path) for path in config.models]), config.member, config.threads)


def _summary_lines(out: Path, found: Mapping[str, Any]) -> list[str]:
    said = [
        f"{out}: {found['atoms']} atoms, {found['ensemble'].upper()}, {found['steps']} steps, {found['time_ps']:g} ps"
    ]
    for key, name, unit in (
        ("temperature_k", "temperature", "K"),
        ("pressure_mpa", "pressure", "MPa"),
        ("energy_fluctuation_mev_per_atom", "energy fluctuation", "meV/atom"),
        ("energy_drift_mev_per_atom_per_ns", "energy drift", "meV/atom/ns"),
    ):
        value, error = (found[key][part] for part in ("value", "error")) if key in found else (nan, nan)
        if isfinite(value):
            said.append(
                f"  {name} {value:.4g} +- {error:.2g} {unit}" if isfinite(error) else f"  {name} {value:.4g} {unit}"
            )
    for pair, peak in found["pair_distribution"].items():
        text = f"  g(r) {pair}: first peak {peak['height']:.2f} at {peak['peak_angstrom']:.2f} A"
        if "difference" in peak:
            text += (
                f"; reference {peak['reference_height']:.2f} at {peak['reference_peak_angstrom']:.2f} A, "
                f"{100 * peak['difference']:.1f} % apart (noise {100 * peak['noise']:.1f} %)"
            )
        said.append(text)
    density, other = found.get("atoms_per_a3", 0.0), found.get("reference_atoms_per_a3", 0.0)
    if other and abs(density - other) > DENSITY_TOLERANCE * other:
        said.append(f"  the reference is of another density: {other:.4f} atoms per A3, the run {density:.4f}")
    if found.get("extrapolating_lines"):
        said.append(
            f"  outside the training range: up to {found['extrapolating_most_atoms']} atoms, in "
            f"{found['extrapolating_lines']} of {found['measured_lines']} lines of the log"
        )
    return said


def _sample(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file.")],
    out: Annotated[Path | None, option("FILE.extxyz", "Where to write; SYSTEM.extxyz unless given.")] = None,
    seed: OptionalSeed = None,
    overwrite: Annotated[bool, flag("Replace the files of an earlier run.", "--overwrite")] = False,
) -> None:
    """Sample decorrelated configurations of a liquid of neon, argon, krypton, xenon by classical molecular dynamics.

    A lattice is melted far above the temperature, cooled and equilibrated; frames are taken as far apart as the liquid
    is measured to remember. What is no liquid is refused. FILE.json holds what was measured, FILE.yaml every setting.
    A run takes minutes, and one that was stopped starts anew.
    """
    from basinet.files import write_json, write_yaml
    from basinet.frames.reading import write_frames
    from basinet.jobs.progress import Progress
    from basinet.jobs.provenance import provenance
    from basinet.md.sampling import load_sample_config, run_sampling

    settings = load_sample_config(config, {} if seed is None else {"seed": seed})
    target = out if out is not None else Path(f"{settings.name}.extxyz")
    _refuse_existing(target, config, overwrite=overwrite)
    stages = _Parts(Progress())

    def report(stage: str, *steps: int) -> None:
        done, total = (round(count * settings.timestep / 1000.0) for count in steps)
        if stage != stages.what:
            stages.begin(stage, total, "ps")
        stages.reach(done, "ps")

    try:
        sampled = run_sampling(settings, report)
    except KeyboardInterrupt:
        raise _Interrupted(f"interrupted; nothing was written to {target}, run the command again") from None
    finally:
        stages.finish()
    # Where frames are, the rest is.
    write_yaml(target.with_suffix(".yaml"), sampled.config.model_dump(mode="json"))
    write_json(target.with_suffix(".json"), {**sampled.diagnostics, "provenance": provenance()})
    write_frames(target, sampled.frames)
    typer.echo("\n".join(_sample_lines(target, sampled.diagnostics)))


def _refuse_existing(target: Path, config: Path, *, overwrite: bool) -> None:
    """Refuse, before anything is computed, to replace files that are there, or the config itself."""
    from basinet.files import explained

    if target.suffix != ".extxyz":
        raise InputError(f"--out {target}: name a file that ends in .extxyz")
    for path in (target, target.with_suffix(".yaml"), target.with_suffix(".json")):
        if path.exists() and config.exists() and path.samefile(config):
            raise InputError(f"{path}: is the config, and the resolved config would replace it; choose another --out")
        if path.is_dir():
            raise InputError(f"{path}: is a directory; choose another --out")
        if path.exists() and not overwrite:
            raise InputError(f"{path}: is there already; use --overwrite or another --out")
    with explained(target):  # a folder in which no file can be made, or that cannot be made itself
        folder = next(place for place in target.absolute().parents if place.exists())
        with TemporaryFile(dir=folder):
            pass


def _sample_lines(target: Path, found: dict[str, Any]) -> list[str]:
    effective, times = found["effective_frames"], found["correlation_time_ps"]
    peak = found["structure_factor"]
    state = f"{found['temperature_k']:.1f} K, {found['density_g_cm3']:.4f} g/cm3"
    memory = [
        f"{effective[name]:.0f} by {of} (correlation time {times[name]:.2f} ps)"
        for name, of in (("potential_energy", "the total energy"), ("local_energy", "the energies of atoms"))
    ]
    travel = ", ".join(
        f"D({element}) {1e5 * value['coefficient']:.2f}e-5 cm2/s" for element, value in found["diffusion_cm2_s"].items()
    )
    return [
        f"{target}: {found['frames']} frames of {found['system']}, {found['spacing_ps']:.2f} ps apart, {state}",
        f"  independent frames: {', '.join(memory)}",
        f"  liquid: S(k) at most {peak['largest']:.1f} (crystal {peak['crystal']:.0f}), {travel}",
    ]
