"""Energies and forces in CP2K's output: one evaluation for a single point, one per step of a trajectory."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from basinet import units
from basinet.arrays import FloatArray
from basinet.cp2k.input import _from_angles
from basinet.cp2k.language import _find_line, _parse_number, _unit, read_cp2k_text
from basinet.cp2k.potentials import Core
from basinet.density.pair_dispersion import PairDispersion
from basinet.errors import InputError

_COMPONENTS = {
    "Overlap energy of the core charge distribution": "REF_core_overlap_energy",
    "Self energy of the core charge distribution": "REF_core_self_energy",
    "Core Hamiltonian energy": "REF_core_hamiltonian_energy",
    "Hartree energy": "REF_hartree_energy",
    "Exchange-correlation energy": "REF_xc_energy",
    "Dispersion energy": "REF_dispersion_energy",
    "Electronic entropic energy": "REF_entropic_energy",
}
"""CP2K's names of the parts of the energy (``qs_scf_output.F``), always in hartree, and the labels of frames."""
_ELECTROSTATIC = ("REF_hartree_energy", "REF_core_self_energy", "REF_core_overlap_energy")

_EVENTS = re.compile(
    rf"""^[ ]{{1,4}}(?:
      (?P<component>{"|".join(name.replace(" ", "[ ]") for name in _COMPONENTS)}):[ ]+(?P<value>\S+)
    | ENERGY\|[ ]Total[ ]FORCE_EVAL[ ]\([ ]*\w+[ ]*\)[ ]energy[ ][\[(](?P<unit>[^])]+)[\])]:?[ ]*(?P<total>\S+)
    | (?P<forces>(?:ATOMIC[ ]FORCES[ ]in|FORCES\|[ ]Atomic[ ]forces)[ ]\[(?P<force_unit>[^]]+)\])
    | MD\|[ ]Step[ ]number[ ]+(?P<step>\d+)
    | [ ]Total[ ]Energy[ ]+(?P<whole>-?\d+\.\d+)[ ]+(?P<local>-?\d+\.\d+)[ ]*$
    | (?:\*\*\*[ ])?SCF[ ]run[ ](?P<converged>converged)[ ]in
    )|(?P<failed>SCF[ ]run[ ]NOT[ ]converged)""",
    re.MULTILINE | re.VERBOSE,
)
_ROW = re.compile(r"^ (?:FORCES\| +\d+| *\d+ +\d+ +[A-Za-z]+) +(\S+) +(\S+) +(\S+)")
_END_OF_FORCES = re.compile(r"^ (?:SUM OF ATOMIC FORCES|FORCES\| Sum) ", re.MULTILINE)
_VECTOR_DIGITS = 6e-4  # vectors are printed with 3 decimals


@dataclass
class Cp2kEvaluation:
    """An energy that CP2K evaluated; None is what the output does not tell.

    Energies are in eV, under the labels of frames (``REF_energy``, ``REF_hartree_energy``, ...); what is not printed is
    absent. ``REF_electrostatic_energy`` is Hartree + self + overlap. Forces are (n_atoms, 3) in eV/Å. The step is that
    of the molecular dynamics. The gap is the total of CP2K's local energies less the total energy, eV.
    """

    energies: dict[str, float] = field(default_factory=dict)
    forces: FloatArray | None = None
    scf_converged: bool | None = None
    step: int | None = None
    local_energy_gap: float | None = None


def _read_evaluations(text: str, source: str, offset: int = 0) -> tuple[Cp2kEvaluation, ...]:
    """Read all evaluations in the text of one run, which begins so many lines into its file, in their order.

    The energies of an evaluation come before its total, its forces after it; those of an SCF cycle that is taken up
    again are printed again, and the last ones count.
    """
    found = [Cp2kEvaluation()]
    line, counted = offset + 1, 0
    for event in _EVENTS.finditer(text):
        line, counted = line + text.count("\n", counted, event.start()), event.start()
        where = f"{source}, line {line}"
        begins = event["component"] or event["converged"] or event["failed"]
        if begins and "REF_energy" in found[-1].energies:
            found.append(Cp2kEvaluation())
        now = found[-1]
        if event["component"]:
            now.energies[_COMPONENTS[event["component"]]] = _parse_number(event["value"], where) * units.Hartree
        elif event["total"]:
            now.energies["REF_energy"] = _parse_number(event["total"], where) * _unit("energy", event["unit"], where)
        elif event["forces"]:
            now.forces = _read_forces(text, event.end(), _unit("force", event["force_unit"], where), where)
        elif event["whole"]:
            whole, local = (_parse_number(event[name], where) for name in ("whole", "local"))
            now.local_energy_gap = (local - whole) * units.Hartree
        elif event["step"]:
            now.step = int(event["step"])
        else:
            now.scf_converged = event["failed"] is None
    found = [item for item in found if item.energies or item.scf_converged is not None]
    for item in found:
        if all(label in item.energies for label in _ELECTROSTATIC):
            item.energies["REF_electrostatic_energy"] = sum(item.energies[label] for label in _ELECTROSTATIC)
    return tuple(found)


def _read_forces(text: str, start: int, unit: float, where: str) -> FloatArray | None:
    """Forces of the table that begins at a position; None if the output ends within it."""
    end = _END_OF_FORCES.search(text, start)
    if end is None:
        return None
    rows = [match.groups() for line in text[start : end.start()].split("\n") if (match := _ROW.match(line))]
    if not rows:
        raise InputError(f"{where}: the table of forces has no rows; the file is damaged, run CP2K again")
    return np.array([[_parse_number(word, where) for word in row] for row in rows]) * unit


_VECTOR = re.compile(r"^ CELL\| Vector [abc] \[(.+?)\]: +(\S+) +(\S+) +(\S+) +\|[abc]\| = +(\S+)", re.MULTILINE)
_ANGLE = re.compile(r"^ CELL\| Angle .*: +(\S+)$", re.MULTILINE)
_COORDINATES = re.compile(r"^ MODULE [\w ]+: +ATOMIC COORDINATES IN (\S+)\s+.*\n((?:[ ]*\d.*\n|[ ]*\n)+)", re.MULTILINE)
_KIND = re.compile(r"^ *\d+\. Atomic kind: (\S+) +Number of atoms: +(\d+)", re.MULTILINE)
_POTENTIAL = re.compile(r"^ +(\w+) Potential information for +(\S+)$", re.MULTILINE)
_EXPONENT = re.compile(r"Gaussian exponent of the core charge distribution: +(\S+)$", re.MULTILINE)
_CONFIGURATION = re.compile(r"Electronic configuration \(s p d \.\.\.\): +(\d[\d ]*)$", re.MULTILINE)
_RADIUS = re.compile(r"^ +rloc +C1.*\n +(\S+)", re.MULTILINE)
_GRID = re.compile(
    r"^ PW_GRID\| Information for grid number +1\n(?: PW_GRID\|.*\n)+?((?: PW_GRID\| +Bounds.*\n){3})", re.MULTILINE
)
_DISPERSION_FORM = re.compile(r"^ vdW POTENTIAL\| +DFT-D[23]\b", re.MULTILINE)
_DISPERSION_PARAMETER = re.compile(r"^ vdW POTENTIAL\| +([^:\n]+): +(\S+)$", re.MULTILINE)
_DISPERSION_ELEMENT = re.compile(
    r"^ vdW PARAMETER\| +Atom=(\w+) +C6\[J\*nm\^6\*mol\^-1\]= *(\S+) +r\(vdW\)\[A\]= *(\S+)$", re.MULTILINE
)
_DISPERSION_NAMES = {
    "Scaling Factor": "s6", "Exp Prefactor for Damping": "d", "s6 Scaling Factor": "s6", "sr6 Scaling Factor": "rs6",
    "s8 Scaling Factor": "s8", "a1 Damping Factor": "a1", "a2 Damping Factor": "a2",
}  # fmt: skip
_DISPERSION_FORMS = ({"s6", "d"}, {"s6", "rs6", "s8"}, {"s6", "s8", "a1", "a2"})
_SPIN_ELECTRONS = re.compile(r"^ Number of electrons: +(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class _PrintedKind:
    """A kind as the output lists it; core (Z in e, r_loc in Å) to 6 or 7 digits, None where it is not printed."""

    name: str
    potential: str | None
    potential_type: str | None
    core: Core | None


def _read_printed_cell(text: str, where: str) -> FloatArray | None:
    r"""Cell vectors (3, 3) in Å from the last ``CELL|`` lines; None if the cell is not printed.

    Lengths and angles are printed with 6 decimals, components with 3. So the shape is taken from the former,
    and the orientation, if a is not along x and b not in the xy plane, is the rotation that comes closest to
    the components (W. Kabsch, Acta Cryst. A 32, 922 (1976)).
    """
    vectors, angles = _VECTOR.findall(text)[-3:], _ANGLE.findall(text)[-3:]
    if len(vectors) < 3 or len(angles) < 3:
        return None
    scale = _unit("length", vectors[0][0], where)
    printed = np.array([[_parse_number(word, where) for word in row[1:4]] for row in vectors]) * scale
    lengths = tuple(_parse_number(row[4], where) * scale for row in vectors)
    shape = _from_angles(lengths, tuple(_parse_number(angle, where) for angle in angles))
    if np.abs(shape - printed).max() <= _VECTOR_DIGITS * scale or not np.isfinite(shape).all():
        return shape
    left, _, right = np.linalg.svd(shape.T @ printed)
    return np.asarray(shape @ (left @ right))


def _read_coordinates(text: str, where: str) -> tuple[tuple[str, ...], FloatArray] | tuple[None, None]:
    """Elements and positions (n_atoms, 3) in Å of the table of atoms at the start of the run, if it is printed."""
    table = _COORDINATES.search(text)
    if table is None:
        return None, None
    rows = [line.split() for line in table[2].split("\n") if line.strip()]
    if not rows or any(len(row) != 9 for row in rows):
        raise InputError(f"{where}: the table of atomic coordinates is damaged; run CP2K again")
    positions = np.array([[_parse_number(word, where) for word in row[4:7]] for row in rows])
    return tuple(row[2] for row in rows), positions * _unit("length", table[1], where)


def _read_kinds(text: str, where: str) -> tuple[_PrintedKind, ...]:
    heads = list(_KIND.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    kinds = []
    for head, end in zip(heads, ends, strict=False):
        block = text[head.end() : end]
        potential = _POTENTIAL.search(block)
        form, name = (None, None) if potential is None else (potential[1], potential[2])
        core = _read_core(block[potential.end() :], where) if potential is not None and form == "GTH" else None
        kinds.append(_PrintedKind(head[1], name, form, core))
    return tuple(kinds)


def _read_core(block: str, where: str) -> Core | None:
    r"""Core of a GTH potential as printed.

    Both :math:`r_{loc}` and :math:`\alpha = 1 / (2 r_{loc}^2)` have 6 decimals. The radius is as printed if the
    exponent agrees with it to the last digit; otherwise the exponent has more digits of it.
    """
    exponent, configuration, radius = _EXPONENT.search(block), _CONFIGURATION.search(block), _RADIUS.search(block)
    if exponent is None or configuration is None or radius is None:
        return None
    alpha, printed = _parse_number(exponent[1], where), _parse_number(radius[1], where)
    if min(alpha, printed) <= 0.0:
        raise InputError(
            f"{where}: exponent {alpha:g} and radius {printed:g} of a core are not positive; run CP2K again"
        )
    exact = abs(0.5 / printed**2 - alpha) < 1e-6
    return float(sum(map(int, configuration[1].split()))), (printed if exact else (0.5 / alpha) ** 0.5) * units.Bohr


def _read_grid(text: str) -> tuple[int, int, int] | None:
    """Points of the finest grid; None if grids are not printed."""
    match = _GRID.search(text)
    if match is None:
        return None
    points = re.findall(r"Points: +(\d+)", match[1])
    return (int(points[0]), int(points[1]), int(points[2])) if len(points) == 3 else None


def _read_pair_dispersion(text: str, where: str) -> PairDispersion | None:
    """Parameters of D2, D3 or D3(BJ) and, of D2, its elements; None for any other dispersion, or none at all.

    CP2K counts pairs up to twice the cutoff radius that it prints. It does not print if D3 has its three-body term.
    """
    printed = {name: _parse_number(word, where) for name, word in _DISPERSION_PARAMETER.findall(text)}
    parameters = {own: printed[name] for name, own in _DISPERSION_NAMES.items() if name in printed}
    radius = printed.get("Cutoff Radius [Bohr]")
    if radius is None or set(parameters) not in _DISPERSION_FORMS or not _DISPERSION_FORM.search(text):
        return None
    unit = 1e6 * units.J / units.mol  # J nm^6 / mol in eV A^6
    elements = {
        symbol: (_parse_number(c6, where) * unit, _parse_number(vdw_radius, where))
        for symbol, c6, vdw_radius in _DISPERSION_ELEMENT.findall(text)
    }
    return PairDispersion(parameters, 2.0 * radius * units.Bohr, elements)


def _count_electrons(text: str) -> int | None:
    spins = 2 if re.search(r"^ DFT\| Number of spin states +2$", text, re.MULTILINE) else 1
    found = _SPIN_ELECTRONS.findall(text)[:spins]
    return sum(map(int, found)) if len(found) == spins else None


@dataclass(frozen=True)
class Cp2kOutput:
    """Content of an output. Whatever CP2K did not print is None, or absent from `energies`; nothing is ever made zero.

    Version, method and solver read ``2023.1``, ``GPW``, ``PERIODIC``; input and data directory are as the run's head
    states them. The cell (3, 3), rows in Å, is as precise as printed: lengths to 6 decimals, angles to 6, directions as
    near; the positions (n_atoms, 3) at the start of the run in Å to 6 decimals. The finest grid has as many points as
    the cubes at ``STRIDE 1 1 1``. Electrons are of both spins, `eps_scf` is the convergence asked for. There is one
    evaluation of a single point, and one per step of a trajectory. A dispersion of pairs has no three-body term here:
    CP2K does not print it. A run is finished that came to its regular end; `abort_line` is that of CP2K's message of
    failure.
    """

    path: Path
    version: str
    input_name: str | None
    data_directory: str | None
    method: str | None
    poisson_solver: str | None
    cell: FloatArray | None
    symbols: tuple[str, ...] | None
    positions: FloatArray | None
    kinds: tuple[_PrintedKind, ...]
    grid: tuple[int, int, int] | None
    electrons: int | None
    eps_scf: float | None
    pair_dispersion: PairDispersion | None
    evaluations: tuple[Cp2kEvaluation, ...]
    finished: bool
    abort_line: int | None

    @property
    def energies(self) -> dict[str, float]:
        """Energies (eV) of the last evaluation, under the labels of frames."""
        return self.evaluations[-1].energies if self.evaluations else {}

    @property
    def forces(self) -> FloatArray | None:
        """Forces (n_atoms, 3) of the last evaluation in eV/Å."""
        return self.evaluations[-1].forces if self.evaluations else None

    @property
    def scf_converged(self) -> bool | None:
        """True if every SCF cycle converged; None if the output does not tell."""
        verdicts = {evaluation.scf_converged for evaluation in self.evaluations}
        if False in verdicts:
            return False
        return None if None in verdicts or not verdicts else True


def read_cp2k_output(path: str | Path) -> Cp2kOutput:
    """Read a CP2K output, finished or not; of several runs appended to one file the last.

    InputError, with the line, where the file is missing, empty, not text or not CP2K's, or a number in it is none.
    """
    path = Path(path)
    whole = read_cp2k_text(path)
    start = max(whole.rfind("PROGRAM STARTED AT"), 0)
    text = whole[start:]
    offset = whole.count("\n", 0, start)
    abort = text.find("[ABORT]")
    version = _find_line(text, "CP2K| version string:")
    if version is None and abort >= 0:
        line = offset + text.count("\n", 0, abort) + 1
        raise InputError(f"{path}, line {line}: CP2K aborted before it began; mend what its message says")
    if version is None:
        raise InputError(f"{path}: not a CP2K output, it names no version of CP2K; name the file written by cp2k -o")
    symbols, positions = _read_coordinates(text, str(path))
    eps_scf = _find_line(text, "eps_scf:")
    return Cp2kOutput(
        path=path,
        version=version.removeprefix("CP2K version").strip(),
        input_name=_find_line(text, "CP2K| Input file name"),
        data_directory=_find_line(text, "CP2K| Data directory path"),
        method=_find_line(text, "QS| Method:"),
        poisson_solver=_find_line(text, "POISSON| Solver"),
        cell=_read_printed_cell(text, str(path)),
        symbols=symbols,
        positions=positions,
        kinds=_read_kinds(text, str(path)),
        grid=_read_grid(text),
        electrons=_count_electrons(text),
        eps_scf=None if eps_scf is None else _parse_number(eps_scf.split()[0], str(path)),
        pair_dispersion=_read_pair_dispersion(text, str(path)),
        evaluations=_read_evaluations(text, str(path), offset),
        finished="PROGRAM ENDED AT" in text,
        abort_line=None if abort < 0 else offset + text.count("\n", 0, abort) + 1,
    )
