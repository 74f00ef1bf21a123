"""Results by key: names that came with data lead nowhere else."""

from __future__ import annotations

import pytest

from basinet.errors import InputError
from basinet.jobs.store import Results, file_of
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
