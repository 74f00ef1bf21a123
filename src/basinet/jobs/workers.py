"""Workers that do the tasks of long work: this process, or new ones of this machine that nobody else can talk to.

A worker process takes its tasks from a pipe of its own and answers there; no port is opened. It ends with the process
that started it. Workers of a Dask cluster are in `basinet.jobs.queues`.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from basinet.errors import DiskFullError, InputError
from basinet.files import FULL_DISK
from basinet.jobs.provenance import available_processors

if TYPE_CHECKING:
    from basinet.jobs.progress import Progress
    from basinet.jobs.queues import QueueSettings

# Many small networks on few cores: one thread per process wastes the least. XLA reads this when it starts.
_ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_MOST = 8  # workers unless more are asked for
_Task = TypeVar("_Task")
_Value = TypeVar("_Value")


class WorkerDiedError(InputError):
    """The process that did a task is no more: out of memory, killed, or its job ended."""


class Workers(ABC):
    """Processes that do tasks."""

    @abstractmethod
    def count(self) -> int:
        """Number of tasks that can be done at a time, at this moment."""

    @abstractmethod
    def run(
        self, function: Callable[[_Task], _Value], take: Callable[[], _Task | None], progress: Progress | None = None
    ) -> Generator[tuple[_Task, _Value | InputError], None, None]:
        """Do tasks until there are none left; yield each with its value as it ends.

        The function is importable; an ``InputError`` that it raises is yielded in place of a value, and anything else
        raised. `take` gives the next task; None where none can begin before one of those that are being done has ended.
        The progress is told when there have been no workers for long. A `WorkerDiedError` is yielded where the process
        that did a task was killed. InputError: the scheduler is lost.
        """


class ThisProcess(Workers):
    """The process that asks, which does one task after the other."""

    def count(self) -> int:
        """One."""
        return 1

    def run(
        self, function: Callable[[_Task], _Value], take: Callable[[], _Task | None], progress: Progress | None = None
    ) -> Generator[tuple[_Task, _Value | InputError], None, None]:
        """See `Workers.run`."""
        del progress
        while (task := take()) is not None:
            yield task, attempt(function, task)


def attempt(function: Callable[[_Task], _Value], task: _Task) -> _Value | InputError:
    """Do a task; give back what the user should hear if it cannot be done."""
    try:
        return function(task)
    except InputError as error:
        return error
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        return DiskFullError(f"{error.filename or 'disk'}: disk full; free some space and run again")
    except MemoryError as error:
        return InputError(f"not enough memory ({error}); use fewer --workers, or smaller inputs")


class _Processes(Workers):
    """New processes of this machine, started as they are needed."""

    def __init__(self, number: int, environment: dict[str, str]) -> None:
        self._number, self._environment = number, environment
        self._all: list[_Process] = []

    def count(self) -> int:
        return self._number

    def run(
        self, function: Callable[[_Task], _Value], take: Callable[[], _Task | None], progress: Progress | None = None
    ) -> Generator[tuple[_Task, _Value | InputError], None, None]:
        del progress
        running: dict[_Process, _Task] = {}
        waiting = take()
        while running or waiting is not None:
            while waiting is not None and len(running) < self._number:
                idle = [process for process in self._all if process not in running]
                if not idle:
                    self._all.append(_Process(self._environment))
                process = (idle or self._all)[-1]
                process.begin(function, waiting)
                running[process] = waiting
                waiting = take()
            ready = wait([process.pipe for process in running])
            for process in [process for process in running if process.pipe in ready]:
                answer = process.answer()
                if answer is not None:
                    yield running.pop(process), answer[0]
            waiting = take() if waiting is None else waiting

    def end(self) -> None:
        for process in self._all:
            process.end()


class _Process:
    """A process that does one task after the other, and is started anew where it died."""

    pipe: Connection

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._start()

    def _start(self) -> None:
        self.pipe, theirs = Pipe()
        number = theirs.fileno()
        code = f"import sys; sys.path[:] = {sys.path!r}; from basinet.jobs.workers import _serve; _serve({number})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code], env=os.environ | self._environment, pass_fds=[number], process_group=0,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()

    def begin(self, function: Callable[[_Task], Any], task: _Task) -> None:
        self._message, self._deaths = pickle.dumps((function, task)), 0
        if self._process.poll() is not None:
            self._start()
        self._send()

    def _send(self) -> None:
        with suppress(OSError):  # it has died meanwhile, which the answer tells
            self.pipe.send_bytes(self._message)

    def answer(self) -> tuple[Any] | None:
        """Value of the task; None where the process died, and a new one does the task again.

        It is tried once more, as it may have been another's fault.
        """
        try:
            value, defect = pickle.loads(self.pipe.recv_bytes())  # noqa: S301 - from our own process
        except (EOFError, OSError):
            self.end()
            code = self._process.returncode
            self._deaths += 1
            if self._deaths > 1:
                reason = f"signal {-code}" if code < 0 else f"exit code {code}"
                return (WorkerDiedError(f"its worker process died ({reason}; out of memory?); use fewer --workers"),)
            self._start()
            self._send()
            return None
        if defect is not None:
            raise RuntimeError(defect)
        return (value,)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self.pipe.close()


def _serve(descriptor: int) -> None:
    pipe, messages = Connection(descriptor), SimpleQueue[bytes]()
    threading.Thread(target=_receive, args=(pipe, messages), daemon=True).start()
    while True:
        try:
            answer = pickle.dumps((attempt(*pickle.loads(messages.get())), None))  # noqa: S301 - from our own process
        except Exception:  # noqa: BLE001  (a defect of ours, which the driver raises)
            answer = pickle.dumps((None, traceback.format_exc()))
        pipe.send_bytes(answer)


def _receive(pipe: Connection, messages: SimpleQueue[bytes]) -> None:
    """Hand on what comes; end this process with the one that sends."""
    while True:
        try:
            messages.put(pipe.recv_bytes())
        except (EOFError, OSError):
            os._exit(1)


@contextmanager
def open_workers(
    count: int | None, scheduler: str | None = None, queue: QueueSettings | None = None
) -> Iterator[Workers]:
    """Yield workers: of the cluster at `scheduler`, jobs of a queue, or `count` new processes of this machine.

    InputError if the scheduler cannot be reached, or no jobs can be submitted.
    """
    if scheduler is not None or queue is not None:
        from basinet.jobs.queues import open_cluster

        with open_cluster(scheduler, queue) as cluster:
            yield cluster
        return
    with TemporaryDirectory(prefix="basinet-") as programs:
        processes = _Processes(count or min(available_processors() or 1, _MOST), _worker_environment(programs))
        try:
            yield processes
        finally:
            processes.end()


def _worker_environment(programs: str) -> dict[str, str]:
    """Environment of local workers; what the user has set stays.

    Programs that JAX compiles are kept in a folder that this run alone has: workers share them, and nobody else's code
    is run. A GPU, where JAX sees one, is shared by the workers.
    """
    wanted = _ONE_THREAD | {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "JAX_COMPILATION_CACHE_DIR": programs,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return {key: value for key, value in wanted.items() if key not in os.environ}
