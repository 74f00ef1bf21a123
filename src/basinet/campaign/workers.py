"""Where calculations run: processes of this machine, an existing Dask cluster, or jobs of a queueing system."""

from __future__ import annotations

import importlib
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from basinet.campaign.campaign import Campaign
from basinet.errors import InputError
from basinet.execution.workers import connect
from basinet.io.provenance import available_processors

if TYPE_CHECKING:
    from distributed import Client

    from basinet.config.campaign_settings import CampaignConfig, ClusterSettings, RunSettings

CLASSES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "htcondor": "HTCondorCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
}
"""Of dask-jobqueue."""
SUBMIT = {
    "slurm": "sbatch",
    "pbs": "qsub",
    "sge": "qsub",
    "lsf": "bsub",
    "htcondor": "condor_submit",
    "oar": "oarsub",
    "moab": "msub",
}
"""Commands that it calls."""
RANKS = re.compile(r"\s(?:-n|--?np|--ntasks)(?: +|=)(\d+)(?!\S)")
"""How mpirun, mpiexec and srun are told the number of processes."""


@contextmanager
def connected(campaign: Campaign, scheduler: str | None) -> Iterator[Client]:
    """Yield a client whose workers do the units.

    Raises
    ------
    InputError
        The scheduler does not answer, or dask-jobqueue is not installed.
    """
    from distributed import Client

    config = campaign.config
    if scheduler is None and config.cluster is not None:
        check_submission(config.cluster)
        with job_cluster(config) as cluster, Client(cluster) as client:
            replenish(client, config)
            yield client
        return
    with connect(local_workers(config), scheduler, campaign.root / "running") as client:
        yield client


def replenish(client: Client, config: CampaignConfig) -> None:
    """Submit as many jobs as are missing: the queueing system ends them when their time is over."""
    if config.cluster is not None and client.cluster is not None:
        client.cluster.scale(jobs=config.cluster.jobs)


def local_workers(config: CampaignConfig) -> int:
    """Calculations at a time on this machine."""
    return config.run.workers or max(1, (available_processors() or 1) // processors(config.run))


def processors(run: RunSettings) -> int:
    """Processors of one calculation: the MPI ranks that its command names, times their threads.

    >>> from basinet.config.campaign_settings import RunSettings
    >>> processors(RunSettings(command="mpirun -np 8 cp2k.psmp", threads=2))
    16
    """
    ranks = RANKS.search(run.command)
    return int(ranks[1] if ranks else 1) * run.threads


def job_cluster(config: CampaignConfig) -> Any:
    """A cluster of jobs, none of them in the queue yet.

    Raises
    ------
    InputError
        dask-jobqueue is not installed.
    """
    try:
        dask_jobqueue = importlib.import_module("dask_jobqueue")
    except ImportError as error:
        raise InputError("cluster: needs dask-jobqueue; pip install 'basinet[cluster]'") from error
    settings = config.cluster
    if settings is None:
        raise InputError("cluster: the config has no such section; see docs/campaigns.md")
    check_cluster(settings)
    options: dict[str, Any] = {
        "cores": settings.cores or processors(config.run),
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
    kind = getattr(dask_jobqueue, CLASSES[settings.system])
    return kind(**{key: value for key, value in options.items() if value is not None})


def check_cluster(settings: ClusterSettings) -> None:
    """Refuse what Dask would, in one line and before it has begun."""
    from dask.utils import parse_bytes

    try:
        parse_bytes(settings.memory)
    except ValueError as error:
        raise InputError(f"cluster.memory: {settings.memory}: {error}; give a size such as 16GB") from error
    known = sorted(name for _, name in socket.if_nameindex())
    if settings.interface is not None and settings.interface not in known:
        raise InputError(f"cluster.interface: {settings.interface} is not on this machine; it has {', '.join(known)}")


def check_submission(settings: ClusterSettings) -> None:
    """Refuse a machine from which no jobs can be submitted."""
    command = SUBMIT[settings.system]
    if shutil.which(command) is None:
        raise InputError(
            f"cluster.system: {command} of {settings.system} is not on this machine; run where jobs are submitted"
        )


def job_script(config: CampaignConfig) -> str:
    """The script of one job, as it goes to the queue.

    Raises
    ------
    InputError
        See `job_cluster`.
    """
    with job_cluster(config) as cluster:
        text: str = cluster.job_script()
    return text
