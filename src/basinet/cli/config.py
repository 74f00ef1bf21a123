"""`basinet config`: check a config, or print what it may hold."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from basinet.errors import InputError

config_commands = typer.Typer(help="Check a config, or print what it may hold.", rich_markup_mode=None)


class Kind(StrEnum):
    """Command that a config is for."""

    study = "study"
    train = "train"


KindOption = Annotated[
    Kind | None, typer.Option(help="What the config is for: reproduce or train; found out unless given.")
]


@config_commands.command(epilog="Example: basinet config validate study.yaml")
def validate(file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file.")], kind: KindOption = None) -> None:
    """Check a config of 'basinet reproduce' or 'basinet train'; a mistake is named with its key."""
    from basinet.config import load_study_config, load_train_config, read_yaml

    values = read_yaml(file)
    kinds = [kind] if kind is not None else kinds_by_keys(values)
    problems: list[InputError] = []
    for candidate in kinds:
        try:
            if candidate is Kind.study:
                load_study_config(path=file)
            else:
                load_train_config(file)
        except InputError as error:
            problems.append(error)
        else:
            command = "reproduce --config" if candidate is Kind.study else "train"
            typer.echo(f"{file}: valid, for 'basinet {command} {file}'")
            return
    raise problems[0]


def kinds_by_keys(values: dict[str, Any]) -> list[Kind]:
    """Both kinds, the one first that knows more of the keys."""
    from basinet.config import StudyConfig, TrainConfig

    study, train = (len(values.keys() & model.model_fields) for model in (StudyConfig, TrainConfig))
    return [Kind.train, Kind.study] if train > study else [Kind.study, Kind.train]


@config_commands.command(epilog="Example: basinet config schema --kind train > train.schema.json")
def schema(
    kind: Annotated[Kind, typer.Option(help="What the config is for: reproduce or train.")] = Kind.study,
) -> None:
    """Print the JSON schema of a config, for editors: every key with its type, default and meaning."""
    import json

    from basinet.config import StudyConfig, TrainConfig

    model = StudyConfig if kind is Kind.study else TrainConfig
    typer.echo(json.dumps(model.model_json_schema(), indent=2))
