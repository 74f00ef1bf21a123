"""`basinet config`: check a config, or print what it may hold."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from basinet.errors import InputError

if TYPE_CHECKING:
    from pydantic import BaseModel

config_commands = typer.Typer(help="Check a config, or print what it may hold.", rich_markup_mode=None)


class _ConfigKind(StrEnum):
    """Command that a config is for."""

    study = "study"
    train = "train"
    sample = "sample"
    dft = "dft"


_COMMANDS = {
    _ConfigKind.study: "reproduce --config",
    _ConfigKind.train: "train",
    _ConfigKind.sample: "sample",
    _ConfigKind.dft: "dft run",
}

_ConfigKindOption = Annotated[
    _ConfigKind | None,
    typer.Option(help="What the config is for: reproduce, train, sample or dft; found out unless given."),
]


@config_commands.command(epilog="Example: basinet config validate study.yaml")
def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file.")], kind: _ConfigKindOption = None
) -> None:
    """Check a config of 'basinet reproduce', 'train', 'sample' or 'dft run'; a mistake is named with its key."""
    from basinet.config.loading import read_yaml

    kinds = [kind] if kind is not None else _kinds_by_keys(read_yaml(file))
    problems: list[InputError] = []
    for candidate in kinds:
        try:
            _load_config(candidate, file)
        except InputError as error:
            problems.append(error)
        else:
            typer.echo(f"{file}: valid, for 'basinet {_COMMANDS[candidate]} {file}'")
            return
    raise problems[0]


def _load_config(kind: _ConfigKind, file: Path) -> None:
    """Read a config of some kind; InputError where it is none."""
    from basinet.labelling.settings import load_campaign_config
    from basinet.md.sampling import load_sample_config
    from basinet.study.settings import load_study_config, load_train_config

    if kind is _ConfigKind.study:
        load_study_config(path=file)
    elif kind is _ConfigKind.train:
        load_train_config(file)
    elif kind is _ConfigKind.sample:
        load_sample_config(file)
    else:
        load_campaign_config(file)


def _model_of(kind: _ConfigKind) -> type[BaseModel]:
    """The model of a config."""
    from basinet.labelling.settings import CampaignConfig
    from basinet.md.settings import SampleConfig
    from basinet.study.settings import StudyConfig, TrainConfig

    models: dict[_ConfigKind, type[BaseModel]] = {
        _ConfigKind.study: StudyConfig,
        _ConfigKind.train: TrainConfig,
        _ConfigKind.sample: SampleConfig,
        _ConfigKind.dft: CampaignConfig,
    }
    return models[kind]


def _kinds_by_keys(values: dict[str, Any]) -> list[_ConfigKind]:
    """All kinds, the one first that knows most of the keys."""
    return sorted(_ConfigKind, key=lambda kind: -len(values.keys() & _model_of(kind).model_fields))


@config_commands.command(epilog="Example: basinet config schema --kind train > train.schema.json")
def schema(
    kind: Annotated[
        _ConfigKind, typer.Option(help="What the config is for: reproduce, train, sample or dft.")
    ] = _ConfigKind.study,
) -> None:
    """Print the JSON schema of a config, for editors: every key with its type, default and meaning."""
    import json

    typer.echo(json.dumps(_model_of(kind).model_json_schema(), indent=2))
