"""What stands beside the networks: the descriptor, an input that runs, and the atoms that it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from basinet.deploy.lammps_box import box_of
from basinet.deploy.lammps_session import mass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from basinet.descriptors import Bispectrum

DESCRIPTOR = "model.descriptor"
START = "start.data"
INPUT = "in.lammps"
ENERGIES = "energies.dump"


def descriptor_text(descriptor: Bispectrum, elements: Sequence[str]) -> str:
    """Settings of the bispectrum for ``descriptor sna``: a pair is cut off at ``rcutfac (R_i + R_j)``."""
    radii = " ".join(repr(descriptor.radii[element]) for element in elements)
    weights = " ".join(repr(descriptor.weights[element]) for element in elements)
    return (
        "# UNITS: metal  bispectrum\n"
        f"rcutfac {descriptor.rcut!r}\n"
        f"twojmax {descriptor.twojmax}\n"
        f"nelems {len(elements)}\n"
        f"elems {' '.join(elements)}\n"
        f"radelems {radii}\n"
        f"welems {weights}\n"
        "rfac0 0.99363\n"
        "rmin0 0\n"
        "bzeroflag 1\n"
    )


def pair_commands(models: Sequence[str], elements: Sequence[str], descriptor: str = DESCRIPTOR) -> list[str]:
    """Commands of LAMMPS that set up one potential; several models are the mean of them, evaluated in turn."""
    styles = [f"mliap model nn {model} descriptor sna {descriptor}" for model in models]
    symbols = " ".join(elements)
    if len(styles) == 1:
        return [f"pair_style {styles[0]}", f"pair_coeff * * {symbols}"]
    share = repr(1.0 / len(styles))
    return [
        "pair_style hybrid/scaled " + " ".join(f"{share} {style}" for style in styles),
        *(f"pair_coeff * * mliap {index} {symbols}" for index in range(1, len(styles) + 1)),
        # Lists of neighbours as long as the longest cutoff for all: with lists cut to each pair's own, LAMMPS of 2025
        # fails to put three or more of them in order ("Failed to reorder neighbor lists").
        "pair_modify neigh/trim no",
    ]


def data_text(atoms: Atoms, elements: Sequence[str]) -> str:
    """Atoms as LAMMPS' ``read_data`` takes them, the elements as types from 1 on."""
    box = box_of(atoms)
    lines = [f"# {atoms.get_chemical_formula()} for basinet's potential", "", f"{len(atoms)} atoms"]
    lines += [f"{len(elements)} atom types", ""]
    lines += [f"0 {length!r} {axis}lo {axis}hi" for axis, length in zip("xyz", box.lengths.tolist(), strict=True)]
    if box.is_tilted:
        lines += [" ".join(map(repr, box.tilts.tolist())) + " xy xz yz"]
    lines += ["", "Masses", ""]
    lines += [f"{index} {mass(element)!r} # {element}" for index, element in enumerate(elements, 1)]
    lines += ["", "Atoms # atomic", ""]
    for index, (symbol, position) in enumerate(zip(atoms.get_chemical_symbols(), box.positions.tolist(), strict=True)):
        place = " ".join(map(repr, position))
        lines.append(f"{index + 1} {elements.index(symbol) + 1} {place}")
    return "\n".join(lines) + "\n"


def input_text(models: Sequence[str], elements: Sequence[str], atoms: Atoms, title: str) -> str:
    """Input that computes the energies of the atoms of `data_text`, and shows how to go on from there."""
    box = box_of(atoms)
    if len(models) == 1:
        commands = [f"variable model index {models[0]}  # another one: lmp -in {INPUT} -var model FILE.nn"]
        commands += pair_commands(["${model}"], elements)
    else:
        style, *coefficients = pair_commands(models, elements)
        commands = ["# The mean of all members, each evaluated in turn: as one network it would be slower."]
        commands += [style.replace(" mliap", " &\n  mliap"), *coefficients]
    symbols = " ".join(elements)
    return "\n".join(
        [
            f"# {title}",
            f"# lmp -in {INPUT}",
            "",
            "units metal",
            "atom_style atomic",
            f"boundary {box.boundary('s')}",
            *(["box tilt large"] if box.is_tilted else []),  # ignored by LAMMPS since 2025, older ones ask for it
            f"read_data {START}",
            "",
            *commands,
            "",
            "# Energy of every atom, eV; the energy of the isolated atom is inside.",
            "compute energy all pe/atom",
            "compute total all reduce sum c_energy",
            "thermo_style custom step pe c_total  # c_total makes LAMMPS tally the atoms' energies",
            "thermo_modify format float %.12g",
            "run 0",
            f"write_dump all custom {ENERGIES} id element x y z fx fy fz c_energy &",
            f'  modify sort id element {symbols} format float "%.17g"',
            f'print "energies of the atoms: {ENERGIES}"',
            "",
            "# Molecular dynamics: remove the signs in front of these lines.",
            "# velocity all create 120 1",
            "# timestep 0.002  # ps",
            "# fix motion all nvt temp 120 120 0.2",
            "# thermo 100",
            "# run 1000",
            "",
        ]
    )
