"""Workers that do the tasks of long work: this process, or Dask's.

Dask's workers are new processes of this machine, those of a cluster that runs already, or jobs of a queueing system
(`basinet.jobs.queues`); all of them are told what to do by `Workers.run`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import signal
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from basinet.errors import InputError

if TYPE_CHECKING:
    from distributed import Client, Future

    from basinet.jobs.progress import Progress
    from basinet.jobs.queues import QueueSettings

# Many small networks on few cores: one thread per process wastes the least. XLA reads this when it starts.
_ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_LOOK = 2.0
"""Seconds after which the driver looks for new workers."""
_IDLE = 120.0
"""Seconds without any worker after which the driver says so."""

_Task = TypeVar("_Task")
_Value = TypeVar("_Value")


class WorkerDiedError(InputError):
    """The process that did a task is no more: out of memory, killed, or its job ended."""


class Workers:
    """Processes that do tasks.

    Parameters
    ----------
    client
        Of Dask; None: the tasks are done in this process, one after the other.
    number
        How many workers there are to be, where they are ours: those that end are replaced.
    """

    def __init__(self, client: Client | None = None, number: int | None = None) -> None:
        self._client = client
        self._number = number
        self._seen = time.monotonic()

    def count(self) -> int:
        """Number of tasks that can be done at a time, at this moment."""
        return 1 if self._client is None else int(sum(self._client.nthreads().values()))

    def run(
        self, function: Callable[[_Task], _Value], take: Callable[[], _Task | None], progress: Progress | None = None
    ) -> Generator[tuple[_Task, _Value | InputError], None, None]:
        """Do tasks until there are none left; yield each with its value as it ends.

        Parameters
        ----------
        function
            Importable, of one argument. An ``InputError`` that it raises is yielded in place of a value; anything
            else is raised.
        take
            Gives the next task; None where none can begin before one of those that are being done has ended.
        progress
            Told when there have been no workers for long.

        Yields
        ------
        tuple
            Task and value; a `WorkerDiedError` where the process that did it was killed.

        Raises
        ------
        InputError
            The scheduler is lost.
        """
        if self._client is None:
            while (task := take()) is not None:
                yield task, _attempt(function, task)
            return
        running: dict[Future[Any], _Task] = {}
        waiting = take()
        try:
            while running or waiting is not None:
                count = self._replenished(progress)
                while waiting is not None and len(running) < count:
                    running[self._client.submit(_attempt, function, waiting, pure=False)] = waiting
                    waiting = take()
                for future in _ended(running):
                    yield running.pop(future), _value(future)
                waiting = take() if waiting is None else waiting
        except CancelledError as error:
            running.clear()
            raise InputError("--scheduler: is lost, and what it did with it; go on with --resume") from error
        finally:
            if running:
                self._client.cancel(list(running))

    def _replenished(self, progress: Progress | None) -> int:
        """Start as many workers as are missing; give back how many there are, and say if there are none for long."""
        if self._client is not None and self._client.cluster is not None and self._number is not None:
            self._client.cluster.scale(self._number)
        count, now = self.count(), time.monotonic()
        if count:
            self._seen = now
        elif now - self._seen > _IDLE:
            self._seen = now
            if progress is not None:
                progress.note(f"  no worker for {_IDLE / 60:.0f} min; waiting for one")
        return count


def _attempt(function: Callable[[_Task], _Value], task: _Task) -> _Value | InputError:
    """Do a task; give back what the user should hear if it cannot be done."""
    try:
        return function(task)
    except InputError as error:
        return error


def _ended(running: dict[Future[Any], Any]) -> list[Future[Any]]:
    """Futures that have ended, after a short wait for the first one."""
    from distributed import wait

    if not running:
        time.sleep(_LOOK)
        return []
    try:
        done, _ = wait(list(running), timeout=_LOOK, return_when="FIRST_COMPLETED")
    except TimeoutError:
        return []
    return list(done)


def _value(future: Future[Any]) -> Any:
    """Value of a task that has ended; the error of its worker's death."""
    from distributed import KilledWorker

    try:
        return future.result()
    except (KilledWorker, OSError) as error:
        reason = "" if isinstance(error, KilledWorker) else f", {error}"
        return WorkerDiedError(f"its worker process died (out of memory, or killed{reason}); use fewer --workers")


def _default_workers() -> int:
    """Cores this process may use, at most 8."""
    return min(len(os.sched_getaffinity(0)), 8) if hasattr(os, "sched_getaffinity") else min(os.cpu_count() or 1, 8)


@contextmanager
def open_workers(
    count: int | None, scheduler: str | None = None, cache: Path | None = None, queue: QueueSettings | None = None
) -> Iterator[Workers]:
    """Yield workers: of the cluster at `scheduler`, jobs of a queue, or `count` new processes of this machine.

    Programs that JAX compiles in new processes are kept in the folder `cache`.

    Raises
    ------
    InputError
        If the scheduler cannot be reached, or no jobs can be submitted.
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
            yield Workers(client)
        return
    if queue is not None:
        from basinet.jobs.queues import _check_submission, job_cluster

        _check_submission(queue)
        with job_cluster(queue) as cluster, Client(cluster) as client:
            yield Workers(client, queue.jobs)
        return
    number, environment, own = count or _default_workers(), _worker_environment(cache), set(os.environ)
    try:
        with (
            dask.config.set(
                {
                    "distributed.worker.daemon": False,
                    "distributed.nanny.pre-spawn-environ": environment,
                    # A task whose worker died is tried once more: it may have been another's fault.
                    "distributed.scheduler.allowed-failures": 1,
                }
            ),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", category=UserWarning, module="distributed")
            with (
                LocalCluster(
                    n_workers=number,
                    threads_per_worker=1,
                    processes=True,
                    memory_limit=None,
                    dashboard_address="127.0.0.1:0",  # any free port: None would take 8787 and warn if it is not free
                    silence_logs=logging.ERROR,
                ) as cluster,
                Client(cluster) as client,
            ):
                client.run(_leave_interrupts_to_driver)
                yield Workers(client, number)
    finally:
        # Dask leaves the workers' environment behind in this process, where the next study would take it for ours.
        for key in set(os.environ) - own:
            del os.environ[key]


def _worker_environment(cache: Path | None) -> dict[str, str]:
    """Environment of local workers; what the user has set stays.

    Compiled programs are kept under `cache`, so that workers and a resumed run share them; a folder per processor,
    since machine code of one may not run on another. A GPU, where JAX sees one, is shared by the workers.
    """
    wanted = _ONE_THREAD | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if cache is not None:
        wanted |= {
            "JAX_COMPILATION_CACHE_DIR": str((cache / _processor()).resolve()),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    return {key: value for key, value in wanted.items() if key not in os.environ}


def _processor() -> str:
    """Tells this kind of processor from others."""
    processor = Path("/proc/cpuinfo")
    lines = processor.read_text(encoding="utf-8").splitlines() if processor.exists() else [platform.processor()]
    identity = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}) or lines[:1]
    return hashlib.sha256("".join(identity).encode()).hexdigest()[:12]


def _leave_interrupts_to_driver() -> None:
    """Ignore Ctrl-C, which a terminal sends to every process: the driver ends its workers, without their tracebacks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
