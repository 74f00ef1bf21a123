"""Many inputs: order, failures, what is kept, and what is done again."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pytest
from tests.labelling import neutral_atoms as known

from basinet.errors import InputError
from basinet.files import atomic_write
from basinet.frames.reading import read_frames
from basinet.jobs.workers import ThisProcess, WorkerDiedError, open_workers
from basinet.labelling import partition as run_module
from basinet.labelling.partition import (
    _BYTES_PER_VALUE,
    _PEAK_ARRAYS,
    _SHARE,
    PartitionBatch,
    _choose_workers,
    _peak_memory,
)
from basinet.labelling.partition_settings import PartitionInput, PartitionSettings

SETTINGS = PartitionSettings(cores=known.PAIRS, threads=1)


def perhaps_fatal(item):
    if item == "die":
        os._exit(9)
    if item == "bad":
        raise InputError("bad: mend it")
    return item.upper()


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "all.extxyz.work"
    place.mkdir()
    return place


@pytest.fixture
def jobs(tmp_path):
    return [
        PartitionInput(known.write_neutral_atoms(tmp_path / f"{name}.cube", shape=(21, 16, 18), factor=factor))
        for name, factor in (("b", 1.0), ("a", 1.0001), ("c", 0.9999))
    ]


@pytest.fixture
def computed(monkeypatch):
    """Names of the inputs that are computed, in order."""
    names = []
    real = run_module.partition_input
    monkeypatch.setattr(
        run_module, "partition_input", lambda job, settings: (names.append(job.path.stem), real(job, settings))[1]
    )
    return names


@pytest.mark.parametrize("workers", [1, pytest.param(3, marks=pytest.mark.long)])
def test_order_is_that_of_the_inputs_and_labels_do_not_depend_on_workers(tmp_path, jobs, workers):
    run = PartitionBatch(jobs, SETTINGS)
    run.compute(workers, None)
    run.write(tmp_path / "all.extxyz")
    frames = read_frames(tmp_path / "all.extxyz")
    assert [atoms.info["source"] for atoms in frames] == [str(job.path) for job in jobs]
    assert [atoms.info["frame"] for atoms in frames] == [0, 1, 2]
    factors = [1 + atoms.info["bader_renormalisation"] for atoms in frames]
    assert factors[0] / np.array(factors) == pytest.approx([1.0, 1.0001, 0.9999], rel=1e-12)


def test_frames_written_have_all_their_digits(tmp_path, jobs):
    run = PartitionBatch(jobs[:1], SETTINGS)
    run.compute(1, None)
    run.write(tmp_path / "all.extxyz")
    (read,) = read_frames(tmp_path / "all.extxyz")
    own = run_module.partition_input(jobs[0], SETTINGS).atoms
    assert np.array_equal(read.arrays["REF_local_hartree_energy"], own.arrays["REF_local_hartree_energy"])
    assert read.info["REF_electrostatic_energy"] == own.info["REF_electrostatic_energy"]
    assert np.array_equal(read.cell.array, own.cell.array)


def test_a_bad_input_is_passed_over(tmp_path, jobs):
    jobs[1].path.write_text(jobs[1].path.read_text()[:5000])
    run = PartitionBatch(jobs, SETTINGS)
    run.compute(1, None)
    run.write(tmp_path / "all.extxyz")
    assert list(run.failures) == [1]
    assert "a.cube" in run.failures[1]
    assert [atoms.info["frame"] for atoms in read_frames(tmp_path / "all.extxyz")] == [0, 2]


def test_finished_inputs_are_kept_and_changed_ones_done_again(jobs, folder, computed):
    PartitionBatch(jobs[:2], SETTINGS, folder).compute(1, None)
    assert computed == ["b", "a"]
    PartitionBatch(jobs, SETTINGS, folder).compute(1, None)
    assert computed == ["b", "a", "c"]
    known.write_neutral_atoms(jobs[1].path, shape=(21, 16, 18), factor=1.0002)
    run = PartitionBatch(jobs, SETTINGS, folder)
    run.compute(1, None)
    assert computed == ["b", "a", "c", "a"]
    found = [done.atoms.info["bader_renormalisation"] for done in run.results()]
    assert found[1] == pytest.approx(1 / 1.0002 * (1 + found[0]) - 1, abs=1e-9)


def test_a_density_may_be_deleted_once_its_frame_is_done(jobs, folder, computed):
    PartitionBatch(jobs, SETTINGS, folder).compute(1, None)
    jobs[1].path.unlink()
    run = PartitionBatch(jobs, SETTINGS, folder)
    run.compute(1, None)
    assert len(computed) == len(list(run.results())) == 3


def test_a_changed_field_is_noticed(tmp_path, jobs, folder, computed):
    settings = PartitionSettings(cores=known.PAIRS, threads=1, fields={"again": tmp_path / "c.cube"})
    PartitionBatch(jobs[:1], settings, folder).compute(1, None)
    known.write_neutral_atoms(tmp_path / "c.cube", shape=(21, 16, 18), factor=2.0)
    PartitionBatch(jobs[:1], settings, folder).compute(1, None)
    assert computed == ["b", "b"]


def test_other_settings_are_another_result(jobs, folder, computed):
    PartitionBatch(jobs[:1], SETTINGS, folder).compute(1, None)
    PartitionBatch(jobs[:1], PartitionSettings(cores=known.PAIRS, threads=2), folder).compute(1, None)
    assert computed == ["b"]  # threads are no setting of the result
    PartitionBatch(jobs[:1], PartitionSettings(cores=known.PAIRS, vacuum=1e-3), folder).compute(1, None)
    assert computed == ["b", "b"]


def test_a_damaged_result_is_done_again(jobs, folder, computed):
    PartitionBatch(jobs[:1], SETTINGS, folder).compute(1, None)
    (kept,) = folder.glob("*.json")
    for text in (kept.read_text()[:-40], "[]", '{"fingerprint": 0, "result": {}}'):
        with atomic_write(kept) as stream:
            stream.write(text)
        PartitionBatch(jobs[:1], SETTINGS, folder).compute(1, None)
    assert computed == ["b"] * 4


def test_a_locpot_that_appears_later_is_noticed(tmp_path, folder, computed):
    from tests.labelling.test_vasp import write_vasp

    chgcar = write_vasp(tmp_path / "CHGCAR", known.density() * np.linalg.det(known.CELL))
    settings = PartitionSettings(threads=1)
    for _ in range(2):
        PartitionBatch([PartitionInput(chgcar)], settings, folder).compute(1, None)
    assert len(computed) == 1
    write_vasp(tmp_path / "LOCPOT", known.density())
    PartitionBatch([PartitionInput(chgcar)], settings, folder).compute(1, None)
    assert len(computed) == 2


@pytest.mark.long
def test_an_input_that_kills_its_worker_takes_no_other_with_it():
    items = ["a", "b", "die", "c", "bad", "d", "e"]
    with open_workers(2) as pool:
        found = dict(pool.run(perhaps_fatal, partial(next, iter(items), None)))
    assert [found[item] for item in "abcde"] == ["A", "B", "C", "D", "E"]
    assert isinstance(found["die"], WorkerDiedError)
    assert str(found["bad"]) == "bad: mend it"


def test_a_defect_of_ours_is_raised(jobs, monkeypatch):
    with pytest.raises(AttributeError):
        list(ThisProcess().run(perhaps_fatal, partial(next, iter(["a", 3]), None)))

    def broken(*_arguments):
        raise RuntimeError

    monkeypatch.setattr(run_module, "_read_source", broken)
    with pytest.raises(RuntimeError) as defect:
        PartitionBatch(jobs, SETTINGS).compute(1, None)
    assert "b.cube" in defect.value.__notes__[0]


def test_workers_are_as_many_as_memory_allows(tmp_path, monkeypatch):
    paths = []
    for name in "abcd":
        paths.append(tmp_path / f"{name}.cube")
        with paths[-1].open("wb") as stream:
            stream.truncate(_BYTES_PER_VALUE * 200**3)
    monkeypatch.setattr(run_module, "available_processors", lambda: 8)
    need = _peak_memory(paths[0])
    assert need > _PEAK_ARRAYS * 8 * 200**3
    for share, expected in ((0.5, 1), (2.1, 2), (3.5, 3), (100, 4)):
        monkeypatch.setattr(run_module, "free_memory", partial(int, share * need / _SHARE))
        assert _choose_workers(paths) == expected
