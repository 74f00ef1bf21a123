"""Campaigns on workers that are not the driver's own: a Dask cluster that is there, and jobs of a queueing system."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from tests.cli.process import ENVIRONMENT, start
from tests.cli.refusal import assert_refused
from tests.jobs.ports import listening
from tests.labelling.campaigns import fake, journal, results, same_frames, wait_until, write_campaign

from basinet.frames.reading import read_frames
from basinet.labelling.driver import _processors
from basinet.labelling.settings import RunSettings

pytestmark = pytest.mark.long

COUNT = 4


@pytest.fixture
def dask(tmp_path):
    """Start a part of Dask as a process of its own, its output in a file."""
    processes = []

    def begin(part, *arguments):
        with (tmp_path / f"{part}-{len(processes)}.log").open("w") as log:
            command = [sys.executable, "-m", "distributed.cli.dask_" + part, *arguments]
            process = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stdout=log, stderr=log)
        processes.append(process)
        return process

    yield begin
    for process in reversed(processes):
        process.terminate()
    for process in processes:
        process.wait(timeout=60)


def test_two_workers_started_on_their_own_do_a_campaign_together(dask, tmp_path):
    write_campaign(tmp_path, COUNT, run={"workers": 1, "command": fake(tmp_path)})
    dft_run(tmp_path, "--out", "alone")
    (tmp_path / "journal").unlink()

    fake(tmp_path, together=2)
    address_file = tmp_path / "scheduler.json"
    scheduler = dask("scheduler", "--port", "0", "--dashboard-address", ":0", "--scheduler-file", "scheduler.json")
    wait_until(address_file.is_file, scheduler)
    workers = [
        dask("worker", "--scheduler-file", "scheduler.json", "--nthreads", "1", "--no-dashboard", "--name", name)
        for name in ("one", "two")
    ]
    for name in ("one", "two"):
        wait_until(lambda name=name: f"name: {name}" in logs(tmp_path), workers[0])
    address = json.loads(address_file.read_text())["address"]
    dft_run(tmp_path, "--scheduler", address)
    assert journal(tmp_path) == {f"{word}:{frame}": 1 for word in ("begin", "end") for frame in range(COUNT)}
    entries = (tmp_path / "journal").read_text().split()
    at_work = np.cumsum([1 if entry.startswith("begin") else -1 for entry in entries])
    assert at_work.max() == 2  # each worker does one at a time, so both have worked
    same_frames(tmp_path / "argon" / "labelled.extxyz", tmp_path / "alone" / "labelled.extxyz")
    assert all(worker.poll() is None for worker in workers)  # they are not ours to end


def dft_run(folder, *options):
    process = start("dft", "run", "argon.yaml", *options, cwd=folder)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr


def logs(folder):
    return "".join(path.read_text() for path in folder.glob("*.log"))


SBATCH = """#!/bin/sh
cp "$1" {queue}/$$.sh
setsid sh {queue}/$$.sh > {queue}/$$.log 2>&1 < /dev/null &
echo $! >> {queue}/jobs
echo Submitted batch job $!
"""
SCANCEL = """#!/bin/sh
for job in "$@"; do kill -9 -- -$job; done
"""


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Stand in for SLURM: jobs start at once on this machine, and their numbers are in the file ``jobs``."""
    pytest.importorskip("cryptography", reason="pip install 'basinet[cluster]'")
    folder = tmp_path / "queue"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH.format(queue=folder)), ("scancel", SCANCEL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setitem(ENVIRONMENT, "PATH", f"{folder}:{ENVIRONMENT.get('PATH', os.defpath)}")
    yield folder
    for job in (folder / "jobs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(job), signal.SIGKILL)


def test_a_job_that_ends_is_replaced_and_what_it_did_is_done_again(queue, tmp_path, run):
    fates = {frame: ["well:1"] for frame in range(COUNT)}
    cluster = {"system": "slurm", "memory": "1GB", "interface": "lo"}
    write_campaign(tmp_path, COUNT, run={"command": fake(tmp_path, fates)}, cluster=cluster)
    process = start("dft", "run", "argon.yaml", cwd=tmp_path)
    wait_until(lambda: results(tmp_path / "argon") and journal(tmp_path)["begin:1"], process)
    keys = [path for path in tmp_path.iterdir() if path.name.startswith(".dask-jobqueue.worker")]
    assert keys
    assert all(path.stat().st_mode & 0o077 == 0 for path in keys)
    (job,) = (queue / "jobs").read_text().split()
    os.killpg(int(job), signal.SIGKILL)
    refused_to_strangers(process)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    assert len((queue / "jobs").read_text().split()) == 2
    assert len(read_frames(tmp_path / "argon" / "labelled.extxyz")) == COUNT
    assert json.loads(run("dft", "status", "argon", "--json").stdout)["tries_failed"].get("killed", 0) <= 1


def refused_to_strangers(process):
    """Another account that connects to the ports of a campaign is not let in."""
    ports = [address.port for address in listening(process.pid) if hasattr(address, "port")]
    assert ports
    code = (
        "import os\nfrom distributed import Client, LocalCluster\nos.getuid() or os.setuid(65534)\n"
        f"for port in {ports}:\n    try:\n        Client(f'tcp://127.0.0.1:{{port}}', timeout=3)\n"
        "    except OSError:\n        continue\n"
        "    raise SystemExit('let in')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/")
    assert found.returncode == 0, found.stderr


def test_a_queueing_system_that_is_not_here_is_refused(run, tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue", reason="pip install 'basinet[cluster]'")
    monkeypatch.setenv("PATH", str(tmp_path))
    write_campaign(tmp_path, 1, cluster={"system": "slurm", "interface": "lo"})
    assert "sbatch of slurm is not on this machine" in run("dft", "run", "argon.yaml").stderr
    write_campaign(tmp_path, 1, cluster={"system": "slurm", "memory": "16 potatoes"})
    assert_refused(run("dft", "run", "argon.yaml", "--show-job-script"), "cluster.memory: 16 potatoes")
    write_campaign(tmp_path, 1, cluster={"system": "slurm", "interface": "ib99"})
    assert_refused(run("dft", "run", "argon.yaml", "--show-job-script"), "cluster.interface: ib99", "it has ", "lo")


def test_a_scheduler_that_does_not_answer_is_refused_before_anything_is_written(run, tmp_path):
    write_campaign(tmp_path, 1, run={"command": fake(tmp_path)})
    assert_refused(run("dft", "run", "argon.yaml", "--scheduler", "tcp://127.0.0.1:1"), "no Dask scheduler answers")
    assert not (tmp_path / "argon").exists()


@pytest.mark.parametrize(
    ("system", "lines"),
    [
        ("slurm", ["#SBATCH -p long", "#SBATCH -A gases", "#SBATCH --cpus-per-task=8", "#SBATCH -t 12:00:00"]),
        ("pbs", ["#PBS -q long", "#PBS -A gases", "#PBS -l walltime=12:00:00"]),
    ],
)  # fmt: skip
def test_the_job_script_is_shown_and_nothing_is_submitted(run, tmp_path, system, lines):
    pytest.importorskip("cryptography", reason="pip install 'basinet[cluster]'")
    cluster = {
        "system": system, "jobs": 4, "cores": 8, "memory": "16GB", "walltime": "12:00:00", "queue": "long",
        "account": "gases", "directives": ["--qos=low"], "prologue": ["module load cp2k/2023.1"],
    }  # fmt: skip
    write_campaign(tmp_path, 1, cluster=cluster, run={"threads": 8})
    result = run("dft", "run", "argon.yaml", "--show-job-script")
    assert result.exit_code == 0, result.stderr
    script = result.stdout
    encrypted = ["--protocol tls://", "--tls-ca-file", "--tls-cert", f"--tls-key {tmp_path}/"]
    for line in [*lines, *encrypted, "--qos=low", "module load cp2k/2023.1", "--nthreads 1"]:
        assert line in script, script
    assert script.index("module load") < script.index("distributed.cli.dask_worker")
    assert not (tmp_path / "argon").exists()


@pytest.mark.parametrize(
    ("command", "threads", "needed"),
    [
        ("", 3, 3),
        ("cp2k.psmp", 1, 1),
        ("mpirun -np 8 cp2k.psmp", 1, 8),
        ("mpiexec -n 4 --bind-to none cp2k.psmp", 2, 8),
        ("srun --ntasks=16 --cpu-bind=cores cp2k.psmp", 1, 16),
        ("apptainer run --no-home cp2k.sif -nothing 5", 1, 1),
    ],
)
def test_a_calculation_takes_as_many_processors_as_its_ranks_and_threads(command, threads, needed):
    assert _processors(RunSettings(command=command, threads=threads)) == needed


def test_a_job_script_without_a_cluster_or_its_package_is_refused(run, tmp_path, monkeypatch):
    write_campaign(tmp_path, 1)
    assert_refused(run("dft", "run", "argon.yaml", "--show-job-script"), "cluster: ")
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    write_campaign(tmp_path, 1, cluster={"system": "slurm"})
    assert_refused(
        run("dft", "run", "argon.yaml", "--show-job-script"), "dask-jobqueue", "pip install 'basinet[cluster]'"
    )
