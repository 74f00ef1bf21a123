"""Many inputs on worker processes. A worker that dies takes nothing with it but the input that killed it."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Generic, TypeVar

from basinet.errors import InputError

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
