"""`basinet sample`: decorrelated configurations of noble-gas liquids."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any

import typer

from basinet.cli.options import OptionalSeed, option
from basinet.cli.output import _Interrupted, _Parts
from basinet.errors import InputError

if TYPE_CHECKING:
    from basinet.md.sampling import Sample


def _sample(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file.")],
    out: Annotated[Path | None, option("FILE.extxyz", "Where to write; SYSTEM.extxyz unless given.")] = None,
    seed: OptionalSeed = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files of an earlier run.")] = False,
) -> None:
    """Sample decorrelated configurations of a liquid of neon, argon, krypton, xenon by classical molecular dynamics.

    A lattice is melted far above the temperature, cooled and equilibrated; frames are taken as far apart as the liquid
    is measured to remember. What is no liquid is refused. FILE.json holds what was measured, FILE.yaml every setting.
    A run takes minutes, and one that was stopped starts anew.
    """
    from basinet.jobs.progress import Progress
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
    _write_sample(target, sampled)
    for line in _sample_lines(target, sampled.diagnostics):
        typer.echo(line)


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


def _write_sample(target: Path, sampled: Sample) -> None:
    """Write frames, settings and measurements, the frames last: where they are, the rest is."""
    from basinet.files import write_json, write_yaml
    from basinet.frames.reading import write_frames
    from basinet.jobs.provenance import provenance

    write_yaml(target.with_suffix(".yaml"), sampled.config.model_dump(mode="json"))
    write_json(target.with_suffix(".json"), {**sampled.diagnostics, "provenance": provenance()})
    write_frames(target, sampled.frames)


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
