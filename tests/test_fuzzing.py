"""A small share of `tests.fuzzing`, which does a hundred thousand by hand."""

from __future__ import annotations

import pytest
from tests.fuzzing import failures, readers


@pytest.mark.long
def test_mutated_files_are_read_or_refused(tmp_path):
    assert list(failures(readers(tmp_path), 20)) == []
