"""The shipped frames are the ones that were computed, and hang together physically."""

from __future__ import annotations

import numpy as np
import pytest

from basinet.errors import InputError
from basinet.frames import shipped as reference_data
from basinet.frames.shipped import (
    CHECKSUMS,
    _folder,
    load_isolated_atoms,
    load_reference,
    reference_checksums,
    verify_reference,
)
from basinet.md.liquids import _box_length

COUNTS = {("ar", 32): 205, ("kr", 32): 203, ("mix", 32): 205, ("ar", 108): 42, ("kr", 108): 42, ("mix", 108): 41}


def test_every_shipped_file_has_its_checksum():
    assert verify_reference() == reference_checksums()
    assert len(reference_checksums()) == 8


@pytest.mark.parametrize(("system", "atoms"), COUNTS)
def test_frames_are_complete_and_labelled(system, atoms):
    frames = load_reference(system, atoms)
    assert len(frames) == COUNTS[system, atoms]
    isolated = {symbol: atom.info["REF_energy"] for symbol, atom in load_isolated_atoms().items()}
    numbers = [frame.info["frame"] for frame in frames]
    assert numbers == sorted(set(numbers))
    for frame in frames:
        assert len(frame) == atoms
        assert frame.info["system"] == system
        cohesion = (frame.info["REF_energy"] - sum(isolated[s] for s in frame.get_chemical_symbols())) / atoms
        assert -0.1 < cohesion < -0.04


@pytest.mark.parametrize("system", ["ar", "kr", "mix"])
def test_the_parts_of_the_energy_sum_and_the_local_energies_close(system):
    for frame in load_reference(system):
        info = frame.info
        parts = ("hartree", "core_self", "core_overlap")
        assert info["REF_electrostatic_energy"] == pytest.approx(sum(info[f"REF_{p}_energy"] for p in parts), abs=1e-8)
        closure = frame.arrays["REF_local_hartree_energy"].sum() - info["REF_hartree_energy"]
        # Local energies are stored with 8 decimals: 32 roundings.
        assert closure == pytest.approx(info["closure_error"], abs=32 * 5e-9)
        assert abs(closure) < 5e-3
        assert frame.arrays["bader_volume"].sum() == pytest.approx(frame.get_volume(), rel=1e-6)
        assert frame.arrays["bader_population"].sum() == pytest.approx(8 * len(frame), rel=1e-6)


@pytest.mark.parametrize(("system", "atoms"), COUNTS)
def test_boxes_of_both_sizes_are_at_the_density_that_sampling_uses(system, atoms):
    lengths = load_reference(system, atoms)[0].cell.lengths()
    assert lengths == pytest.approx([_box_length(system, atoms)] * 3, rel=1e-6)


@pytest.mark.parametrize("system", ["ar", "kr", "mix"])
def test_forces_sum_to_zero_as_far_as_the_grid_allows(system):
    # The real-space grid of 300 Ry breaks translation: 3.5 meV/A per atom at most, against forces of 50.
    for frame in load_reference(system):
        forces = frame.arrays["REF_forces"]
        assert np.abs(forces.mean(axis=0)).max() < 0.1 * np.sqrt((forces**2).mean())


@pytest.mark.parametrize(
    ("system", "atoms", "message"), [("xe", 32, "choose one of ar, kr, mix"), ("ar", 64, "choose 32 or 108")]
)
def test_what_there_is_not_is_refused_with_what_there_is(system, atoms, message):
    with pytest.raises(InputError, match=message):
        load_reference(system, atoms)


def test_altered_or_missing_files_are_refused_on_loading(tmp_path, monkeypatch):
    original = _folder()
    for name in (CHECKSUMS, "isolated.extxyz"):
        (tmp_path / name).write_bytes((original / name).read_bytes())
    text = (tmp_path / "isolated.extxyz").read_text()
    (tmp_path / "isolated.extxyz").write_text(text.replace("-574.18", "-574.19"))
    monkeypatch.setattr(reference_data, "_folder", lambda: tmp_path)
    with pytest.raises(InputError, match=r"isolated\.extxyz: the file does not match its checksum"):
        load_isolated_atoms()
    with pytest.raises(InputError, match=r"kr32\.extxyz: the file is missing"):
        load_reference("kr")
