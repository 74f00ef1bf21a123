"""Output directories are created, resumed and emptied; only our own are ever deleted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from basinet.errors import InputError
from basinet.jobs.directory import MARKER, prepared
from basinet.labelling.campaign import open_campaign
from basinet.study.report.page import write_report


def prepare(directory: Path, **options: bool) -> Path:
    with prepared(directory, **options):
        return directory


def listing(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_an_output_directory_is_created_and_may_be_resumed_or_overwritten(tmp_path):
    out = prepare(tmp_path / "deep" / "out", resume=False, overwrite=False)
    (out / "models").mkdir()
    (out / "models" / "one").write_text("weights")
    with pytest.raises(InputError, match="is not empty; use --resume, --overwrite"):
        prepare(out, resume=False, overwrite=False)
    assert prepare(out, resume=True, overwrite=False) == out
    assert (out / "models" / "one").exists()
    prepare(out, resume=False, overwrite=True)
    assert listing(out) == [MARKER]


@pytest.mark.parametrize("content", ["thesis.tex", "config.yaml"])
def test_overwrite_never_deletes_what_is_not_ours(tmp_path, content):
    (tmp_path / content).write_text("years of work")
    with pytest.raises(InputError, match="deletes only outputs of basinet"):
        prepare(tmp_path, resume=False, overwrite=True)
    assert (tmp_path / content).exists()


def test_overwrite_never_deletes_a_repository_or_where_we_work(tmp_path, monkeypatch):
    repository = prepare(tmp_path / "repository", resume=False, overwrite=False)
    (repository / ".git").mkdir()
    here = prepare(tmp_path / "here", resume=False, overwrite=False)
    (here / "below").mkdir()
    monkeypatch.chdir(here / "below")
    for directory in (repository, here, Path("..")):
        with pytest.raises(InputError, match="deletes only"):
            prepare(directory, resume=False, overwrite=True)


def test_overwrite_does_not_follow_links_out_of_the_directory(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").write_text("")
    out = prepare(tmp_path / "out", resume=False, overwrite=False)
    (out / "data").symlink_to(tmp_path / "data")
    prepare(out, resume=False, overwrite=True)
    assert (tmp_path / "data" / "precious").exists()


@pytest.mark.parametrize("name", [".lock", "config.yaml", "results/00000.json", "models/none"])
def test_a_file_that_is_a_link_or_a_pipe_is_not_written_through(tmp_path, name):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    out = prepare(tmp_path / "out", resume=False, overwrite=False)
    for file in ("config.yaml", "frames.extxyz", "results.csv"):
        (out / file).write_text("")
    path = out / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)

    def refused(action):
        with pytest.raises(InputError, match=rf"{name}: is a link or a pipe"):
            action()

    for target in (precious, tmp_path / "nowhere"):
        path.symlink_to(target)
        refused(prepared(out, resume=True, overwrite=False).__enter__)
        refused(prepared(out, resume=False, overwrite=True).__enter__)
        refused(lambda: write_report(out))
        path.unlink()
    os.mkfifo(path)
    refused(prepared(out, resume=True, overwrite=False).__enter__)
    if name != "config.yaml":
        refused(lambda: open_campaign(out))
    assert precious.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_contradictory_flags_and_a_file_in_the_way_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="exclude each other"):
        prepare(tmp_path / "new", resume=True, overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        prepare(tmp_path / "file", resume=False, overwrite=True)
