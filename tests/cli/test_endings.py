"""Every end of a command is one line: interrupted, a full output, no assertions, damaged records."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.process import ENVIRONMENT, INTERRUPTIBLE, start
from tests.cli.refusal import assert_refused

from basinet.config.loading import read_record
from basinet.errors import InputError
from basinet.study.report.results import load_results
from basinet.study.systems import ProvenanceRecord


@pytest.mark.parametrize("seconds", [0.5, 0.9, 1.5])
def test_ctrl_c_at_the_start_is_one_line(tmp_path, argon_file, seconds):
    process = start("describe", argon_file, "--out", "a.npz", cwd=tmp_path, start_new_session=True)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    if process.returncode == 130:
        assert stderr == "basinet: interrupted\n"
    else:  # Python itself was not there yet, or all was over
        assert process.returncode in (0, -signal.SIGINT), stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_does_not_fit_is_one_line(tmp_path, argon_file):
    command = [sys.executable, "-c", INTERRUPTIBLE, "relate", str(argon_file)]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, stdout=full, stderr=-1, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "basinet: error: output: No space left on device; write elsewhere\n"


@pytest.mark.long
def test_frames_are_read_without_assertions(tmp_path, argon_file):
    command = [sys.executable, "-c", INTERRUPTIBLE, "relate", str(argon_file)]
    environment = ENVIRONMENT | {"PYTHONOPTIMIZE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # As --structure and --start are read.
    read = f"from pathlib import Path; from basinet.labelling.sources import read_all; read_all(Path('{argon_file}'))"
    command = [sys.executable, "-c", read]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


DAMAGE = [b"[]", b"\xff\xfe", b"{", b"[" * 100000, b"7", b'{"data": []}', b'{"data": {"systems": {"ar": 3}}}']


@pytest.mark.parametrize("content", DAMAGE)
def test_a_damaged_record_is_named_with_what_to_do(run, tmp_path, content):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.csv").write_text("model\nridge\n")
    (tmp_path / "out" / "study.json").write_bytes(content)
    assert_refused(run("report", "out"), "out/study.json", "delete it and run again with --resume")


@pytest.mark.parametrize(
    "content", [*DAMAGE[:5], b'{"stages": [1]}', b'{"data_checksums": {"a": []}}', b'{"total": []}']
)
def test_a_damaged_provenance_is_named(tmp_path, content):
    path = tmp_path / "provenance.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"provenance\.json.*delete it and run again with --resume"):
        read_record(path, ProvenanceRecord)
    path.unlink()
    assert read_record(path, ProvenanceRecord) == {}


@pytest.mark.parametrize("name", ["relation.json", "gauge.json"])
def test_other_records_are_checked_too(tmp_path, name):
    (tmp_path / "results.csv").write_text("model\nridge\n")
    (tmp_path / name).write_text(json.dumps({"ar": 5}))
    with pytest.raises(InputError, match=f"{name}: ar: .*, got 5; delete it"):
        load_results(tmp_path)
