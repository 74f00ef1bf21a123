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
    study = "study"
    train = "train"
    sample = "sample"
    dft = "dft"


_MEANING = "What the config is for: reproduce, train, sample or dft"


@config_commands.command(epilog="Example: basinet config validate study.yaml")
def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file.")],
    kind: Annotated[_ConfigKind | None, typer.Option(help=f"{_MEANING}; found out unless given.")] = None,
) -> None:
    """Check a config of 'basinet reproduce', 'train', 'sample' or 'dft run'; a mistake is named with its key."""
    from basinet.config.loading import read_yaml

    configs = _configs()
    # The kind first that knows most of the keys.
    keys = read_yaml(file).keys()
    kinds = [kind] if kind else sorted(_ConfigKind, key=lambda one: -len(keys & configs[one][0].model_fields))
    problems: list[InputError] = []
    for candidate in kinds:
        _, load, command = configs[candidate]
        try:
            load(file)
        except InputError as error:
            problems.append(error)
        else:
            typer.echo(f"{file}: valid, for 'basinet {command} {file}'")
            return
    raise problems[0]


def _configs() -> dict[_ConfigKind, tuple[type[BaseModel], Callable[[Path], object], str]]:
    from basinet.labelling.settings import CampaignConfig, load_campaign_config
    from basinet.md.sampling import load_sample_config
    from basinet.md.settings import SampleConfig
    from basinet.study.settings import StudyConfig, TrainConfig, load_study_config, load_train_config

    return {
        _ConfigKind.study: (StudyConfig, lambda file: load_study_config(path=file), "reproduce --config"),
        _ConfigKind.train: (TrainConfig, load_train_config, "train"),
        _ConfigKind.sample: (SampleConfig, load_sample_config, "sample"),
        _ConfigKind.dft: (CampaignConfig, load_campaign_config, "dft run"),
    }


@config_commands.command(epilog="Example: basinet config schema --kind train > train.schema.json")
def schema(kind: Annotated[_ConfigKind, typer.Option(help=f"{_MEANING}.")] = _ConfigKind.study) -> None:
    """Print the JSON schema of a config, for editors: every key with its type, default and meaning."""
    import json

    typer.echo(json.dumps(_configs()[kind][0].model_json_schema(), indent=2))
