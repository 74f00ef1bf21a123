"""Mutated files for every reader: each is read, or refused by an InputError in one line, soon and in little memory.

    python -m tests.fuzzing --count 100000

The seed settles all mutations; a failure names reader, seed and number, and `--only READER --first NUMBER --count 1`
does that one again and shows its traceback.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import write
from tests.density.cubes import write_cube
from tests.potentials.toys import random_ensemble
from tests.study.report.conftest import build

from basinet.cp2k.potentials import read_gth_potentials
from basinet.cp2k.run_directory import read_run
from basinet.cp2k.writer import read_template
from basinet.density.files import read_density, read_locpot
from basinet.descriptors.bispectrum import Bispectrum
from basinet.errors import InputError
from basinet.frames.reading import read_frames, write_frames
from basinet.frames.shipped import load_reference
from basinet.jobs.arrays import _checksum
from basinet.jobs.store import Results
from basinet.labelling.campaign import Campaign, FailedTry, UnitResult, create_campaign, open_campaign
from basinet.labelling.driver import status_lines, survey
from basinet.labelling.settings import CampaignConfig, load_campaign_config
from basinet.labelling.sources import read_all
from basinet.labelling.verification import finished_frames
from basinet.md.analysis import analyse
from basinet.md.dynamics_settings import DynamicsConfig
from basinet.md.motion import set_velocities
from basinet.md.run import simulate
from basinet.md.sampling import load_sample_config
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.ensemble import load_model
from basinet.potentials.pair_potential import literature_lennard_jones
from basinet.study.figures.catalogue import EXTRA_FIGURES, PAPER_FIGURES
from basinet.study.report.page import _page
from basinet.study.report.results import load_results
from basinet.study.run import _refuse_changed, finished_report, selection_rows
from basinet.study.settings import DataSettings, SplitSettings, load_study_config, load_train_config
from basinet.study.store import Store
from basinet.study.systems import group_systems
from basinet.study.tasks import Described, DescribeTask, Selection, choose_descriptor

FIXTURES = Path(__file__).parent / "cp2k" / "fixtures" / "argon"
SECONDS, BYTES = 20, 1 << 30
"""What reading one small file may take, and allocate."""

NASTY = [
    *(
        b"nan",
        b"-1",
        b"0",
        b"1e400",
        b"99999999999999999999",
        b"2147483647",
        b"1_0",
        b"-0",
        b"",
        b"T",
        b'"',
        b"../../x",
    ),
    *(b"[]", b"null", b"{}", b"!!bool x", b"\x00", b"\xff"),
]
"""Words in place of others."""


class Reader(NamedTuple):
    """A reader, the file that is mutated, its whole content, and what makes a checksum right again."""

    read: Callable[[], object]
    file: Path
    content: bytes
    seal: Callable[[bytes], bytes] = bytes


def sealed_arrays(content: bytes) -> bytes:
    """A mutated file of arrays whose checksum is right, so that what its header says is looked at."""
    line, _, payload = content.partition(b"\n")
    try:
        header = json.loads(line)
        header["sha256"] = _checksum(header, payload)
        return json.dumps(header).encode() + b"\n" + payload
    except (ValueError, TypeError, AttributeError, RecursionError):
        return content


def sealed_result(key: str) -> Callable[[bytes], bytes]:
    """Gives a mutated result the fingerprint of its task."""

    def seal(content: bytes) -> bytes:
        try:
            return json.dumps(json.loads(content) | {"fingerprint": key}).encode()
        except (ValueError, TypeError, AttributeError, RecursionError):
            return content

    return seal


def altered(value: object, rng: np.random.Generator) -> object:
    """JSON with one value of it, at any depth, replaced, taken away or doubled."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.8:
        key = rng.choice(list(value)) if isinstance(value, dict) else int(rng.integers(len(value)))
        changed = dict(value) if isinstance(value, dict) else list(value)
        if rng.random() < 0.15:
            del changed[key]
        else:
            changed[key] = altered(value[key], rng)
        return changed
    return [None, True, -1, 2.5, 10**400, "x", "", [], {}, [[]], {"x": 1}, "../../x", [value], {"x": value}][
        rng.integers(14)
    ]


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes: bytes, spans, lines, words."""
    if content[:1] == b"{" and rng.random() < 0.5:
        line, newline, rest = (content, b"", b"") if content[-2:] == b"}\n" else content.partition(b"\n")
        return json.dumps(altered(json.loads(line), rng)).encode() + newline + rest
    for _ in range(rng.integers(1, 4)):
        size = max(1, len(content))
        first = int(rng.integers(size))
        span = slice(first, first + int(rng.integers(1, 40)))
        kind = rng.integers(7)
        if kind == 0:
            content = content[:first] + bytes([rng.integers(256)]) + content[first + 1 :]
        elif kind == 1:
            content = content[: span.start] + content[span.stop :]
        elif kind == 2:
            content = content[: span.stop] + content[span] + content[span.stop :]
        elif kind == 3:
            content = content[:first]
        elif kind == 4:
            lines = content.split(b"\n")
            one, other = rng.integers(len(lines), size=2)
            lines[one], lines[other] = lines[other], lines[one]
            content = b"\n".join(lines)
        else:
            words = content.split(b" " if kind == 5 else b":")
            words[rng.integers(len(words))] = NASTY[rng.integers(len(NASTY))]
            content = (b" " if kind == 5 else b":").join(words)
    return content


def readers(place: Path) -> dict[str, Reader]:
    """All readers, each with a small file that it can read."""
    place.mkdir(parents=True, exist_ok=True)
    atoms = load_reference("ar")[0][:4]
    atoms.set_cell(np.eye(3) * 6.0)
    values = 1.0 + np.random.default_rng(0).random((6, 5, 4))
    write_cube(place / "a.cube", values, atoms)
    write(place / "POSCAR", atoms, format="vasp")
    numbers = "\n".join(" ".join(f"{x:.8E}" for x in row) for row in values.reshape(-1, 5))
    (place / "CHGCAR").write_text((place / "POSCAR").read_text() + "\n 6 5 4\n" + numbers + "\n")
    shutil.copy(place / "CHGCAR", place / "LOCPOT")
    write_frames(place / "a.extxyz", load_reference("ar")[:2])
    for name in ("run.inp", "run.out"):
        shutil.copy(FIXTURES / name, place / name)
    potentials = "Ar GTH-PBE-q8 GTH-PBE\n 2 6\n 0.4 1 -1.0\n 0\nKr GTH-PBE-q8\n 2 6\n 0.5 2 -1.0 0.1\n 0\n"
    texts = {
        "study.yaml": "seed: 1\nsweep: {tanh_1: [4, 8]}\ndescriptor: {rcut: [5.25], twojmax: [4, 6]}\n",
        "train.yaml": "data: {frames: [a.extxyz]}\nwidth: [4, 8]\noptimiser: {learning_rates: [0.01], max_steps: 5}\n",
        "dft.yaml": "frames: a.extxyz\nmode: aimd\naimd: {steps: 100}\ncp2k: {grids: 4}\nrun: {retries: {crash: 2}}\n",
        "sample.yaml": "composition: {Ar: 24, Kr: 8}\ntemperature: 120\nframes: 5\n",
        "template.inp": "&GLOBAL\n PROJECT {{project}}\n&END\n&FORCE_EVAL\n {{density}}\n {{cell}}\n&END\n",
        "POTENTIALS": potentials,
    }
    for name, text in texts.items():
        (place / name).write_text(text)
    config = CampaignConfig(frames=["start.extxyz"])
    campaign = place / "campaign"
    campaign.mkdir(exist_ok=True)
    create_campaign(campaign, config, [bulk("Ar", cubic=True, a=5.4)], None)
    results = Results(place / "results", dict[str, float])
    results.put("one", "print", {"a": 1.0})
    run = partial(_read_run, place)
    own = own_files(place)
    found = {
        "cube": (partial(read_density, place / "a.cube"), place / "a.cube"),
        "chgcar": (partial(read_density, place / "CHGCAR"), place / "CHGCAR"),
        "locpot": (partial(read_locpot, place / "LOCPOT"), place / "LOCPOT"),
        "structure": (partial(read_all, place / "POSCAR"), place / "POSCAR"),
        "frames": (partial(read_frames, place / "a.extxyz"), place / "a.extxyz"),
        "cp2k_output": (run, place / "run.out"),
        "cp2k_input": (run, place / "run.inp"),
        "potentials": (partial(read_gth_potentials, place / "POTENTIALS"), place / "POTENTIALS"),
        "template": (partial(read_template, place / "template.inp"), place / "template.inp"),
        "study": (partial(load_study_config, "quick", place / "study.yaml"), place / "study.yaml"),
        "train": (partial(load_train_config, place / "train.yaml"), place / "train.yaml"),
        "dft": (partial(load_campaign_config, place / "dft.yaml"), place / "dft.yaml"),
        "sample": (partial(load_sample_config, place / "sample.yaml"), place / "sample.yaml"),
        "campaign_config": (partial(open_campaign, campaign), campaign / "config.yaml"),
        "campaign_frames": (partial(open_campaign, campaign), campaign / "frames.extxyz"),
        "result": (partial(results.get, "one", "print"), results.path("one")),
    }
    return {name: Reader(read, file, file.read_bytes()) for name, (read, file) in found.items()} | own


def own_files(place: Path) -> dict[str, Reader]:
    """Readers of what basinet itself writes: models, restart points, studies, campaigns."""
    random_ensemble(("Ar", "Kr")).save(place / "a.basinet")
    settings = DynamicsConfig(start="a.extxyz", temperature=120.0, steps=10, ensemble="nvt")
    atoms = load_reference("ar")[0]
    atoms.calc = PairPotentialCalculator(literature_lennard_jones())
    set_velocities(atoms, settings)
    (place / "md").mkdir()
    ending = simulate(place / "md", atoms, settings)
    study = build(place / "report", ["ar", "mix"])
    store = Store(place / "store")
    systems = group_systems(load_reference("ar")[:12], [], SplitSettings(gap=0), size_transfer=False, seed=0)
    store.write_system(systems[0], ["total"])
    describe = DescribeTask(Bispectrum(4.0, 2))
    store.dataset(store.main("ar"), describe.descriptor)
    selection = {"ar": Selection(1.0, 0.9, 2.0, 0.1, 1e-3)}
    store.keep(describe, Described([{"experiment": "sweep", "width": 4, "pearson_r": 0.5}], selection))
    campaign = open_campaign(place / "campaign")
    (unit,) = campaign.units
    campaign.keep(unit, UnitResult([load_reference("ar")[0]], 1.0, "2023.1", "", 1, "host", "now", {"rescued": True}))
    campaign.keep_failures(unit, [FailedTry(1, "crash", "it fell", None, 1.0, "host", "now")])
    key, systems_file = campaign.keys[unit], next((place / "store" / "work" / "systems").glob("*.bin"))
    descriptors = next((place / "store" / "work" / "descriptors").rglob("*.bin"))
    result = next((place / "store" / "work" / "results").glob("*.json"))
    report = partial(_read_report, study)
    found: dict[str, tuple[Callable[[], object], Path, Callable[[bytes], bytes]]] = {
        "model": (partial(_read_model, place / "a.basinet"), place / "a.basinet", sealed_arrays),
        "restart": (partial(_read_md, place / "md", settings), place / "md" / "restart.checkpoint", sealed_arrays),
        "md_log": (partial(analyse, place / "md", settings, ending), place / "md" / "log.csv", bytes),
        "md_trajectory": (partial(analyse, place / "md", settings, ending), place / "md" / "trajectory.extxyz", bytes),
        "stored_system": (store.systems, systems_file, sealed_arrays),
        "descriptors": (partial(_read_dataset, store, describe), descriptors, sealed_arrays),
        "task": (partial(_read_task, store, describe), result, sealed_result(describe.fingerprint)),
        "unit": (partial(_read_unit, campaign), campaign.results.path(unit), sealed_result(key)),
        "failures": (
            partial(_read_unit, campaign),
            place / "campaign" / "failures" / f"{unit}.json",
            sealed_result(key),
        ),
    }
    found |= {
        f"study_{name.partition('.')[0]}": (report, study / name, bytes)
        for name in ("study.json", "relation.json", "gauge.json", "provenance.json", "results.csv", "parity.csv")
    }
    return {name: Reader(read, file, file.read_bytes(), seal) for name, (read, file, seal) in found.items()}


def _read_model(path: Path) -> None:
    """Load a model, and use it."""
    model = load_model(path)
    atoms = Atoms("ArKr", [[0, 0, 0], [0, 0, 3.5]])
    with np.errstate(all="ignore"):
        model.evaluate(atoms)


def _read_md(folder: Path, settings: DynamicsConfig) -> None:
    """Go on with a run that is at its end."""
    atoms = load_reference("ar")[0]
    atoms.calc = PairPotentialCalculator(literature_lennard_jones())
    simulate(folder, atoms, settings)


def _read_dataset(store: Store, task: DescribeTask) -> None:
    """A system with its descriptors."""
    store.dataset(store.main("ar"), task.descriptor).summed_descriptors()


def _read_task(store: Store, task: DescribeTask) -> None:
    """What a study makes of the result of a task."""
    if store.done(task):
        choose_descriptor(store, [task])
        selection_rows(store, [task], task.descriptor)


def _read_unit(campaign: Campaign) -> None:
    """What a driver makes of what is kept of a calculation."""
    campaign.done()
    list(finished_frames(campaign))
    status_lines(survey(campaign))


def _read_report(study: Path) -> None:
    """The page without its figures."""
    results = load_results(study)
    claims = results.claims()
    images = {entry.name: "nothing" for entry in (*PAPER_FIGURES, *EXTRA_FIGURES)}
    _page(results, claims, images)
    _refuse_changed(study, {})
    finished_report(study, DataSettings(frames="synthetic"))


def _read_run(place: Path) -> object:
    """A run without its density."""
    return read_run(place / "run.out", density=place / "a.cube")


def failures(
    known: dict[str, Reader], count: int, *, seed: int = 0, first: int = 0, only: str | None = None
) -> Iterator[str]:
    """Mutate each reader's file so many times; tell of what is neither read nor refused as it should be."""

    def late(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    for reader in known.values():
        reader.read()  # each can read its file; compiled code and libraries are no part of what mutations allocate
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + BYTES, limits[1]))
    try:
        for index, (name, reader) in enumerate(known.items()):
            for number in range(first, first + count) if only in (None, name) else ():
                content = mutated(reader.content, np.random.default_rng([seed, index, number]))
                reader.file.write_bytes(reader.seal(content))
                signal.alarm(SECONDS)
                try:
                    reader.read()
                except InputError as error:
                    if "\n" in str(error):
                        yield f"{name} {number}: several lines: {str(error)!r}"
                except BaseException:  # noqa: BLE001 - anything else is what is looked for
                    yield f"{name} {number}: {traceback.format_exc()}"
                finally:
                    signal.alarm(0)
            reader.file.write_bytes(reader.content)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGALRM, before)


def main() -> None:
    """Mutate, and print what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="mutations of all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        known = readers(Path(place))
        each = options.count if options.only else -(-options.count // len(known))
        found = list(failures(known, each, seed=options.seed, first=options.first, only=options.only))
    print("\n".join(found))  # noqa: T201
    print(f"{len(found)} failures")  # noqa: T201


if __name__ == "__main__":
    main()
