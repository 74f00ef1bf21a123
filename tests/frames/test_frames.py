"""Frames are read as they are, or refused by name; what is written is what was there."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from hypothesis import given, reject
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from basinet.errors import InputError
from basinet.frames.labels import energy_label, for_each_frame, force_labels
from basinet.frames.neighbours import refuse_overlap
from basinet.frames.reading import parse_frames, read_frames, system_of, write_frames

pytestmark = pytest.mark.slow

FRAME = """2
Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:REF_forces:R:3 system=ar REF_energy=-1148.37
Ar 0.00000000 0.00000000 0.00000000 0.10000000 0.00000000 0.00000000
Ar 3.80000000 0.00000000 0.00000000 -0.10000000 0.00000000 0.00000000
"""
ONE = """1
Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3 pbc="T T T"
Ar 0.500 0.250 0.125
"""


def refuse(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_frames(text, "a.extxyz")
    assert str(caught.value).startswith("a.extxyz")
    assert "\n" not in str(caught.value)


def test_labels_are_read_and_missing_ones_stay_missing(tmp_path):
    (tmp_path / "a.extxyz").write_text(FRAME + ONE)
    labelled, bare = read_frames(tmp_path / "a.extxyz")
    assert energy_label(labelled, "REF_energy", 0) == -1148.37
    assert force_labels(labelled, 0)[0, 0] == 0.1
    assert "REF_energy" not in bare.info
    with pytest.raises(InputError, match="frame 1: label REF_energy is missing"):
        energy_label(bare, "REF_energy", 1)


def test_several_files_are_joined_in_order(tmp_path):
    (tmp_path / "a").write_text(FRAME)
    (tmp_path / "b").write_text(ONE)
    assert [len(atoms) for atoms in read_frames([tmp_path / "b", str(tmp_path / "a")])] == [1, 2]


@pytest.mark.parametrize(("energy", "forces"), [("energy", "forces"), ("dft_energy", "dft_forces")])
def test_other_keys_become_ours_even_those_that_ase_hides_in_a_calculator(energy, forces):
    text = FRAME.replace("REF_energy", energy).replace("REF_forces", forces)
    (atoms,) = parse_frames(text, "a", energy_key=energy, forces_key=forces)
    assert atoms.info["REF_energy"] == -1148.37
    assert atoms.arrays["REF_forces"].shape == (2, 3)
    assert energy not in atoms.info
    assert forces not in atoms.arrays


def test_a_key_that_no_frame_has_is_an_error_that_names_those_there():
    with pytest.raises(InputError, match=r"no frame has the key 'enegry'; found REF_energy, REF_forces, system"):
        parse_frames(FRAME, "a", energy_key="enegry")


def test_a_key_asked_for_is_never_replaced_by_another():
    text = FRAME.replace("REF_energy", "mine=-2.0 REF_energy") + FRAME
    first, second = parse_frames(text, "a", energy_key="mine")
    assert first.info["REF_energy"] == -2.0
    assert "REF_energy" not in second.info


def test_missing_files_and_directories_are_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.extxyz: no such file"):
        read_frames(tmp_path / "absent.extxyz")
    with pytest.raises(InputError, match="is a directory"):
        read_frames(tmp_path)
    with pytest.raises(InputError, match="name at least one"):
        read_frames([])


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_refused(text):
    refuse(text, "the file is empty")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Lorem ipsum\n", "frame 0 .line 1.: expected the number of atoms, found 'Lorem ipsum'"),
        (FRAME + FRAME.replace("2\n", "3\n", 1), "frame 1 .line 5.: the file is cut short, 2 of 3 atoms"),
        (FRAME.replace("2\n", "1\n", 1), "frame 1 .line 4.: expected the number of atoms"),
        (FRAME + "\n" + FRAME.replace("3.8", "three"), "frame 1: not readable as extended XYZ"),
        (FRAME.replace(" 0.10000000", ""), "atom 0 has 6 columns instead of 7"),
        (FRAME.replace("3.80000000", "nan"), "frame 0: the position of atom 1 is NaN or infinite"),
        (FRAME.replace("-1148.37", "inf"), "frame 0: the label REF_energy is NaN or infinite"),
        (FRAME.replace("-1148.37", "abc"), "frame 0: the label REF_energy is not a number"),
        (FRAME.replace("-0.10000000", "nan"), "frame 0: the label REF_forces is NaN or infinite"),
        (FRAME.replace("9 0 0 0 9 0 0 0 9", "0 0 0 0 0 0 0 0 0"), "frame 0: periodic, but the cell has no sensible"),
        (FRAME.replace("9 0 0 0 9 0 0 0 9", "9 0 0 9 0 0 0 0 9"), "frame 0: periodic, but the cell has no sensible"),
        (FRAME.replace("Ar 3", "Xx 3"), "frame 0: not readable"),
        (FRAME.replace("REF_forces:R:3", "REF_forces:R:2:x:R:1"), "frame 0: the forces are not three numbers"),
        ("0\n\n", "a frame of no atoms"),
    ],
)
def test_a_damaged_frame_is_refused_by_number(text, message):
    refuse(text, message)


def test_windows_line_ends_and_open_boundaries_are_read():
    (atoms,) = parse_frames(FRAME.replace("\n", "\r\n"), "a")
    assert atoms.info["REF_energy"] == -1148.37
    (atoms,) = parse_frames("1\n\nAr 0 0 0\n", "a")
    assert not atoms.pbc.any()


@given(st.integers(0, len(FRAME + FRAME)))
def test_a_file_cut_at_any_byte_is_refused_or_whole_frames(stop):
    whole = parse_frames(FRAME + FRAME, "a")
    try:
        frames = parse_frames((FRAME + FRAME)[:stop], "a")
    except InputError:
        return
    for frame, original in zip(frames, whole, strict=False):
        assert np.array_equal(frame.positions, original.positions)
        assert np.array_equal(frame.arrays["REF_forces"], original.arrays["REF_forces"])
        assert frame.info == original.info


@given(st.integers(0, len(ONE)))
def test_a_frame_of_one_atom_cut_at_any_byte_is_refused_or_whole(stop):
    try:
        (frame,) = parse_frames(ONE[:stop], "a")
    except InputError:
        return
    assert frame.positions.tolist() == [[0.5, 0.25, 0.125]]


@given(st.binary(max_size=300))
def test_any_bytes_are_frames_or_an_input_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "garbage.extxyz"
    path.write_bytes(content)
    try:
        read_frames(path)
    except InputError as refusal:
        message = str(refusal)
    else:
        return
    assert str(path) in message


@given(st.integers(0, len(FRAME) - 1), st.text(max_size=3))
def test_a_frame_with_any_damage_is_read_or_an_input_error(place, damage):
    try:
        parse_frames(FRAME[:place] + damage + FRAME[place + 1 :], "a")
    except InputError as refusal:
        message = str(refusal)
    else:
        return
    assert message.startswith("a")


def test_hartree_among_electronvolts_is_refused_and_both_frames_are_named(tmp_path):
    (tmp_path / "a").write_text(FRAME + FRAME.replace("-1148.37", "-42.2"))
    with pytest.raises(InputError, match=r"a, frame 1: REF_energy is 553.085 eV/atom above that of .*a, frame 0"):
        read_frames(tmp_path / "a")


def test_compositions_are_not_compared_with_one_another_nor_with_isolated_atoms(tmp_path):
    krypton = FRAME.replace("Ar 3", "Kr 3").replace("-1148.37", "-1075.2")
    isolated = ONE.replace("Lattice", "config_type=IsolatedAtom REF_energy=-1 Lattice")
    (tmp_path / "a").write_text(FRAME + krypton + isolated)
    assert len(read_frames(tmp_path / "a")) == 3


@pytest.mark.parametrize(("symbols", "name"), [("Ar3", "ar"), ("Kr", "kr"), ("ArKr", "mix")])
def test_the_system_is_the_composition_unless_the_frame_says(symbols, name):
    assert system_of(Atoms(symbols)) == name
    assert system_of(Atoms(symbols, info={"system": "cold"})) == "cold"


NUMBERS = st.floats(-1e5, 1e5).map(lambda x: x + 0.0)


@given(hnp.arrays(float, (3, 3), elements=NUMBERS), hnp.arrays(float, 3, elements=NUMBERS), NUMBERS)
def test_numbers_survive_the_round_trip_exactly(tmp_path_factory, positions, local, energy):
    path = tmp_path_factory.getbasetemp() / "round.extxyz"
    frame = Atoms("Ar2Kr", positions, cell=[[7.1, 0, 0], [0.3, 8.2, 0], [0, 0.1, 9.3]], pbc=[True, True, False])
    try:
        refuse_overlap(frame)
    except InputError:
        reject()
    frame.info.update(REF_energy=energy, system="mix", frame=3, checked=True, note="two words")
    frame.arrays["REF_local_energy"] = local
    frame.arrays["group"] = np.array([0, 1, 2])
    write_frames(path, [frame, Atoms("Ar", [[0, 0, 0]])])
    loaded, bare = read_frames(path)
    assert np.array_equal(loaded.positions, positions)
    assert np.array_equal(loaded.cell.array, frame.cell.array)
    assert np.array_equal(loaded.pbc, frame.pbc)
    assert np.array_equal(loaded.arrays["REF_local_energy"], local)
    assert np.array_equal(loaded.arrays["group"], frame.arrays["group"])
    assert loaded.info == frame.info
    assert bare.info == {}
    assert set(bare.arrays) == {"numbers", "positions"}


def test_atoms_in_one_place_are_refused_with_file_and_frame(tmp_path):
    frames = [Atoms("Ar2", [[0, 0, 0], [0, 0, 3.8]], cell=[9, 9, 9], pbc=True) for _ in range(3)]
    frames[1].positions[1] = [9.0, 0, 0.01]  # through the cell's face
    write_frames(tmp_path / "a.extxyz", frames)
    with pytest.raises(InputError, match=r"a\.extxyz, frame 1: atoms 0 and 1 are in one place \(0\.01 A apart\)"):
        read_frames(tmp_path / "a.extxyz")


def test_messages_name_the_file_and_the_frame_in_it(tmp_path):
    frames = [Atoms("Ar2", [[0, 0, 0], [0, 0, 3.8]], info={"REF_energy": -1.0}) for _ in range(3)]
    write_frames(tmp_path / "a.extxyz", frames)
    del frames[1].info["REF_energy"]
    write_frames(tmp_path / "b.extxyz", frames)
    found = read_frames([tmp_path / "a.extxyz", tmp_path / "b.extxyz"])
    with pytest.raises(InputError, match=r"b\.extxyz, frame 1: label REF_energy is missing"):
        for_each_frame(lambda atoms: energy_label(atoms, "REF_energy", 0), found)

    def failing(_atoms):
        raise InputError("no network for Ar")

    with pytest.raises(InputError, match=r"b\.extxyz, frame 0: no network for Ar"):
        for_each_frame(failing, found[3:])


def test_results_of_a_calculator_are_written_under_ases_names(tmp_path):
    frame = Atoms("Ar2", [[0, 0, 0], [0, 0, 3.8]], cell=[9, 9, 9], pbc=True)
    stress = np.arange(6.0)
    results = {"energy": -1.25, "forces": np.eye(3)[:2], "energies": np.array([-1.0, -0.25]), "stress": stress}
    frame.calc = SinglePointCalculator(frame, **results)
    write_frames(tmp_path / "p.extxyz", [frame])
    loaded = read(tmp_path / "p.extxyz")
    for name, value in results.items():
        assert np.array_equal(loaded.calc.results[name], value)
    assert frame.info == {}


def test_frames_written_by_ase_itself_are_read(tmp_path):
    frame = Atoms("ArKr", [[0, 0, 0], [0, 0, 3.8]], cell=[9, 9, 9], pbc=True, info={"REF_energy": -1.5})
    write(tmp_path / "a.extxyz", [frame, frame])
    assert [atoms.info["REF_energy"] for atoms in read_frames(tmp_path / "a.extxyz")] == [-1.5, -1.5]


def test_a_label_that_would_break_the_format_is_not_written(tmp_path):
    frame = Atoms("Ar", info={"note": "two\nlines"})
    with pytest.raises(ValueError, match="line break"):
        write_frames(tmp_path / "a.extxyz", [frame])
    with pytest.raises(InputError, match="no frames to write"):
        write_frames(tmp_path / "a.extxyz", [])
    assert not list(tmp_path.iterdir())


def test_reading_does_not_need_a_final_line_break():
    assert len(parse_frames(FRAME.rstrip("\n"), "a")) == 1


LINE = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3 pbc="T T T"'


@pytest.mark.parametrize(
    ("comment", "row", "words"),
    [
        (f"{LINE} REF_energy=-1.0 REF_energy=-2.0", "Ar 0 0 0", "the key REF_energy stands 2 times"),
        (LINE, "Ar 1_0 0 0", "a number with an underscore"),
        (LINE, "18 0 0 0", "the species '18' is not the symbol of an element"),
        (f"{LINE} config_type=isolated_atom", "Ar 0 0 0", "write config_type=IsolatedAtom"),
        (f"{LINE} config_type=ISOLATEDATOM", "Ar 0 0 0", "write config_type=IsolatedAtom"),
    ],
)
def test_what_is_read_otherwise_than_meant_is_refused(tmp_path, comment, row, words):
    (tmp_path / "a.extxyz").write_text(f"1\n{comment}\n{row}\n")
    with pytest.raises(InputError, match=rf"a\.extxyz, frame 0.*{words}"):
        read_frames(tmp_path / "a.extxyz")


def test_equal_signs_within_quotes_are_no_keys(tmp_path):
    (tmp_path / "a.extxyz").write_text(f'1\n{LINE} note="a=1 b=2 a=3" a=4 b=5\nAr 0 0 0\n')
    assert read_frames(tmp_path / "a.extxyz")[0].info["note"] == "a=1 b=2 a=3"


@pytest.mark.parametrize("text", ["", "a\tb", "a\\b", "T", "007", "1_0"])
def test_a_text_that_extended_xyz_does_not_give_back_is_not_written(tmp_path, text):
    atoms = Atoms("Ar", info={"system": text})
    with pytest.raises(InputError, match=r"info\['system'\].* comes back from extended XYZ as"):
        write_frames(tmp_path / "a.extxyz", [atoms])
    assert list(tmp_path.iterdir()) == []
