"""Workers of a Dask cluster: one that is there already, or jobs of a queueing system, through dask-jobqueue.

Jobs are told what to do through a port of this machine. The connection is encrypted, and both ends show keys that were
made for the run: without them nobody is let in.
"""

from __future__ import annotations

import importlib
import shutil
import socket
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field

from basinet.config.loading import Count, Section
from basinet.errors import InputError
from basinet.jobs.workers import WorkerDiedError, Workers, attempt

if TYPE_CHECKING:
    from distributed import Client, Future

    from basinet.jobs.progress import Progress

_LOOK = 2.0  # seconds after which the driver looks for new workers
_IDLE = 120.0  # seconds without any worker after which the driver says so
_Task = TypeVar("_Task")
_Value = TypeVar("_Value")

_SYSTEMS = {  # class of dask-jobqueue, and the command that it calls
    "slurm": ("SLURMCluster", "sbatch"),
    "pbs": ("PBSCluster", "qsub"),
    "sge": ("SGECluster", "qsub"),
    "lsf": ("LSFCluster", "bsub"),
    "htcondor": ("HTCondorCluster", "condor_submit"),
    "oar": ("OARCluster", "oarsub"),
    "moab": ("MoabCluster", "msub"),
}


class QueueSettings(Section):
    """Jobs of a queueing system, each a Dask worker that does one calculation after another."""

    system: Literal["slurm", "pbs", "sge", "lsf", "htcondor", "oar", "moab"] = "slurm"
    jobs: Count = Field(1, description="workers in the queue at a time")
    cores: Count | None = Field(None, description="of each job; MPI ranks of run.command times run.threads")
    memory: str = Field("4GB", description="of each job")
    walltime: str = Field("24:00:00", description="of each job; one that ends is replaced")
    queue: str | None = Field(None, description="or partition")
    account: str | None = Field(None, description="project that pays")
    directives: list[str] = Field([], description="further directives, such as --qos=low")
    prologue: list[str] = Field([], description="shell lines before the worker, such as module load cp2k")
    interface: str | None = Field(None, description="network interface, such as ib0")


def job_cluster(settings: QueueSettings) -> Any:
    """A cluster of jobs, none of them in the queue yet; ``job_script()`` of it is the script of a job.

    InputError: dask-jobqueue is not installed, or a setting is none of this machine.
    """
    try:
        import dask

        dask_jobqueue = importlib.import_module("dask_jobqueue")
    except ImportError as error:
        raise InputError("cluster: needs dask-jobqueue; pip install 'basinet[cluster]'") from error
    _check_queue(settings)
    options: dict[str, Any] = {
        "cores": settings.cores or 1,
        "processes": 1,
        "memory": settings.memory,
        "walltime": settings.walltime,
        "queue": settings.queue,
        "account": settings.account,
        "interface": settings.interface,
        "job_extra_directives": settings.directives,
        "job_script_prologue": settings.prologue,
        "security": True,
        "shared_temp_directory": str(Path.cwd()),  # where jobs find their keys, which only the user can read
        "scheduler_options": {"dashboard_address": "127.0.0.1:0"},  # any port that is free
        # One calculation at a time in each job, whatever its cores.
        "worker_extra_args": ["--nthreads", "1"],
    }
    kind = getattr(dask_jobqueue, _SYSTEMS[settings.system][0])
    dask.config.set({"distributed.scheduler.http.routes": []})  # pages that show what is done to everybody
    try:
        return kind(**{key: value for key, value in options.items() if value is not None})
    except ImportError as error:
        raise InputError("cluster: needs cryptography for its keys; pip install 'basinet[cluster]'") from error


def _check_queue(settings: QueueSettings) -> None:
    """Refuse what Dask would, in one line and before it has begun."""
    from dask.utils import parse_bytes

    try:
        parse_bytes(settings.memory)
    except ValueError as error:
        raise InputError(f"cluster.memory: {settings.memory}: {error}; give a size such as 16GB") from error
    known = sorted(name for _, name in socket.if_nameindex())
    if settings.interface is not None and settings.interface not in known:
        raise InputError(f"cluster.interface: {settings.interface} is not on this machine; it has {', '.join(known)}")


class _Cluster(Workers):
    """Workers of Dask; where they are ours, with a number of jobs that there are to be, those that end are replaced."""

    def __init__(self, client: Client, number: int | None = None) -> None:
        self._client = client
        self._number = number
        self._seen = time.monotonic()

    def count(self) -> int:
        return int(sum(self._client.nthreads().values()))

    def run(
        self, function: Callable[[_Task], _Value], take: Callable[[], _Task | None], progress: Progress | None = None
    ) -> Generator[tuple[_Task, _Value | InputError], None, None]:
        running: dict[Future[Any], _Task] = {}
        waiting = take()
        try:
            while running or waiting is not None:
                count = self._replenished(progress)
                while waiting is not None and len(running) < count:
                    running[self._client.submit(attempt, function, waiting, pure=False)] = waiting
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
        if self._number is not None and self._client.cluster is not None:
            self._client.cluster.scale(self._number)
        count, now = self.count(), time.monotonic()
        if count:
            self._seen = now
        elif now - self._seen > _IDLE:
            self._seen = now
            if progress is not None:
                progress.note(f"  no worker for {_IDLE / 60:.0f} min; waiting for one")
        return count


def _ended(running: dict[Future[Any], Any]) -> list[Future[Any]]:
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
    from distributed import KilledWorker

    try:
        return future.result()
    except (KilledWorker, OSError) as error:
        reason = "" if isinstance(error, KilledWorker) else f", {error}"
        return WorkerDiedError(f"its worker process died (out of memory, or killed{reason}); use fewer --workers")


@contextmanager
def open_cluster(scheduler: str | None, queue: QueueSettings | None) -> Iterator[Workers]:
    """Yield the workers of the cluster at `scheduler`, or else jobs of a queue.

    InputError if the scheduler cannot be reached, or no jobs can be submitted.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("--scheduler: needs Dask; pip install 'basinet[cluster]'") from error

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            msg = f"--scheduler {scheduler}: no Dask scheduler answers ({error}); start one with 'dask scheduler'"
            raise InputError(msg) from error
        with client:
            yield _Cluster(client)
    elif queue is not None:
        command = _SYSTEMS[queue.system][1]
        if shutil.which(command) is None:
            msg = f"cluster.system: {command} of {queue.system} is not on this machine; run where jobs are submitted"
            raise InputError(msg)
        with job_cluster(queue) as cluster, Client(cluster) as client:
            yield _Cluster(client, queue.jobs)
