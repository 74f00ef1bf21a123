"""CP2K's input from settings and atoms: the study's own, the same each time, and whole."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from basinet.cp2k.input import read_cp2k_input
from basinet.cp2k.writer import AimdSettings, Cp2kSettings, Request, cp2k_input, read_template
from basinet.errors import InputError
from basinet.labelling.settings import _resolved, check_kinds

CELL = [[5.41234567891, 0, 0], [0.3, 5.51234567892, 0], [-0.2, 0.1, 5.61234567893]]
ATOMS = Atoms("ArKr", positions=[[-0.1, 0.2, 0.3], [2.7, 2.86, 6.05]], cell=CELL, pbc=True)
SUBSYS = "/FORCE_EVAL/SUBSYS"


def keywords(text: str) -> dict[str, str]:
    """Values by section and keyword; numbers spelled alike. What a section says twice is joined."""
    path: list[str] = []
    found: dict[str, str] = {}
    for line in map(str.strip, text.splitlines()):
        if line.startswith("&END"):
            path.pop()
        elif line.startswith("&"):
            path.append(line[1:].removesuffix(" ON"))
            found["/" + "/".join(path)] = ""
        elif line:
            key, _, value = line.partition(" ")
            name = "/" + "/".join([*path, key])
            found[name] = " ".join([found.get(name, ""), *map(spelled, value.split())]).strip()
    return found


def spelled(word: str) -> str:
    try:
        return repr(float(word))
    except ValueError:
        return word


def physics(text: str) -> dict[str, str]:
    """What is no name, atom or cell."""
    return {
        key: value
        for key, value in keywords(text).items()
        if not key.startswith((f"{SUBSYS}/CELL", f"{SUBSYS}/COORD", f"{SUBSYS}/TOPOLOGY"))
        and not key.startswith("/FORCE_EVAL/DFT/SCF/PRINT")
        and key != "/GLOBAL/PROJECT"
    }


def settings(**values):
    return _resolved({"frames": ["x.extxyz"], **values}, "test")


def test_preset_reference_is_the_input_of_the_reference_data_on_a_finer_vdw_grid_and_with_energy_densities():
    shipped = physics((resources.files("basinet.frames") / "data" / "cp2k_reference.inp").read_text())
    found = physics(cp2k_input(settings().cp2k, ATOMS, Request()))
    assert {key: value for key, value in found.items() if shipped.get(key) != value} == {
        "/FORCE_EVAL/DFT/XC/VDW_POTENTIAL/NON_LOCAL/CUTOFF": "160.0",
        "/FORCE_EVAL/DFT/SCF/EPS_SCF": "1e-07",
        "/FORCE_EVAL/DFT/PRINT/LOCAL_ENERGY_CUBE": "",
        "/FORCE_EVAL/DFT/PRINT/LOCAL_ENERGY_CUBE/STRIDE": "1.0 1.0 1.0",
    }
    assert shipped.keys() <= found.keys()


def test_preset_paper_differs_from_it_by_the_cutoff_of_the_paper_and_has_no_energy_densities():
    reference = physics(cp2k_input(settings(preset="reference").cp2k, ATOMS, Request()))
    paper = physics(cp2k_input(settings(preset="paper").cp2k, ATOMS, Request()))
    assert {key: value for key, value in paper.items() if reference[key] != value} == {
        "/FORCE_EVAL/DFT/MGRID/CUTOFF": "600.0",
        "/FORCE_EVAL/DFT/SCF/EPS_SCF": "1e-06",
    }


def test_a_functional_is_told_where_it_can_be_had():
    with pytest.raises(InputError, match=r"cp2k: functional PBE: the functional here is rVV10; key template"):
        settings(cp2k={"functional": "PBE"})


def test_molecular_dynamics_is_that_of_the_paper():
    aimd = settings(preset="paper", mode="aimd").aimd
    found = keywords(cp2k_input(Cp2kSettings(), ATOMS, Request(steps=50, seed=3), aimd))
    md = {key.removeprefix("/MOTION/MD/"): value for key, value in found.items() if key.startswith("/MOTION/MD/")}
    assert md == {
        "ENSEMBLE": "NVT", "STEPS": "50.0", "TIMESTEP": "2.0", "TEMPERATURE": "120.0", "THERMOSTAT": "",
        "THERMOSTAT/TYPE": "NOSE", "THERMOSTAT/NOSE": "", "THERMOSTAT/NOSE/LENGTH": "3.0",
        "THERMOSTAT/NOSE/TIMECON": "100.0",
    }  # fmt: skip
    assert found["/GLOBAL/RUN_TYPE"] == "MD"
    assert found["/FORCE_EVAL/DFT/PRINT/E_DENSITY_CUBE/EACH/MD"] == "10.0"
    assert found["/MOTION/PRINT/RESTART/EACH/MD"] == "50.0"
    assert "/EXT_RESTART" not in found
    assert "/EXT_RESTART" in keywords(cp2k_input(Cp2kSettings(), ATOMS, Request(steps=50, continued=True), aimd))


def test_the_same_frame_gives_the_same_text_and_is_left_as_it_was():
    before = ATOMS.copy()
    texts = {cp2k_input(Cp2kSettings(), ATOMS, Request()) for _ in range(3)}
    assert len(texts) == 1
    assert before == ATOMS
    moved = ATOMS.copy()
    moved.positions[0, 0] += 1e-12
    assert cp2k_input(Cp2kSettings(), moved, Request()) not in texts


def test_cell_and_positions_are_read_back_to_the_last_digit(tmp_path):
    path = tmp_path / "basinet.inp"
    path.write_text(cp2k_input(Cp2kSettings(), ATOMS, Request()))
    found = read_cp2k_input(path)
    np.testing.assert_array_equal(found.cell, ATOMS.cell.array)
    np.testing.assert_array_equal(found.positions, ATOMS.positions)


def test_wave_functions_are_asked_for_only_where_they_are_used():
    plain = keywords(cp2k_input(Cp2kSettings(), ATOMS, Request()))
    assert "/FORCE_EVAL/DFT/SCF/PRINT/RESTART OFF" in plain
    assert plain["/FORCE_EVAL/DFT/SCF/SCF_GUESS"] == "ATOMIC"
    restarted = keywords(cp2k_input(Cp2kSettings(), ATOMS, Request(guess="RESTART", keep_wavefunction=True)))
    assert restarted["/FORCE_EVAL/DFT/WFN_RESTART_FILE_NAME"] == "previous.wfn"
    assert restarted["/FORCE_EVAL/DFT/SCF/SCF_GUESS"] == "RESTART"


@pytest.mark.parametrize("pbc", [(True, True, False), (False, False, False)])
def test_atoms_that_are_not_periodic_are_refused(pbc):
    atoms = ATOMS.copy()
    atoms.pbc = pbc
    with pytest.raises(InputError, match="not periodic in three directions"):
        cp2k_input(Cp2kSettings(), atoms, Request())


# Elements, basis sets and pseudopotentials.

BASIS = "Ar  DZVP-MOLOPT-SR-GTH DZVP-MOLOPT-SR-GTH-q8\n 1\n 2 0 1 4 2 2\n 0.1 0.2 0.3\nAr SZV-MOLOPT-SR-GTH\n 1\n"
POTENTIALS = "Ar GTH-PBE-q8 GTH-PBE\n    2    6\n     0.40000000    1    -7.10000000\n    0\n"


@pytest.fixture
def data_files(tmp_path, monkeypatch):
    (tmp_path / "BASIS_MOLOPT").write_text(BASIS)
    (tmp_path / "GTH_POTENTIALS").write_text(POTENTIALS)
    monkeypatch.setenv("CP2K_DATA_DIR", str(tmp_path))


@pytest.mark.usefixtures("data_files")
def test_elements_that_cp2k_has_pass():
    check_kinds(Cp2kSettings(), ["Ar"])


@pytest.mark.parametrize(
    ("changes", "elements", "words"),
    [
        ({}, ["Ar", "Xe"], ["cp2k.basis_set", "no DZVP-MOLOPT-SR-GTH of Xe", "none of Xe", "cp2k.basis_set_file"]),
        ({"basis_set": "TZVP"}, ["Ar"], ["no TZVP of Ar", "SZV-MOLOPT-SR-GTH"]),
        ({"potential": "GTH-BLYP"}, ["Ar"], ["cp2k.potential", "no GTH-BLYP of Ar", "GTH-PBE-Q8"]),
    ],
)
@pytest.mark.usefixtures("data_files")
def test_an_unknown_element_or_basis_is_named(changes, elements, words):
    with pytest.raises(InputError) as caught:
        check_kinds(Cp2kSettings(**changes), elements)
    for word in words:
        assert word in str(caught.value)


# The user's own template.

TEMPLATE = """&GLOBAL
  PROJECT {{project}}
  RUN_TYPE {{run_type}}
  SEED {{seed}}
&END GLOBAL
{{motion}}
&FORCE_EVAL
  METHOD QS
  &DFT
    BASIS_SET_FILE_NAME BASIS_MOLOPT
    POTENTIAL_FILE_NAME GTH_POTENTIALS
    &XC
      &XC_FUNCTIONAL PBE
      &END XC_FUNCTIONAL
    &END XC
    &PRINT
{{density}}
{{energy_density}}
    &END PRINT
  &END DFT
  &SUBSYS
    &CELL
{{cell}}
    &END CELL
    &COORD
{{atoms}}
    &END COORD
    &KIND Ar
      BASIS_SET DZVP-MOLOPT-SR-GTH
      POTENTIAL GTH-PBE
    &END KIND
  &END SUBSYS
&END FORCE_EVAL
"""


@pytest.fixture
def template(tmp_path):
    def write(text):
        (tmp_path / "own.inp").write_text(text)
        return read_template(tmp_path / "own.inp")

    return write


def test_a_template_is_filled_in(template):
    atoms = bulk("Ar", cubic=True, a=5.4)
    own = template(TEMPLATE)
    own.check(atoms, Request(), AimdSettings())
    own.check(atoms, Request(steps=50), AimdSettings())
    found = keywords(own.render(atoms, Request()))
    assert "{{" not in own.render(atoms, Request())
    assert found["/FORCE_EVAL/DFT/PRINT/E_DENSITY_CUBE/STRIDE"] == "1.0 1.0 1.0"
    assert found["/FORCE_EVAL/DFT/PRINT/LOCAL_ENERGY_CUBE/STRIDE"] == "1.0 1.0 1.0"
    assert found["/GLOBAL/RUN_TYPE"] == "ENERGY_FORCE"
    dynamic = keywords(own.render(atoms, Request(steps=10), AimdSettings()))
    assert dynamic["/MOTION/MD/STEPS"] == "10.0"
    texts = (own.render(atoms, Request(steps=10, seed=seed), AimdSettings()) for seed in (0, 1))
    assert len({keywords(text)["/GLOBAL/SEED"] for text in texts}) == 2  # trajectories from one start part


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{{density}}", "", ["own.inp", "lacks {{density}}"]),
        ("{{atoms}}", "{{atom}}", ["own.inp, line", "did you mean {{atoms}}?"]),
        ("{{project}}", "mine", ["lacks {{project}}"]),
        ("{{run_type}}", "ENERGY", ["RUN_TYPE ENERGY, must be ENERGY_FORCE"]),
        ("{{atoms}}", "SCALED\n{{atoms}}", ["own.inp", "other atoms than the frame"]),
        ("{{atoms}}", "{{atoms}}\n      Ar 1.0 1.0 1.0", ["other atoms than the frame"]),
    ],
)
def test_a_template_that_says_something_else_is_refused(template, old, new, words):
    with pytest.raises(InputError) as caught:
        template(TEMPLATE.replace(old, new)).check(bulk("Ar", cubic=True, a=5.4), Request(), AimdSettings())
    for word in words:
        assert word in str(caught.value)
