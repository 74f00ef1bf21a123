"""The Gaussian core of every atom of a run, from the potential file and from what the output prints."""

from __future__ import annotations

from pathlib import Path

from basinet.dft.cp2k_input import Cp2kInput, Kind
from basinet.dft.cp2k_output import Cp2kOutput
from basinet.dft.cp2k_potentials import Core, data_directories, find_potential_file, read_gth_potentials
from basinet.errors import InputError

PRINTED_DIGITS = 1e-6
"""Relative precision of a printed core radius."""


def atomic_cores(output: Cp2kOutput, given: Cp2kInput, symbols: tuple[str, ...]) -> tuple[Core, ...]:
    """Charge (e) and radius (Å) of the core of each atom.

    The radius comes from the potential file, which has all its digits, if that file agrees with what the run
    printed. If it is not here, or is of another version, what the run printed counts, to 7 digits.

    Raises
    ------
    InputError
        An atom is of no kind, or is a ghost; its potential is none of GTH's; or neither is the potential file
        found (the message says where it was looked for) nor the core printed.
    """
    printed = {kind.name.upper(): kind.core for kind in output.kinds if kind.core is not None}
    found: dict[str, Core] = {}
    for name, symbol in zip(given.names, symbols, strict=True):
        if name not in found:
            found[name] = kind_core(given.kind_of(name, symbol), symbol, printed.get(name.upper()), output, given)
    return tuple(found[name] for name in given.names)


def kind_core(kind: Kind, element: str, printed: Core | None, output: Cp2kOutput, given: Cp2kInput) -> Core:
    """Core of one kind."""
    if kind.ghost:
        raise InputError(f"{kind.where}: kind {kind.name} is a ghost; basinet reads runs of whole atoms")
    if kind.potential_type not in ("GTH", "") and kind.core is None:
        raise InputError(
            f"{kind.where}: kind {kind.name} has the potential {kind.potential}; "
            "basinet reads only GTH pseudopotentials"
        )
    exact = kind.core or tabulated_core(kind, element, output, given, required=printed is None)
    if printed is None:
        if exact is None:
            raise InputError(f"{kind.where}: kind {kind.name} has no potential; name it with POTENTIAL")
        return exact
    return exact if exact is not None and agree(exact, printed) else printed


def agree(exact: Core, printed: Core) -> bool:
    """Whether a core is the one printed, to the digits printed."""
    return exact[0] == printed[0] and abs(exact[1] - printed[1]) < PRINTED_DIGITS * printed[1]


def tabulated_core(kind: Kind, element: str, output: Cp2kOutput, given: Cp2kInput, *, required: bool) -> Core | None:
    """Core from the potential files; None if it is not there and not `required`."""
    places = list(dict.fromkeys(data_directories(given.path.parent, output.data_directory)))
    files: list[Path] = []
    for name in kind.files:
        file = find_potential_file(name, places)
        if file is None:
            if required:
                looked = ", ".join(str(place) for place in places)
                raise InputError(
                    f"{given.path}: potential file {name} not found in {looked}; set CP2K_DATA_DIR to its directory"
                )
            continue
        files.append(file)
        core = read_gth_potentials(file).get((element, kind.potential.upper()))
        if core is not None:
            return core
    if required:
        looked = ", ".join(str(file) for file in files)
        raise InputError(
            f"{kind.where}: no GTH pseudopotential {kind.potential!r} of {element} in {looked}; "
            "correct POTENTIAL or POTENTIAL_FILE_NAME"
        )
    return None
