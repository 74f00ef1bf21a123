"""Compiled programs, kept by the shapes they were compiled for, and the time that running them takes."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from basinet.io.locks import holding
from basinet.training.program import Outcome, train_networks

if TYPE_CHECKING:
    from basinet.models import Architecture


@lru_cache(maxsize=64)
def compiled_program(
    structure: Any,
    shapes: tuple[tuple[tuple[int, ...], str], ...],
    architecture: Architecture,
    patience: int,
    weight_decay: float,
) -> Any:
    """Compile `train_networks` for arguments of these shapes and types."""
    leaves = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in shapes]
    arguments = jax.tree.unflatten(structure, leaves)
    settings = {"architecture": architecture, "patience": patience, "weight_decay": weight_decay}
    return compile_once(train_networks.lower(*arguments, **settings))


def compile_once(lowered: Any) -> Any:
    """Compile a lowered program; of the processes that share JAX's cache of programs one does, and others wait for it.

    Workers of a study begin with the same architectures, and compiling takes longer than most trainings. Nobody waits
    where locks cannot be written.
    """
    cache: str | None = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if cache is None or not _takes_locks(cache):
        return lowered.compile()
    name = hashlib.sha256(lowered.as_text().encode()).hexdigest()[:16]
    with holding(Path(cache) / f"{name}.lock", wait=True):
        return lowered.compile()


def _takes_locks(cache: str) -> bool:
    """Whether a cache is a folder to write to, made if need be; JAX also takes buckets (gs://...)."""
    if "://" in cache:
        return False
    with suppress(OSError):
        Path(cache).mkdir(parents=True, exist_ok=True)
    return os.access(cache, os.W_OK)


def run_program(
    arguments: tuple[Any, ...], *, architecture: Architecture, patience: int, weight_decay: float
) -> tuple[Outcome, float]:
    """Run `train_networks`, compiling it where these shapes are new; return the CPU seconds of the run alone."""
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((tuple(leaf.shape), str(leaf.dtype)) for leaf in leaves)
    program = compiled_program(structure, shapes, architecture, patience, weight_decay)
    started = time.process_time()
    outcome = jax.block_until_ready(program(*arguments))
    return outcome, time.process_time() - started
