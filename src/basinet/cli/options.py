"""Options that commands share, how their values are read, and tables on the terminal."""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import typer
from typer.core import TyperCommand
from typer.models import OptionInfo

from basinet.errors import InputError


def option(metavar: str, text: str, *names: str, **limits: Any) -> Any:
    """An option that takes a value, called `metavar` in its help."""
    return typer.Option(*names, metavar=metavar, help=text, **limits)


def flag(text: str, *names: str) -> Any:
    """An option without a value, or of a few named ones, which its help lists."""
    return typer.Option(*names, help=text)


Frames = Annotated[list[Path], typer.Argument(metavar="FRAMES", help="Extended XYZ files.")]
EnergyKey = Annotated[str, option("KEY", "Key of the total energies (eV) in the files.", "--energy-key")]
ForcesKey = Annotated[str, option("KEY", "Key of the forces (eV/A) in the files.", "--forces-key")]
Seed = Annotated[int, option("N", "Seed of everything that is random.", "--seed", min=0)]
OptionalSeed = Annotated[int | None, option("N", "Seed in place of the config's.", "--seed", min=0)]
Workers = Annotated[
    int | None, option("N", "Worker processes; one per core, at most 8, unless given.", "--workers", min=1)
]
Scheduler = Annotated[
    str | None, option("ADDRESS", "An existing Dask cluster, such as tcp://host:8786.", "--scheduler")
]
Resume = Annotated[bool, flag("Go on with what lies in the output directory.", "--resume")]
Overwrite = Annotated[bool, flag("Delete the output directory's content first.", "--overwrite")]
DefinitionOption = Annotated[
    Literal["direct", "total", "electronic"],
    flag("Of local energies: direct, or with a reading of the local Hartree energy: total, electronic."),
]

ENERGY_KEY = "REF_energy"
FORCES_KEY = "REF_forces"


def _numbers(text: str, option: str) -> list[float]:
    """Read numbers between commas.

    >>> _numbers("4.5,5.25", "--rcut")
    [4.5, 5.25]
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} {text}: expected numbers between commas, such as 4.5,5.25") from None


def _element_numbers(text: str, option: str) -> dict[str, float]:
    """Read a number for each element.

    >>> _element_numbers("Ar=1,Kr=1.3", "--weights")
    {'Ar': 1.0, 'Kr': 1.3}
    """
    pairs = [part.partition("=") for part in text.split(",")]
    try:
        values = {element.strip(): float(number) for element, _, number in pairs}
    except ValueError:
        values = {}
    if len(values) != len(pairs):
        raise InputError(f"{option} {text}: expected one number for each element, such as Ar=1,Kr=1.3")
    return values


def _sizes(text: str) -> Any:
    """Read a kind of sizes, or a radius for each element.

    >>> _sizes("equal"), _sizes("Ar=0.5,Kr=0.54")
    ('equal', {'Ar': 0.5, 'Kr': 0.54})
    """
    return text if text in ("equal", "van_der_waals") else _element_numbers(text, "--radii")


def _check_scheduler(address: str | None) -> None:
    """Refuse a Dask scheduler that does not answer, before anything is written."""
    if address is not None:
        from basinet.jobs.workers import open_workers

        with open_workers(None, address):
            pass


class _SeveralValues(TyperCommand):
    """A command whose options of several values take all that follow: ``--data a.xyz b.xyz``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for option in ("--data", "--reference", "--compose", "--divisions", "--isolated"):
            args = _repeat_option(args, option)
        return super().parse_args(ctx, args)


def _repeat_option(args: list[str], option: str) -> list[str]:
    """Repeat an option before every value that follows it.

    >>> _repeat_option(["--data", "a", "b", "--seed", "1"], "--data")
    ['--data', 'a', '--data', 'b', '--seed', '1']
    """
    result: list[str] = []
    values = 0
    inside = False
    for argument in args:
        if argument.startswith("-"):
            inside, values = argument == option, 0
        elif inside:
            values += 1
            if values > 1:
                result.append(option)
        result.append(argument)
    return result


def _text_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """Align rows; `columns` maps keys to formats of numbers. What is missing is a dash.

    >>> print(_text_table([{"system": "ar", "r": 0.98765}, {"system": "mix", "r": None}], {"system": "", "r": ".3f"}))
    system      r
    ar      0.988
    mix         -
    """
    cells = [list(columns)] + [[_cell(row.get(key), spec) for key, spec in columns.items()] for row in rows]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    right = [any(isinstance(row.get(key), int | float) for row in rows) for key in columns]
    lines = [
        "  ".join(
            cell.rjust(width) if of_numbers else cell.ljust(width)
            for cell, width, of_numbers in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    ]
    return "\n".join(lines)


def _cell(value: Any, spec: str) -> str:
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, spec) if isinstance(value, int | float) else str(value)


def _with_settings(settings: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that fields of a dataclass are annotated with; it gets their values as `settings`."""
    kinds = get_type_hints(settings, include_extras=True)

    def options() -> Iterator[inspect.Parameter]:
        for one in fields(settings):
            found = [part for part in getattr(kinds[one.name], "__metadata__", ()) if isinstance(part, OptionInfo)]
            if found:
                kind: Any = Annotated[get_args(kinds[one.name])[0], found[0]]
                yield inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=kind)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        parameters: list[inspect.Parameter] = []
        for name, parameter in inspect.signature(command).parameters.items():
            parameters += options() if name == "settings" else [parameter.replace(annotation=hints[name])]
        names = [one.name for one in options()]

        @wraps(command)
        def with_options(**values: Any) -> None:
            command(settings={name: values.pop(name) for name in names}, **values)

        with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_options

    return decorate
