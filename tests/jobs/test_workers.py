"""Workers: a driver that ends them is as it was before."""

import os
from functools import partial

from basinet.jobs.workers import open_workers


def environment(_):
    return dict(os.environ)


def test_the_environment_of_workers_is_theirs_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    before = dict(os.environ)
    with open_workers(1, cache=tmp_path) as pool:
        ((_, seen),) = pool.run(environment, partial(next, iter(["all"]), None))
    assert str(tmp_path) in seen["JAX_COMPILATION_CACHE_DIR"]
    assert seen["OMP_NUM_THREADS"] == "3"
    assert dict(os.environ) == before
