"""What docs/campaigns.md shows is run as it stands there, with the stand-in for CP2K on the PATH."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from pydantic import BaseModel
from tests.labelling.campaigns import fake, frames
from typer.testing import CliRunner

from basinet.cli.app import app
from basinet.cp2k.writer import _PLACEHOLDERS, Request, read_template
from basinet.frames.reading import read_frames, write_frames
from basinet.labelling.settings import CampaignConfig, RetrySettings, load_campaign_config

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs" / "campaigns.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\w+\.yaml)\n")
COUNT = 3


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture
def place(tmp_path, monkeypatch, page):
    """A directory with all that the page names; its CP2K is quick."""
    write_frames(tmp_path / "start.extxyz", frames(COUNT))
    for language, text in BLOCK.findall(page):
        if language == "yaml":
            (tmp_path / NAMED.match(text)[1]).write_text(text)
        elif not language:
            (tmp_path / "own.inp").write_text(text)
    program = tmp_path / "bin" / "cp2k"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {fake(tmp_path)} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_runs(place, page):
    pytest.importorskip("cryptography", reason="pip install 'basinet[cluster]'")
    for language, text in BLOCK.findall(page):
        for line in text.splitlines() if language == "sh" else []:
            program, *words = shlex.split(line)
            assert program == "basinet"
            # The shipped frames have more atoms than the stand-in can do.
            spelled = [{"reference": "argon", "32": "4"}.get(word, word) for word in words]
            result = CliRunner().invoke(app, spelled)
            assert result.exit_code == 0, (line, result.stderr, result.exception)
    assert len(read_frames(place / "argon.extxyz")) == COUNT


@pytest.mark.usefixtures("place")
def test_every_config_is_one(page):
    for language, text in BLOCK.findall(page):
        if language == "yaml":
            load_campaign_config(NAMED.match(text)[1], {"frames": ["start.extxyz"]})


def test_the_template_serves_every_mode(place):
    (place / "own.yaml").write_text("frames: start.extxyz\ntemplate: own.inp\n")
    for mode in ("single_points", "aimd"):
        config = load_campaign_config("own.yaml", {"mode": mode, "wavefunction_chain": 2})
        request = Request(steps=config.aimd.segment if mode == "aimd" else 0, keep_wavefunction=True)
        read_template("own.inp").check(frames(1)[0], request, config.aimd)


def keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Names of all keys, with dots."""
    found = []
    for name, field in model.model_fields.items():
        sections = [part for part in (field.annotation, *getattr(field.annotation, "__args__", ())) if is_section(part)]
        found += keys(sections[0], f"{prefix}{name}.") if sections else [f"{prefix}{name}"]
    return found


def is_section(part):
    return isinstance(part, type) and issubclass(part, BaseModel)


def test_every_key_every_kind_of_failure_and_every_placeholder_is_explained(page):
    assert [key for key in keys(CampaignConfig) if f"\n| `{key}` |" not in page] == []
    assert [
        key for key in re.findall(r"\n\| `([\w.]+)` \|", page) if "." in key and key not in keys(CampaignConfig)
    ] == []
    for kind, field in RetrySettings.model_fields.items():
        default = field.default
        assert re.search(rf"\n\| `{kind}` \| [^|]+ \| {default} \|", page), kind
    assert [name for name in _PLACEHOLDERS if f"`{{{{{name}}}}}`" not in page] == []
