"""Run a study's tasks on Dask workers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from basinet.study.running import result_path, run_task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from distributed import Client

    from basinet.execution.progress import Progress
    from basinet.study.tasks import Task


def run_all(client: Client, root: Path, tasks: Sequence[Task], progress: Progress, stage: str) -> None:
    """Run all tasks that are not done; each writes its own result file, so a kill at any moment loses one task at most.

    Raises
    ------
    InputError
        What a task raised for a mistake of the user's.
    """
    from distributed import as_completed

    pending = [task for task in tasks if not result_path(root, task).exists()]
    progress.start(stage, [task.cost for task in tasks], [task.cost for task in tasks if task not in pending])
    if pending:
        ordered = sorted(pending, key=lambda task: -task.cost)
        # The folder is part of the key: one scheduler may serve several studies with tasks of the same name.
        home = str(root.resolve())
        suffix = hashlib.sha256(home.encode()).hexdigest()[:8]
        futures: dict[Any, Task] = {
            client.submit(run_task, home, task, pure=False, key=f"{task.name}-{suffix}", priority=task.cost): task
            for task in ordered
        }
        try:
            for future in as_completed(list(futures)):
                name = future.result()
                progress.advance(futures[future].cost, name)
        except BaseException:
            client.cancel(list(futures))
            raise
    progress.finish()
