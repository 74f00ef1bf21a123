"""Output directories are created, resumed and emptied; only our own are ever deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from basinet.errors import InputError
from basinet.jobs.directory import MARKER, _prepare_output


def listing(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_an_output_directory_is_created_and_may_be_resumed_or_overwritten(tmp_path):
    out = _prepare_output(tmp_path / "deep" / "out", resume=False, overwrite=False)
    (out / "models").mkdir()
    (out / "models" / "one").write_text("weights")
    with pytest.raises(InputError, match="is not empty; use --resume, --overwrite"):
        _prepare_output(out, resume=False, overwrite=False)
    assert _prepare_output(out, resume=True, overwrite=False) == out
    assert (out / "models" / "one").exists()
    _prepare_output(out, resume=False, overwrite=True)
    assert listing(out) == [MARKER]


@pytest.mark.parametrize("content", ["thesis.tex", "config.yaml"])
def test_overwrite_never_deletes_what_is_not_ours(tmp_path, content):
    (tmp_path / content).write_text("years of work")
    with pytest.raises(InputError, match="deletes only outputs of basinet"):
        _prepare_output(tmp_path, resume=False, overwrite=True)
    assert (tmp_path / content).exists()


def test_overwrite_never_deletes_a_repository_or_where_we_work(tmp_path, monkeypatch):
    repository = _prepare_output(tmp_path / "repository", resume=False, overwrite=False)
    (repository / ".git").mkdir()
    here = _prepare_output(tmp_path / "here", resume=False, overwrite=False)
    (here / "below").mkdir()
    monkeypatch.chdir(here / "below")
    for directory in (repository, here, Path("..")):
        with pytest.raises(InputError, match="deletes only"):
            _prepare_output(directory, resume=False, overwrite=True)


def test_overwrite_does_not_follow_links_out_of_the_directory(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").write_text("")
    out = _prepare_output(tmp_path / "out", resume=False, overwrite=False)
    (out / "data").symlink_to(tmp_path / "data")
    _prepare_output(out, resume=False, overwrite=True)
    assert (tmp_path / "data" / "precious").exists()


def test_contradictory_flags_and_a_file_in_the_way_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="exclude each other"):
        _prepare_output(tmp_path / "new", resume=True, overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        _prepare_output(tmp_path / "file", resume=False, overwrite=True)
