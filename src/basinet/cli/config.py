"""`basinet config`: check a config, or print what it may hold."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

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

    models = _models()
    # The kind first that knows most of the keys.
    keys = read_yaml(file).keys()
    kinds = (
        [kind] if kind is not None else sorted(_ConfigKind, key=lambda one: -len(keys & models[one][0].model_fields))
    )
    problems: list[InputError] = []
    for candidate in kinds:
        try:
            models[candidate][1](file)
        except InputError as error:
            problems.append(error)
        else:
            typer.echo(f"{file}: valid, for 'basinet {_COMMANDS[candidate]} {file}'")
            return
    raise problems[0]


def _models() -> dict[_ConfigKind, tuple[type[BaseModel], Callable[[Path], object]]]:
    """Class of the settings of each kind of config, and what reads such a file."""
    from basinet.labelling.settings import CampaignConfig, load_campaign_config
    from basinet.md.sampling import load_sample_config
    from basinet.md.settings import SampleConfig
    from basinet.study.settings import StudyConfig, TrainConfig, load_study_config, load_train_config

    return {
        _ConfigKind.study: (StudyConfig, lambda file: load_study_config(path=file)),
        _ConfigKind.train: (TrainConfig, load_train_config),
        _ConfigKind.sample: (SampleConfig, load_sample_config),
        _ConfigKind.dft: (CampaignConfig, load_campaign_config),
    }


@config_commands.command(epilog="Example: basinet config schema --kind train > train.schema.json")
def schema(
    kind: Annotated[
        _ConfigKind, typer.Option(help="What the config is for: reproduce, train, sample or dft.")
    ] = _ConfigKind.study,
) -> None:
    """Print the JSON schema of a config, for editors: every key with its type, default and meaning."""
    import json

    typer.echo(json.dumps(_models()[kind][0].model_json_schema(), indent=2))
