"""Results by key: names that came with data lead nowhere else."""

from __future__ import annotations

import json

import pytest
from ase import Atoms

from basinet.errors import InputError
from basinet.jobs.store import Results, file_of
from basinet.labelling.campaign import UnitResult
from basinet.study.store import Store


@pytest.mark.parametrize("name", ["../../out", "/etc/passwd", "a/b", ".lock", "a\0b", "a\nb", "x" * 300])
def test_a_name_that_came_with_data_leads_nowhere_else(tmp_path, name):
    for place in (
        lambda: file_of(tmp_path, name, ".bin"),
        lambda: Results(tmp_path, int).put(name, "fingerprint", 1),
        lambda: Store(tmp_path).model(name),
    ):
        with pytest.raises(InputError, match="cannot be the name of a file"):
            place()
    assert list(tmp_path.iterdir()) == []


def test_names_of_systems_stay_what_they_are(tmp_path):
    assert file_of(tmp_path, "SiO₂ (quartz), 2-0.5", ".bin").name == "SiO₂ (quartz), 2-0.5.bin"


@pytest.mark.parametrize("result", [[], 3, None, {"frames": [3]}, {"seconds": "many"}, {"report": []}])
def test_a_result_of_another_type_is_done_again(tmp_path, result):
    kept = UnitResult([Atoms("Ar", [[5.5, 0, 0]])], 1.5, "2023.1", "sum", 1, "host", "now")
    results = Results(tmp_path, UnitResult)
    results.put("one", "fingerprint", kept)
    assert results.get("one", "fingerprint") == kept
    whole = json.loads(results.path("one").read_text())
    changed = whole["result"] | result if isinstance(result, dict) else result
    results.path("one").write_text(json.dumps(whole | {"result": changed}))
    assert results.get("one", "fingerprint") is None
    results.path("one").write_text("[" * 100_000)
    assert results.get("one", "fingerprint") is None
    results.path("one").write_text(json.dumps(whole).replace("5.5", "1" + "0" * 400))  # ASE's decoder: OverflowError
    assert results.get("one", "fingerprint") is None
