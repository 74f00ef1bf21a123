"""Where calculations run: processes of this machine, an existing Dask cluster, or jobs of a queueing system."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from basinet.campaign.campaign import Campaign
from basinet.errors import InputError
from basinet.execution.workers import connect
from basinet.io.provenance import available_processors

if TYPE_CHECKING:
    from distributed import Client

    from basinet.config.campaign_settings import CampaignConfig

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


@contextmanager
def connected(campaign: Campaign, scheduler: str | None) -> Iterator[Client]:
    """Yield a client whose workers do the units.

    Raises
    ------
    InputError
        The scheduler does not answer, or dask-jobqueue is not installed.
    """
    import dask
    from distributed import Client

    config = campaign.config
    if scheduler is None and config.cluster is not None:
        with job_cluster(config) as cluster, Client(cluster) as client:
            cluster.scale(jobs=config.cluster.jobs)
            yield client
        return
    # A unit whose worker dies is tried again by us, who count such deaths, not by Dask.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        connect(local_workers(config), scheduler, campaign.root / "running") as client,
    ):
        yield client


def local_workers(config: CampaignConfig) -> int:
    """Calculations at a time on this machine."""
    return config.run.workers or max(1, (available_processors() or 1) // config.run.threads)


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
    options: dict[str, Any] = {
        "cores": settings.cores or config.run.threads,
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
