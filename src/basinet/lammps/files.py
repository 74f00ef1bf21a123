"""What stands beside the networks: the descriptor, an input that runs, and the atoms that it runs on."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

from basinet.errors import InputError
from basinet.frames.neighbours import ordered_pair
from basinet.lammps.session import box_of, mass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from basinet.descriptors.bispectrum import Bispectrum
    from basinet.potentials.pair_potential import LennardJones

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


def pair_commands(
    models: Sequence[str],
    elements: Sequence[str],
    descriptor: str = DESCRIPTOR,
    baseline: LennardJones | None = None,
) -> list[str]:
    """Commands of LAMMPS that set up one potential.

    Parameters
    ----------
    models
        Files of networks; several are the mean of them, evaluated in turn.
    elements
        Elements of the atom types, from type 1.
    descriptor
        File of the descriptor.
    baseline
        Pair potential to which the networks give the difference.
    """
    networks = [f"mliap model nn {model} descriptor sna {descriptor}" for model in models]
    symbols = " ".join(elements)
    if len(networks) == 1 and baseline is None:
        return [f"pair_style {networks[0]}", f"pair_coeff * * {symbols}"]
    pairs, coefficients = pair_potential_commands(baseline, elements) if baseline is not None else ([], [])
    if len(networks) == 1:
        style = ["hybrid/overlay", *networks, *pairs]
        return [f"pair_style {' '.join(style)}", f"pair_coeff * * mliap {symbols}", *coefficients]
    share = repr(1.0 / len(networks))
    style = ["hybrid/scaled", *(f"{share} {network}" for network in networks), *(f"1.0 {pair}" for pair in pairs)]
    return [
        f"pair_style {' '.join(style)}",
        *(f"pair_coeff * * mliap {index} {symbols}" for index in range(1, len(networks) + 1)),
        *coefficients,
        # Lists of neighbours as long as the longest cutoff for all: with lists cut to each pair's own, LAMMPS of 2025
        # fails to put three or more of them in order ("Failed to reorder neighbor lists").
        "pair_modify neigh/trim no",
    ]


def pair_potential_commands(potential: LennardJones, elements: Sequence[str]) -> tuple[list[str], list[str]]:
    """Write a pair potential as LAMMPS' style of the same form, and its coefficients for every pair of types.

    Raises
    ------
    InputError
        A pair has no parameters, or ones that are no ``4 epsilon ((sigma / r)^12 - (sigma / r)^6)``.
    """
    style = "lj/smooth/linear" if potential.smooth else "lj/cut"
    coefficients = []
    for (i, first), (j, second) in combinations_with_replacement(enumerate(elements, 1), 2):
        pair = potential.parameters.get(ordered_pair(first, second))
        if pair is None or not (pair.c6 > 0.0 and pair.c12 > 0.0):
            msg = (
                f"the pair potential of {first}-{second} ({pair}) is no Lennard-Jones potential; LAMMPS has no such one"
            )
            raise InputError(msg)
        epsilon, sigma = float(pair.c6**2 / (4.0 * pair.c12)), float((pair.c12 / pair.c6) ** (1.0 / 6.0))
        coefficients.append(f"pair_coeff {i} {j} {style} {epsilon!r} {sigma!r}")
    return [f"{style} {potential.cutoff!r}"], coefficients


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


def input_text(
    models: Sequence[str], elements: Sequence[str], atoms: Atoms, title: str, baseline: LennardJones | None = None
) -> str:
    """Input that computes the energies of the atoms of `data_text`, and shows how to go on from there."""
    box = box_of(atoms)
    if len(models) == 1:
        commands = [f"variable model index {models[0]}  # another one: lmp -in {INPUT} -var model FILE.nn"]
        commands += pair_commands(["${model}"], elements, baseline=baseline)
    else:
        style, *coefficients = pair_commands(models, elements, baseline=baseline)
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
