"""`basinet describe`: descriptors to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from basinet.cli.options import Frames, element_numbers, sizes


def describe(
    frames: Frames,
    out: Annotated[Path, typer.Option(metavar="FILE.npz", help="Where to write.", show_default=False)],
    rcut: Annotated[float, typer.Option(metavar="A", help="Cutoff, Angstrom.")] = 5.25,
    twojmax: Annotated[int, typer.Option(metavar="N", help="Twice the largest momentum.")] = 6,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="ELEMENT=W,...",
            help="Neighbour weight of each element; 1 unless given.",
            show_default=False,
        ),
    ] = None,
    radii: Annotated[
        str,
        typer.Option(
            metavar="KIND|ELEMENT=R,...",
            help="Sizes: van_der_waals, equal, or R of each element; a pair is cut off at rcut (R + R').",
        ),
    ] = "van_der_waals",
) -> None:
    """Compute the bispectrum of every atom.

    The file is NumPy's .npz, the atoms of all frames one after another: descriptors (n_atoms, n_components);
    frame (n_atoms,), index of the atom's frame; numbers (n_atoms,), atomic numbers; components (n_components, 3),
    doubled momenta 2j1 2j2 2j; rcut in Angstrom; twojmax; elements, weights and radii, one each per element.
    """
    import numpy as np

    from basinet.api import default_descriptor
    from basinet.descriptors import Bispectrum
    from basinet.descriptors.sizes import element_radii
    from basinet.io.files import atomic_write
    from basinet.io.frames import read_frames
    from basinet.study.scoring import elements_of

    chosen = element_numbers(weights, "--weights") if weights is not None else None
    read = read_frames(frames)
    chosen = chosen or dict(default_descriptor(elements_of(read)).weights)
    descriptor = Bispectrum(rcut, twojmax, chosen, element_radii(chosen, sizes(radii)))
    arrays: dict[str, Any] = {
        "descriptors": np.concatenate([descriptor(atoms) for atoms in read]),
        "frame": np.repeat(np.arange(len(read)), [len(atoms) for atoms in read]),
        "numbers": np.concatenate([atoms.numbers for atoms in read]),
        "components": np.array(descriptor.component_labels),
        "rcut": np.array(descriptor.rcut),
        "twojmax": np.array(descriptor.twojmax),
        "elements": np.array(list(descriptor.weights)),
        "weights": np.array(list(descriptor.weights.values())),
        "radii": np.array(list(descriptor.radii.values())),
    }
    with atomic_write(out, "wb") as stream:
        np.savez(stream, **arrays)
    typer.echo(f"{out}: {len(arrays['frame'])} atoms of {len(read)} frames, {descriptor.n_components} components")
