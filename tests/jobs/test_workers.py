"""Workers of this machine: nobody else can talk to them, and a driver that ends them is as it was before."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
from tests.jobs.ports import listening, refuse_other_account

from basinet.errors import InputError
from basinet.jobs.workers import ThisProcess, WorkerDiedError, open_workers


def everything(tasks):
    """Takes one task after the other."""
    return partial(next, iter(tasks), None)


def environment(_):
    return dict(os.environ)


def test_the_environment_of_workers_is_theirs_alone(monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    before = dict(os.environ)
    with open_workers(1) as pool:
        ((_, seen),) = pool.run(environment, everything(["all"]))
        programs = Path(seen["JAX_COMPILATION_CACHE_DIR"])
        assert list(programs.iterdir()) == []
    assert not programs.exists()
    assert seen["OMP_NUM_THREADS"] == "3"
    assert dict(os.environ) == before


def who(_):
    time.sleep(0.2)
    return os.getpid(), listening(os.getpid())


def test_workers_open_no_port_and_end_with_their_pool():
    before = listening(os.getpid())  # MPI opens some where LAMMPS has run in this process
    with open_workers(2) as pool:
        found = [value for _, value in pool.run(who, everything(range(4)))]
        processes = {number for number, _ in found}
        assert len(processes) == 2
        assert [ports for _, ports in found] == [[]] * 4
        assert {*listening(os.getpid())} == {*before}
        for number in processes:
            refuse_other_account(number)
    assert not any(psutil.pid_exists(number) for number in processes)


def killed_at_first(path):
    """Dies at the first try; tells the second one's process."""
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def test_a_task_whose_worker_is_killed_is_tried_once_more(tmp_path):
    with open_workers(1) as pool:
        ((_, number),) = pool.run(killed_at_first, everything([tmp_path / "first"]))
    assert number != os.getpid()


def test_workers_that_die_at_their_start_are_told(monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # Python itself does not begin
    with open_workers(1) as pool:
        ((_, found),) = pool.run(who, everything(["one"]))
    assert isinstance(found, WorkerDiedError)
    assert "exit code 1" in str(found)


def failing(name):
    if name == "memory":
        raise MemoryError("16 GiB")
    if name == "defect":
        raise LookupError("of ours")
    return lambda: None  # which no pipe takes


@pytest.mark.parametrize("name", ["defect", "a function"])
def test_a_defect_in_a_worker_is_raised_with_its_traceback(name):
    with open_workers(1) as pool, pytest.raises(RuntimeError, match=r"(?s)Traceback.*(of ours|pickle)"):
        list(pool.run(failing, everything([name])))


def test_too_little_memory_is_told():
    ((_, error),) = ThisProcess().run(failing, everything(["memory"]))
    assert isinstance(error, InputError)
    assert "16 GiB" in str(error)
