"""What happens to an output directory: agreed to, locked, resumed, and never lost to a mistake."""

from __future__ import annotations

import fcntl

import pytest
from tests.cli.refusal import assert_refused

from basinet.cli.options import _repeat_option
from basinet.cli.output import _Interrupted, results_directory
from basinet.errors import InputError
from basinet.files import LOCK, write_json
from basinet.jobs.directory import _locked
from basinet.study.settings import TrainConfig


def begin(root, config=None, *, load=lambda: None, resume=False, overwrite=False):
    return results_directory(root, config or TrainConfig(), load, resume=resume, overwrite=overwrite)


def computed(root):
    """Leave the result of a task, as workers do."""
    write_json(root / "work" / "results" / "task.json", {})


def test_the_config_lies_beside_the_output_and_the_lock_is_gone(tmp_path):
    with begin(tmp_path / "out"):
        assert (tmp_path / "out" / LOCK).exists()
    assert (tmp_path / "out" / "config.yaml").exists()
    assert not (tmp_path / "out" / LOCK).exists()


def test_two_processes_do_not_share_a_directory(tmp_path, run):
    with begin(tmp_path / "out"):
        for flags in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(InputError, match="another basinet"), begin(tmp_path / "out", **flags):
                pass
        (tmp_path / "t.yaml").write_text("data: {frames: reference}\nwidth: 4\n")
        assert_refused(run("train", "t.yaml", "--out", "out", "--overwrite"), "another basinet")
        assert (tmp_path / "out" / "config.yaml").exists()


def test_a_stale_lock_is_taken_over(tmp_path):
    with begin(tmp_path / "out"):
        computed(tmp_path / "out")
    (tmp_path / "out" / LOCK).write_text("999999 on nowhere\n")
    with begin(tmp_path / "out", resume=True):
        pass


def test_without_file_locks_there_is_no_guard(tmp_path, monkeypatch):
    def unsupported(*_arguments):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with _locked(tmp_path):
        pass


def test_another_config_does_not_resume_and_its_key_is_named(tmp_path):
    with begin(tmp_path / "out"):
        computed(tmp_path / "out")
    other = TrainConfig(width=[64])
    with (
        pytest.raises(InputError, match=r"begun with width = \[32\], now \[64\]"),
        begin(tmp_path / "out", other, resume=True),
    ):
        pass
    (tmp_path / "out" / "config.yaml").write_text("")
    damaged = pytest.raises(InputError, match=r"config\.yaml: holds no settings; delete it and run again with --resume")
    with damaged, begin(tmp_path / "out", resume=True):
        pass


def refuse(message="bad data"):
    raise InputError(message)


@pytest.mark.parametrize("existed", [False, True])
def test_bad_data_leaves_no_directory_behind(tmp_path, existed):
    if existed:
        (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="bad data"), begin(tmp_path / "out", load=refuse):
        pass
    assert (tmp_path / "out").exists() is existed
    assert not existed or list((tmp_path / "out").iterdir()) == []


def test_bad_data_does_not_cost_the_old_output(tmp_path):
    with begin(tmp_path / "out"):
        (tmp_path / "out" / "results.csv").write_text("precious\n")
    with pytest.raises(InputError, match="bad data"), begin(tmp_path / "out", load=refuse, overwrite=True):
        pass
    assert (tmp_path / "out" / "results.csv").read_text() == "precious\n"


def test_what_was_computed_is_kept_when_a_later_step_is_refused(tmp_path):
    def work():
        with begin(tmp_path / "out"):
            computed(tmp_path / "out")
            refuse("disk full")

    with pytest.raises(InputError, match="disk full"):
        work()
    assert (tmp_path / "out" / "work" / "results" / "task.json").exists()


def test_an_interruption_says_how_to_go_on(tmp_path):
    with pytest.raises(_Interrupted, match="--resume"), begin(tmp_path / "out"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "is not empty; choose another --out"),
        (["--resume", "--overwrite"], "exclude each other"),
        (["--resume"], "--resume goes on with outputs of basinet"),
    ],
)
@pytest.mark.parametrize("command", [["reproduce", "--preset", "smoke"], ["train", "t.yaml"]])
def test_a_directory_of_others_is_left_alone(run, tmp_path, command, flags, words):
    (tmp_path / "t.yaml").write_text("data: {frames: reference}\nwidth: 4\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine\n")
    assert_refused(run(*command, "--out", "out", *flags), "out", words)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_overwrite_deletes_no_directory_of_others(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine\n")
    (tmp_path / "t.yaml").write_text("data: {frames: reference}\nwidth: 4\n")
    assert_refused(run("train", "t.yaml", "--out", "out", "--overwrite"), "does not look like one")
    assert (tmp_path / "out" / "thesis.tex").read_text() == "mine\n"


def test_a_file_is_no_directory(run, tmp_path):
    (tmp_path / "out").write_text("")
    (tmp_path / "t.yaml").write_text("data: {frames: reference}\nwidth: 4\n")
    assert_refused(run("train", "t.yaml", "--out", "out"), "is a file")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data", "a"], ["--data", "a"]),
        (["--data", "a", "b"], ["--data", "a", "--data", "b"]),
        (["--data", "a", "--data", "b", "--out", "x"], ["--data", "a", "--data", "b", "--out", "x"]),
        (["--out", "x", "y"], ["--out", "x", "y"]),
        ([], []),
    ],
)
def test_data_takes_all_values_that_follow(arguments, expected):
    assert _repeat_option(arguments, "--data") == expected
