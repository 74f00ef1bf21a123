"""`basinet sample`: decorrelated configurations of noble-gas liquids."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any

import typer

from basinet.cli.options import OptionalSeed, option
from basinet.cli.output import _Interrupted
from basinet.errors import InputError

if TYPE_CHECKING:
    from basinet.jobs.progress import Progress
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
    stages = _StageProgress(Progress(), settings.timestep)
    try:
        sampled = run_sampling(settings, stages)
    except KeyboardInterrupt:
        raise _Interrupted(f"interrupted; nothing was written to {target}, run the command again") from None
    finally:
        stages.finish()
    _write_sample(target, sampled)
    for line in _sample_lines(target, sampled.diagnostics):
        typer.echo(line)


def _files_beside(target: Path) -> tuple[Path, Path]:
    """Name the files of settings and of measurements beside the frames."""
    return target.with_suffix(".yaml"), target.with_suffix(".json")


def _refuse_existing(target: Path, config: Path, *, overwrite: bool) -> None:
    """Refuse, before anything is computed, to replace files that are there, or the config itself."""
    if target.suffix != ".extxyz":
        raise InputError(f"--out {target}: name a file that ends in .extxyz")
    for path in (target, *_files_beside(target)):
        if path.exists() and config.exists() and path.samefile(config):
            raise InputError(f"{path}: is the config, and the resolved config would replace it; choose another --out")
        if path.is_dir():
            raise InputError(f"{path}: is a directory; choose another --out")
        if path.exists() and not overwrite:
            raise InputError(f"{path}: is there already; use --overwrite or another --out")
    _refuse_unwritable(target)


def _refuse_unwritable(target: Path) -> None:
    """Refuse a folder in which no file can be made, or that cannot be made itself; nothing is left there."""
    from basinet.files import explained

    with explained(target):
        folder = next(place for place in target.absolute().parents if place.exists())
        with TemporaryFile(dir=folder):
            pass


def _write_sample(target: Path, sampled: Sample) -> None:
    """Write frames, settings and measurements, the frames last: where they are, the rest is."""
    from basinet.files import write_json, write_yaml
    from basinet.frames.reading import write_frames
    from basinet.jobs.provenance import provenance

    settings, measured = _files_beside(target)
    write_yaml(settings, sampled.config.model_dump(mode="json"))
    write_json(measured, {**sampled.diagnostics, "provenance": provenance()})
    write_frames(target, sampled.frames)


def _sample_lines(target: Path, found: dict[str, Any]) -> list[str]:
    """Say in a few lines what was sampled."""
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


class _StageProgress:
    """Progress of a run, in picoseconds."""

    def __init__(self, progress: Progress, timestep: float) -> None:
        self.progress, self.timestep = progress, timestep
        self.stage, self.told = "", 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take a report of the run: steps done, and steps in all."""
        if stage != self.stage:
            self.finish()
            self.stage, self.told = stage, 0
            self.progress.start(stage, [1.0] * self._picoseconds(total), unit="ps")
        while self.told < self._picoseconds(done):
            self.told += 1
            self.progress.advance(1.0, "ps")

    def _picoseconds(self, steps: int) -> int:
        return round(steps * self.timestep / 1000.0)

    def finish(self) -> None:
        """End the stage that is under way."""
        if self.stage:
            self.progress.finish()
            self.stage = ""
