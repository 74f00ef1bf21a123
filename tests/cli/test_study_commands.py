"""`reproduce`, `train`, `select` and `report`: what they refuse, and one small grid from end to end."""

from __future__ import annotations

import os
import signal
import time

import pytest
from tests.cli.process import start
from tests.cli.refusal import assert_refused
from tests.jobs.ports import listening, refuse_other_account
from tests.tables import read_rows

from basinet.files import read_json

pytestmark = pytest.mark.long

GRID = """
data: {{frames: ["{ar}", "{mix}"]}}
split: {{gap: 0}}
width: [2, 4]
n_train: 6
members: 2
descriptor: {{rcut: 4.5, twojmax: 2}}
optimiser: {{learning_rates: [0.01], max_steps: 50}}
"""


@pytest.fixture
def grid(tmp_path, argon_file, mixture_file):
    path = tmp_path / "grid.yaml"
    path.write_text(GRID.format(ar=argon_file, mix=mixture_file))
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reproduce", "--preset", "slow"], ["slow", "smoke"]),
        (["reproduce", "--config", "missing.yaml"], ["missing.yaml", "no such"]),
        (["reproduce", "--config", "bad.yaml"], ["bad.yaml", "'membrs'", "members"]),
        (["reproduce", "more.xyz"], ["more.xyz"]),
        (["train", "bad.yaml"], ["bad.yaml", "'membrs'", "members"]),
        (["train", "missing.yaml"], ["missing.yaml"]),
        (["train", "empty.yaml"], ["empty.yaml", "names no frames", "data: {frames: [ar.extxyz]}"]),
        (["train", "all.yaml"], ["all.yaml", "data.frames", "or reference"]),
        (["train", "system.yaml"], ["'kr'", "ar"]),
        (["train", "n_train.yaml"], ["n_train", "500"]),
        (["train", "weights.yaml"], ["weights", "Ar"]),
        (["train", "seeds.yaml"], ["seed", "members"]),
        (["select", "a.xyz", "--rcut", "five"], ["--rcut", "five"]),
        (["select", "a.xyz", "--rcut", "99"], ["rcut", "99"]),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(run, tmp_path, argon_file, arguments, words):
    (tmp_path / "bad.yaml").write_text("membrs: 2\n")
    data = f"data: {{frames: ['{argon_file}']}}\n"
    (tmp_path / "system.yaml").write_text(f"{data}system: kr\n")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    (tmp_path / "all.yaml").write_text("data: {energy_key: E}\nwidth: 4\n")
    (tmp_path / "n_train.yaml").write_text(f"{data}n_train: 500\n")
    (tmp_path / "weights.yaml").write_text(f"{data}descriptor: {{weights: {{Kr: 1.0}}}}\n")
    (tmp_path / "seeds.yaml").write_text(f"{data}seed: [0, 1]\n")
    assert_refused(run(*arguments, *([] if arguments[0] == "select" else ["--out", "out"])), *words)
    assert not (tmp_path / "out").exists()


def test_a_scheduler_that_does_not_answer_is_refused(run, tmp_path, grid, monkeypatch):
    class Client:
        def __init__(self, address, **_options):
            raise OSError(f"Timed out trying to connect to {address} after 10 s")

    monkeypatch.setattr("distributed.Client", Client)
    result = run("train", grid, "--out", "out", "--scheduler", "tcp://127.0.0.1:1")
    assert_refused(result, "--scheduler tcp://127.0.0.1:1", "no Dask scheduler")
    assert not (tmp_path / "out").exists()


def test_report_needs_results(run, tmp_path):
    assert_refused(run("report", "nowhere"), "nowhere")
    (tmp_path / "empty").mkdir()
    assert_refused(run("report", "empty"), "empty", "results.csv")
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_grid_is_trained_resumed_and_guarded(run, tmp_path, grid, argon_file):
    process, ports = start("train", grid, "--out", "out", "--workers", 1, cwd=tmp_path), []
    while process.poll() is None:
        ports += listening(process.pid)
        refuse_other_account(process.pid)
        time.sleep(0.2)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert ports == []
    assert stdout.splitlines()[-1] == "out/report.html"
    out = tmp_path / "out"
    rows = read_rows(out / "results.csv")
    networks = {(row["train_system"], row["width"]) for row in rows if row["model"] == "network"}
    assert networks == {("ar", 2), ("ar", 4), ("mix", 2), ("mix", 4)}
    assert {row["n_train"] for row in rows if row["model"] == "network"} == {6}
    assert len(list((out / "models").glob("*.basinet"))) == 4
    record = read_json(out / "provenance.json")
    assert record["complete"] is True
    assert str(argon_file) in record["data_checksums"]

    # Complete: nothing is computed again.
    before = (out / "results.csv").stat().st_mtime_ns
    result = run("train", grid, "--out", "out", "--resume")
    assert (result.exit_code, result.stdout) == (0, "out/report.html\n")
    assert (out / "results.csv").stat().st_mtime_ns == before

    # But for models that were removed, all of them.
    models = {path: path.read_bytes() for path in (out / "models").glob("*.basinet")}
    for path in models:
        path.unlink()
    assert run("train", grid, "--out", "out", "--resume").exit_code == 0
    assert {path: path.read_bytes() for path in models} == models

    # Another config, or other data under the same name, do not mix with what is there.
    text = grid.read_text()
    grid.write_text(text.replace("[2, 4]", "[2, 8]"))
    assert_refused(run("train", grid, "--out", "out", "--resume"), "width = [2, 4], now [2, 8]")
    grid.write_text(text)
    write = argon_file.read_text()
    try:
        argon_file.write_text(write.replace("\nAr ", "\nAr  ", 1))
        assert_refused(run("train", grid, "--out", "out", "--resume"), str(argon_file), "begun with")
    finally:
        argon_file.write_text(write)
    assert_refused(run("train", grid, "--out", "out"), "not empty", "--resume")


def test_ctrl_c_ends_in_one_line_and_130(tmp_path):
    process = start(
        "reproduce", "--preset", "smoke", "--out", "out", "--workers", 1, cwd=tmp_path, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("work/results/*.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1].startswith("basinet: interrupted")
    assert "--resume" in stderr.splitlines()[-1]
    assert not (tmp_path / "out" / ".lock").exists()


def test_select_prints_the_options_of_the_chosen_descriptor(tmp_path, argon_file):
    options = ["--rcut", "4.5,5.25", "--twojmax", "2", "--out", "s.csv", "--workers", 1]
    process = start("select", argon_file, *options, cwd=tmp_path)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    chosen = [row for row in read_rows(tmp_path / "s.csv") if row["chosen"]]
    assert len(chosen) == 1
    assert stdout.splitlines()[-1] == f"chosen: --rcut {chosen[0]['rcut']:g} --twojmax 2 --weights Ar=1 --radii Ar=0.5"
