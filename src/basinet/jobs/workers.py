"""Dask workers: new processes of this machine, or those of an existing cluster."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import platform
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

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


Item = TypeVar("Item")
Value = TypeVar("Value")

DIED = "its worker process died (out of memory, or killed); run it again with --resume and fewer --workers"


class Failed(Exception):  # noqa: N818  (a value that is passed on, not raised)
    """An input that could not be done; the message is for the user."""


class Workers(Generic[Item, Value]):
    """Run a function on items in processes, as many at a time as there are workers.

    Parameters
    ----------
    function
        Importable; what it raises as ``InputError``, ``OSError`` or ``MemoryError`` is the item's failure, anything
        else is ours and is raised.
    workers
        Number of processes; with one, the items are done in this process.
    """

    def __init__(self, function: Callable[[Item], Value], workers: int) -> None:
        self.function = function
        self.workers = workers

    def run(self, items: Sequence[Item]) -> Iterator[tuple[int, Value | Failed]]:
        """Yield index and value of each item, or its failure, as they are done."""
        if self.workers == 1 or len(items) == 1:
            for index, item in enumerate(items):
                yield index, attempt(self.function, item)
            return
        waiting, suspects = list(range(len(items)))[::-1], list[int]()
        while waiting or suspects:
            # Who killed a worker is found by doing, one at a time, those that were being done when one died.
            alone = bool(suspects)
            lost: list[int] = []
            yield from self.in_processes(items, suspects if alone else waiting, 1 if alone else self.workers, lost)
            if alone:
                for index in lost:
                    yield index, Failed(DIED)
            else:
                suspects = lost[::-1]

    def in_processes(
        self, items: Sequence[Item], waiting: list[int], workers: int, lost: list[int]
    ) -> Iterator[tuple[int, Value | Failed]]:
        """Do what is waiting, until all is done or a worker dies; `lost` is what was being done then."""
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(workers, len(waiting)), context, initializer=prepare_worker)
        running: dict[Future[Value | Failed], int] = {}
        try:
            while (waiting or running) and not lost:
                while waiting and len(running) < workers:
                    index = waiting.pop()
                    try:
                        running[pool.submit(attempt, self.function, items[index])] = index
                    except BrokenProcessPool:  # a worker died between two items
                        waiting.append(index)
                        break
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    index = running.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        lost.append(index)
                    else:
                        yield index, future.result()
            for future, index in running.items():
                # The executor ends all workers when one died.
                lost.append(index) if future.exception() else (yield index, future.result())
        finally:
            end(pool)


def attempt(function: Callable[[Item], Value], item: Item) -> Value | Failed:
    """Do one item; give back what the user should hear if it cannot be done."""
    try:
        return function(item)
    except InputError as error:
        return Failed(str(error))
    except MemoryError:
        return Failed("not enough memory; use fewer --workers")
    except OSError as error:
        return Failed(f"{error}; check the file and the disk")


def prepare_worker() -> None:
    """Leave Ctrl-C to the driver, which ends its workers; and end with the driver, should it be killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=end_with, args=(parent.sentinel,), daemon=True).start()


def end_with(sentinel: int) -> None:
    """End this process when another has ended."""
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def end(pool: ProcessPoolExecutor) -> None:
    """End workers at once, whatever they are doing."""
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.kill()
    pool.shutdown(wait=True, cancel_futures=True)
