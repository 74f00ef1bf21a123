import threading
import time

import jax
import pytest

from basinet.potentials.program import _compile_once


class Program:
    """Stands in for a lowered program; notes how many compile at a time, and takes the cache's for granted."""

    together = 0
    most = 0

    def __init__(self, text):
        self.text = text

    def as_text(self):
        return self.text

    def compile(self):
        Program.together += 1
        Program.most = max(Program.most, Program.together)
        time.sleep(0.2)
        Program.together -= 1
        return self.text


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "compiled"
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(folder))
    yield folder
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.mark.parametrize(("texts", "most"), [(("same", "same"), 1), (("one", "other"), 2)])
def test_the_same_program_is_compiled_by_one_at_a_time(cache, monkeypatch, texts, most):
    monkeypatch.setattr(Program, "most", 0)
    workers = [threading.Thread(target=_compile_once, args=(Program(text),)) for text in texts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert Program.most == most
    assert not list(cache.iterdir())  # no lock is left behind


@pytest.mark.usefixtures("cache")
def test_without_a_shared_cache_nobody_waits():
    jax.config.update("jax_compilation_cache_dir", None)
    assert _compile_once(Program("alone")) == "alone"


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", ["gs://bucket/compiled", "a_file/compiled"])
def test_a_cache_that_takes_no_locks_is_no_obstacle(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").touch()
    jax.config.update("jax_compilation_cache_dir", name)
    assert _compile_once(Program("far")) == "far"
    assert [path.name for path in tmp_path.iterdir()] == ["a_file"]
