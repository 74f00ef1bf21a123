"""Dask workers: new processes of this machine, or those of an existing cluster."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import signal
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from basinet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

# Many small networks on few cores: one thread per process wastes the least. XLA reads this when it starts.
ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def default_workers() -> int:
    """Cores this process may use, at most 8."""
    return min(len(os.sched_getaffinity(0)), 8) if hasattr(os, "sched_getaffinity") else min(os.cpu_count() or 1, 8)


def worker_environment(cache: Path) -> dict[str, str]:
    """Environment of local workers; what the user has set stays.

    Compiled programs are kept under `cache`, so that workers and a resumed run share them; a folder per processor,
    since machine code of one may not run on another. A GPU, where JAX sees one, is shared by the workers.
    """
    processor = Path("/proc/cpuinfo")
    lines = processor.read_text(encoding="utf-8").splitlines() if processor.exists() else [platform.processor()]
    identity = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}) or lines[:1]
    folder = cache / hashlib.sha256("".join(identity).encode()).hexdigest()[:12]
    wanted = {
        **ONE_THREAD,
        "JAX_COMPILATION_CACHE_DIR": str(folder.resolve()),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    return {key: value for key, value in wanted.items() if key not in os.environ}


@contextmanager
def connect(workers: int | None, scheduler: str | None, cache: Path) -> Iterator[Client]:
    """Yield a Dask client: of the cluster at `scheduler`, or of `workers` new local processes.

    Raises
    ------
    InputError
        If the scheduler cannot be reached.
    """
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            msg = f"--scheduler {scheduler}: no Dask scheduler answers ({error}); start one with 'dask scheduler'"
            raise InputError(msg) from error
        with client:
            yield client
        return
    environment, own = worker_environment(cache), set(os.environ)
    try:
        with (
            dask.config.set({"distributed.worker.daemon": False, "distributed.nanny.pre-spawn-environ": environment}),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", category=UserWarning, module="distributed")
            with (
                LocalCluster(
                    n_workers=workers or default_workers(),
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address="127.0.0.1:0",  # any free port: None would take 8787 and warn if it is not free
                    silence_logs=logging.ERROR,
                ) as cluster,
                Client(cluster) as client,
            ):
                client.run(_leave_interrupts_to_driver)
                yield client
    finally:
        # Dask leaves the workers' environment behind in this process, where the next study would take it for ours.
        for key in set(os.environ) - own:
            del os.environ[key]


def _leave_interrupts_to_driver() -> None:
    """Ignore Ctrl-C, which a terminal sends to every process: the driver ends its workers, without their tracebacks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
