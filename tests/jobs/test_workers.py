"""Workers: a driver that ends them is as it was before."""

import os

from basinet.jobs.workers import connect


def test_the_environment_of_workers_is_theirs_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    before = dict(os.environ)
    with connect(1, None, tmp_path) as client:
        (seen,) = client.run(lambda: dict(os.environ)).values()
    assert str(tmp_path) in seen["JAX_COMPILATION_CACHE_DIR"]
    assert seen["OMP_NUM_THREADS"] == "3"
    assert dict(os.environ) == before
