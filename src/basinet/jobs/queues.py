"""Workers that are jobs of a queueing system, through dask-jobqueue."""

from __future__ import annotations

import importlib
import shutil
import socket
from typing import Any, Literal

from pydantic import Field

from basinet.config.loading import Count, Section
from basinet.errors import InputError

_SYSTEMS = {
    "slurm": ("SLURMCluster", "sbatch"),
    "pbs": ("PBSCluster", "qsub"),
    "sge": ("SGECluster", "qsub"),
    "lsf": ("LSFCluster", "bsub"),
    "htcondor": ("HTCondorCluster", "condor_submit"),
    "oar": ("OARCluster", "oarsub"),
    "moab": ("MoabCluster", "msub"),
}
"""Class of dask-jobqueue, and the command that it calls."""


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

    Raises
    ------
    InputError
        dask-jobqueue is not installed, or a setting is none of this machine.
    """
    try:
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
        "scheduler_options": {"dashboard_address": ":0"},  # any port that is free
        # One calculation at a time in each job, whatever its cores.
        "worker_extra_args": ["--nthreads", "1"],
    }
    kind = getattr(dask_jobqueue, _SYSTEMS[settings.system][0])
    return kind(**{key: value for key, value in options.items() if value is not None})


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


def _check_submission(settings: QueueSettings) -> None:
    """Refuse a machine from which no jobs can be submitted."""
    command = _SYSTEMS[settings.system][1]
    if shutil.which(command) is None:
        raise InputError(
            f"cluster.system: {command} of {settings.system} is not on this machine; run where jobs are submitted"
        )
