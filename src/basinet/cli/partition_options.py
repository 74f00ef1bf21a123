"""The options of `basinet partition`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="INPUT...", help="CP2K run directories or outputs, cubes, CHGCARs.", show_default=False),
]
Structure = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Cell and positions of plain cubes at full precision, any format of ASE; one frame for each INPUT.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE.extxyz", help="Write labelled frames, in place of tables.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, in place of tables.")]
Potential = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Potential of an INPUT without cores: LOCPOT (one beside a CHGCAR is found), or a cube in hartree.",
        show_default=False,
    ),
]
Cores = Annotated[
    str | None,
    typer.Option(
        metavar="ELEMENT=Z:RLOC,...",
        help="Gaussian cores of plain cubes, rloc in bohr as in files of pseudopotentials. Unless given: GTH-PBE's, "
        "if the electrons are as many.",
        show_default=False,
    ),
]
PotentialFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Take these cores from a file such as GTH_POTENTIALS.", show_default=False),
]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME=CUBE",
        help="Integrate a further cube beside each INPUT too, in its unit times bohr^3, as bader_NAME. Repeatable.",
        show_default=False,
    ),
]
NuclearRadius = Annotated[
    float, typer.Option(metavar="A", min=0.0, help="Maxima further than this from every nucleus are non-nuclear.")
]
VacuumDensity = Annotated[
    float | None,
    typer.Option(
        metavar="DENSITY",
        help="Points at or below this density, e/A^3, belong to no atom.",
        show_default=False,
    ),
]
NoErrorBars = Annotated[bool, typer.Option("--no-error-bars", help="Leave out the error bars of the grid.")]
CrossCheck = Annotated[
    bool, typer.Option("--cross-check", help="Compare with CP2K's cubes of the total density and the potential.")
]
AllowUnconverged = Annotated[
    bool, typer.Option("--allow-unconverged", help="Accept CP2K runs whose SCF did not converge.")
]
System = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Name of the frames' system. Unless given: the element in lower case, or mix.",
        show_default=False,
    ),
]
ConfigType = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The frames' config_type, such as IsolatedAtom for one atom in a large box.",
        show_default=False,
    ),
]
InputsAtATime = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Inputs at a time. Unless given: as many as processors and free memory allow.",
        show_default=False,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Threads of each. Unless given: processors over workers.", show_default=False
    ),
]
GoOn = Annotated[bool, typer.Option("--resume", help="Keep finished inputs that have not changed since.")]
Anew = Annotated[bool, typer.Option("--overwrite", help="Compute all anew, and replace what is there.")]
