"""CP2K's input from settings and atoms: the same text for the same settings and atoms, and nothing else in it.

Keywords are those of CP2K's manual (manual.cp2k.org, version 2023.1); the settings of the study are in section 6 of
arXiv:2403.00377's method, with rVV10 after R. Sabatini, T. Gorni, S. de Gironcoli, Phys. Rev. B 87, 041108 (2013).
"""

import difflib
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from ase import Atoms
from pydantic import Field, model_validator

from basinet.config.loading import Count, Positive, Section
from basinet.cp2k.input import read_cp2k_input
from basinet.errors import InputError
from basinet.files import read_text

PROJECT = "basinet"  # name that CP2K's files begin with
PREVIOUS = "previous"  # name that files of the calculation before begin with
_Word = Annotated[str, Field(pattern=r"^[^\s&@#!$]+$")]

AIMD_EPS_SCF = 1e-7
"""A step begins with extrapolated wave functions and ends just below EPS_SCF, a single point far below: with 1e-6 the
electrostatic energies of dynamics, first order in the density, are off by up to 0.14 meV per atom (Ar4), with 1e-7 by
0.002."""


class Cp2kSettings(Section):
    """Method and precision: Quickstep (GPW) with the functional rVV10 in place, GTH pseudopotentials and OT."""

    cutoff: float = Field(600, ge=50, le=5000, description="plane-wave cutoff of the finest grid, Ry")
    rel_cutoff: float = Field(60, ge=20, le=1000, description="cutoff that Gaussians are mapped to grids by, Ry")
    vdw_cutoff: float = Field(160, ge=20, le=5000, description="cutoff of the non-local correlation's grid, Ry")
    grids: int = Field(5, ge=1, le=10, description="levels of the multigrid")
    eps_default: Positive = Field(1e-12, description="EPS_DEFAULT, precision of everything else")
    eps_scf: Positive = Field(1e-6, description="convergence of the SCF cycle; of molecular dynamics 1e-7")
    max_scf: Count = Field(50, description="most SCF steps")
    minimiser: Literal["DIIS", "CG"] = Field("DIIS", description="minimiser of the orbital transformation")
    rvv10_b: Positive = Field(6.3, description="parameter b of rVV10")
    rvv10_c: Positive = Field(9.3e-3, description="parameter C of rVV10")
    basis_set: _Word = Field("DZVP-MOLOPT-SR-GTH", description="Gaussian basis set, the same for every element")
    basis_set_file: _Word = Field("BASIS_MOLOPT", description="file of basis sets")
    potential: _Word = Field("GTH-PBE", description="GTH pseudopotential, the same for every element")
    potential_file: _Word = Field("GTH_POTENTIALS", description="file of pseudopotentials")
    energy_density: bool = Field(False, description="print the energy density too, for direct energies of the atoms")

    @model_validator(mode="before")
    @classmethod
    def _functional_in_place(cls, values: Any) -> Any:
        """Tell who asks for a functional where it can be had."""
        for key in ("functional", "xc", "xc_functional"):
            if isinstance(values, dict) and key in values:
                msg = f"{key} {values[key]}: the functional here is rVV10; key template takes an input of any"
                raise ValueError(msg)
        return values


class AimdSettings(Section):
    """Ab initio molecular dynamics in the canonical ensemble, every frame given being a start of its own."""

    temperature: Positive = Field(120, description="K")
    timestep: Positive = Field(2, description="fs")
    steps: Count = Field(500, le=1_000_000, description="of each trajectory")
    density_every: Count = Field(10, description="steps between densities, each of which becomes a labelled frame")
    segment: Count = Field(
        50,
        description="steps of one calculation, a multiple of density_every; a kill loses one segment at most, and as "
        "many densities as one holds lie on the disk at a time",
    )
    chain_length: Count = Field(3, description="of the Nose-Hoover chain")
    time_constant: Positive = Field(100, description="of the Nose-Hoover chain, fs")
    seed: int = Field(0, ge=0, le=10**8, description="of the first trajectory's velocities; the next ones count on")

    @model_validator(mode="after")
    def _whole_segments(self) -> Self:
        if self.segment % self.density_every or self.steps % self.density_every:
            raise ValueError(f"segment and steps must be multiples of density_every = {self.density_every}")
        return self


_Guess = Literal["ATOMIC", "RESTART"]
_Tree = Mapping[str, "str | _Tree | None"]  # keywords with their values, and sections by ``&NAME``; None leaves one out


@dataclass(frozen=True)
class Request:
    """Start, length and files of a calculation: all of it that is no physics.

    The guess ``RESTART`` starts from the wave functions of the calculation before. Cubes of the `density` and, for the
    next calculation, wave functions are written if asked for. There are so many steps of molecular dynamics (0: a
    single point) with velocities of a seed, unless `continued` from the calculation before.
    """

    guess: _Guess = "ATOMIC"
    density: bool = True
    keep_wavefunction: bool = False
    steps: int = 0
    continued: bool = False
    seed: int = 0


def cp2k_input(settings: Cp2kSettings, atoms: Atoms, request: Request, aimd: AimdSettings | None = None) -> str:
    """Write the complete input of one calculation, coordinates with all digits; InputError for non-periodic atoms."""
    check_atoms(atoms)
    tree: dict[str, str | _Tree | None] = {
        "&GLOBAL": {
            "PROJECT": PROJECT,
            "RUN_TYPE": "MD" if request.steps else "ENERGY_FORCE",
            "PRINT_LEVEL": "MEDIUM",
            "SEED": str(2000 + request.seed) if request.steps else None,
        },
        "&FORCE_EVAL": {
            "METHOD": "QS",
            "&DFT": _dft_section(settings, request, aimd),
            "&SUBSYS": {
                "&CELL": _cell_section(atoms),
                "&COORD": _coord_section(atoms),
                **{
                    f"&KIND {symbol}": {"BASIS_SET": settings.basis_set, "POTENTIAL": settings.potential}
                    for symbol in sorted(set(atoms.get_chemical_symbols()))
                },
            },
            "&PRINT": {"&FORCES ON": {}},
        },
        **_motion_sections(aimd, request),
    }
    return "\n".join(_section_lines(tree)) + "\n"


def check_atoms(atoms: Atoms) -> None:
    """Refuse atoms that are not periodic in all directions."""
    if not atoms.pbc.all() or abs(np.linalg.det(atoms.cell.array)) < 1e-6:
        raise InputError("not periodic in three directions; give every frame a cell and pbc='T T T'")


def _dft_section(settings: Cp2kSettings, request: Request, aimd: AimdSettings | None) -> _Tree:
    restart = request.guess == "RESTART"
    return {
        "BASIS_SET_FILE_NAME": settings.basis_set_file,
        "POTENTIAL_FILE_NAME": settings.potential_file,
        "WFN_RESTART_FILE_NAME": f"{PREVIOUS}.wfn" if restart else None,
        "&MGRID": {
            "CUTOFF": _spelled(settings.cutoff),
            "REL_CUTOFF": _spelled(settings.rel_cutoff),
            "NGRIDS": str(settings.grids),
        },
        "&QS": {"EPS_DEFAULT": _spelled(settings.eps_default)},
        "&SCF": {
            "SCF_GUESS": request.guess,
            "EPS_SCF": _spelled(settings.eps_scf),
            "MAX_SCF": str(settings.max_scf),
            "&OT": {"MINIMIZER": settings.minimiser, "PRECONDITIONER": "FULL_ALL"},
            # CP2K writes wave functions by default.
            "&PRINT": {"&RESTART": {"BACKUP_COPIES": "0"}} if request.keep_wavefunction else {"&RESTART OFF": {}},
        },
        "&XC": {
            "&XC_FUNCTIONAL": {"&GGA_X_RPW86": {}, "&GGA_C_PBE": {}},
            "&VDW_POTENTIAL": {
                "DISPERSION_FUNCTIONAL": "NON_LOCAL",
                "&NON_LOCAL": {
                    "TYPE": "RVV10",
                    "VERBOSE_OUTPUT": "",
                    "KERNEL_FILE_NAME": "rVV10_kernel_table.dat",
                    "PARAMETERS": f"{_spelled(settings.rvv10_b)} {_spelled(settings.rvv10_c)}",
                    "CUTOFF": _spelled(settings.vdw_cutoff),
                },
            },
        },
        "&PRINT": {
            "&E_DENSITY_CUBE": _cube_section(request, aimd),
            "&LOCAL_ENERGY_CUBE": _cube_section(request, aimd) if settings.energy_density else None,
        }
        if request.density
        else None,
    }


def _cube_section(request: Request, aimd: AimdSettings | None) -> _Tree:
    every = {"MD": str(aimd.density_every)} if aimd is not None and request.steps else None
    return {"STRIDE": "1 1 1", "&EACH": every}


def _motion_sections(aimd: AimdSettings | None, request: Request) -> _Tree:
    """NVT with a Nose-Hoover chain, the state for the next calculation at its end, and that of the one before."""
    before: _Tree = {"&EXT_RESTART": {"RESTART_FILE_NAME": f"{PREVIOUS}.restart"}} if request.continued else {}
    if aimd is None or not request.steps:
        return before
    motion: _Tree = {
        "&MD": {
            "ENSEMBLE": "NVT",
            "STEPS": str(request.steps),
            "TIMESTEP": _spelled(aimd.timestep),
            "TEMPERATURE": _spelled(aimd.temperature),
            "&THERMOSTAT": {
                "TYPE": "NOSE",
                "&NOSE": {"LENGTH": str(aimd.chain_length), "TIMECON": _spelled(aimd.time_constant)},
            },
        },
        "&PRINT": {
            "&TRAJECTORY": {"&EACH": {"MD": "1"}},
            "&RESTART": {"BACKUP_COPIES": "0", "&EACH": {"MD": str(request.steps)}},
            "&RESTART_HISTORY OFF": {},
        },
    }
    return {"&MOTION": motion, **before}


def _cell_section(atoms: Atoms) -> _Tree:
    return {axis: _coordinates(vector) for axis, vector in zip("ABC", atoms.cell.array, strict=True)}


def _coord_section(atoms: Atoms) -> _Tree:
    rows = zip(atoms.get_chemical_symbols(), atoms.positions, strict=True)
    return {"": "\n".join(f"{symbol} {_coordinates(place)}" for symbol, place in rows)}


def _coordinates(vector: Iterable[float]) -> str:
    return " ".join(repr(float(value)) for value in vector)


def _spelled(value: float) -> str:
    """Spell a setting.

    >>> _spelled(300.0), _spelled(9.3e-3), _spelled(1e-6)
    ('300', '0.0093', '1E-06')
    """
    return f"{value:.12G}"


def _section_lines(tree: _Tree, depth: int = 0) -> list[str]:
    found: list[str] = []
    indent = " " * depth
    for name, value in tree.items():
        if value is None:
            continue
        if isinstance(value, str):
            words = f"{name} {value}".strip()
            found += [f"{indent}{line}" for line in words.split("\n")]
        else:
            end = name.split()[0].replace("&", "&END ")
            found += [f"{indent}{name}", *_section_lines(value, depth + 1), f"{indent}{end}"]
    return found


_PLACEHOLDER = re.compile(r"\{\{\s*(\w*)\s*\}\}")
_PLACEHOLDERS = (
    "cell", "atoms", "project", "density", "energy_density", "run_type", "seed", "motion", "guess", "wavefunction"
)  # fmt: skip


@dataclass(frozen=True)
class Template:
    """An input with placeholders."""

    text: str
    path: str

    def render(self, atoms: Atoms, request: Request, aimd: AimdSettings | None = None) -> str:
        """The input of one calculation; see `cp2k_input`."""
        check_atoms(atoms)
        values = _fillings(atoms, request, aimd)
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.text)

    def check(self, atoms: Atoms, request: Request, aimd: AimdSettings) -> None:
        """Refuse a template that lacks what such calculations need, or says something else than it is told.

        InputError names the placeholder, or what basinet reads in the filled-in input that is not so.
        """
        wanted = dict.fromkeys(("cell", "atoms", "project"), True) | {"density": request.density}
        wanted |= dict.fromkeys(("run_type", "seed", "motion"), request.steps > 0)
        wanted |= dict.fromkeys(("guess", "wavefunction"), request.keep_wavefunction)
        missing = [name for name in wanted if wanted[name] and name not in _PLACEHOLDER.findall(self.text)]
        if missing:
            raise InputError(f"{self.path}: lacks {{{{{missing[0]}}}}}; put it where docs/campaigns.md shows it")
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "template.inp"
            file.write_text(self.render(atoms, request, aimd), encoding="utf-8")
            try:
                found = read_cp2k_input(file)
            except InputError as error:
                raise InputError(str(error).replace(str(file), self.path)) from error
        run_type = "MD" if request.steps else "ENERGY_FORCE"
        for keyword, told, value in (("PROJECT", found.project, PROJECT), ("RUN_TYPE", found.run_type, run_type)):
            if told != value:
                raise InputError(f"{self.path}: {keyword} {told}, must be {value} in this campaign")
        same_cell = np.allclose(found.cell, atoms.cell.array, atol=1e-9, rtol=0)
        same_atoms = len(found.positions) == len(atoms) and np.allclose(found.positions, atoms.positions, atol=1e-9)
        if not (same_cell and same_atoms):
            raise InputError(
                f"{self.path}: filled in, it has another cell or other atoms than the frame; let {{{{cell}}}} and "
                "{{atoms}} stand alone in &CELL and &COORD, in angstrom"
            )


def read_template(path: str | Path) -> Template:
    """Read a template; InputError where it is missing, or a placeholder is unknown, with the nearest known one."""
    text = read_text(path)
    for number, line in enumerate(text.split("\n"), start=1):
        for name in _PLACEHOLDER.findall(line):
            if name not in _PLACEHOLDERS:
                close = difflib.get_close_matches(name, _PLACEHOLDERS, n=1, cutoff=0.4)
                hint = f"did you mean {{{{{close[0]}}}}}?" if close else f"known: {', '.join(_PLACEHOLDERS)}"
                raise InputError(f"{path}, line {number}: unknown placeholder {{{{{name}}}}}; {hint}")
    return Template(text, str(path))


def _fillings(atoms: Atoms, request: Request, aimd: AimdSettings | None) -> dict[str, str]:
    cube = _cube_section(request, aimd) if request.density else None
    return {
        "cell": "\n".join(_section_lines(_cell_section(atoms))),
        "atoms": "\n".join(_section_lines(_coord_section(atoms))),
        "project": PROJECT,
        "density": "\n".join(_section_lines({"&E_DENSITY_CUBE": cube})),
        "energy_density": "\n".join(_section_lines({"&LOCAL_ENERGY_CUBE": cube})),
        "run_type": "MD" if request.steps else "ENERGY_FORCE",
        "seed": str(2000 + request.seed),
        "motion": "\n".join(_section_lines(_motion_sections(aimd, request))),
        "guess": request.guess,
        "wavefunction": f"WFN_RESTART_FILE_NAME {PREVIOUS}.wfn" if request.guess == "RESTART" else "",
    }
