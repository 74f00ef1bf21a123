"""What every run of the study keeps beside its tables."""

from __future__ import annotations

import pytest

from basinet.files import read_json, write_json
from basinet.study.run import Run


def test_times_of_the_processes_before_are_added_up(tmp_path):
    path = tmp_path / "provenance.json"
    stages = [{"name": "training", "wall_seconds": 3600.0}]
    total = {"wall_seconds": 4000.0, "cpu_seconds": 7000.0}
    write_json(path, {"stages": stages, "total": total, "complete": False, "data_checksums": {}})
    run = Run(tmp_path)
    for name in ("training", "tables"):
        with run.stage(name):
            pass
    record = read_json(path)
    assert [stage["name"] for stage in record["stages"]] == ["training", "tables"]
    assert record["stages"][0]["wall_seconds"] == pytest.approx(3600.0, abs=1.0)
    assert record["total"]["wall_seconds"] == pytest.approx(4000.0, abs=1.0)
    assert record["total"]["cpu_seconds"] > 7000.0
    assert record["complete"] is False


def test_a_stage_that_fails_is_not_counted(tmp_path):
    run = Run(tmp_path)
    with pytest.raises(ValueError, match="no"), run.stage("training"):
        raise ValueError("no")
    assert not (tmp_path / "provenance.json").exists()
