"""A lock file admits one at a time, and a process that dies holds nothing."""

from __future__ import annotations

import threading
import time

import pytest

from basinet.files import holding, is_held


def test_one_at_a_time_though_each_removes_the_file(tmp_path):
    inside, most = [], []

    def work():
        with holding(tmp_path / "lock", wait=True):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 12
    assert not list(tmp_path.iterdir())


def test_who_does_not_wait_is_refused_and_what_was_left_can_be_read(tmp_path):
    path = tmp_path / "lock"
    path.write_text("of a killed one")
    assert not is_held(path)
    with holding(path, wait=False) as stream:
        assert stream.read() == "of a killed one"
        assert is_held(path)
        with pytest.raises(BlockingIOError), holding(path, wait=False):
            pass
    assert not path.exists()
