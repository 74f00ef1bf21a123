"""A study of a few seconds: twenty frames of each reference liquid, two tiny networks, every stage but the report.

Run as a script, it runs that study in the directory named first, on the frames in the file named second.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ase import Atoms

from basinet.frames.shipped import load_isolated_atoms, load_reference
from basinet.study.settings import StudyConfig, load_study_config

CHANGES: dict[str, Any] = {
    "descriptor": {"rcut": [4.5, 5.0], "twojmax": [2], "weight_ratios": [1.3]},
    "sweep": {"tanh_1": [4], "tanh_2": [], "linear_1": [3], "linear_2": []},
    "members": 2,
    "optimiser": {"learning_rates": [1e-2, 1e-3], "search_members": 2, "max_steps": 100, "patience": 50},
    "learning_curve": {"fractions": []},
    "resolution": {"rcut": []},
    "cross_validation": {"folds": 2, "inner": 1, "members": 2},
    "controls": {"parametrisations": [], "ceiling_widths": [], "pair_widths": [], "untrained": 3},
}


def small_config(**changes: Any) -> StudyConfig:
    """Settings of the small study, with changes."""
    return load_study_config("smoke", changes=CHANGES | changes)


def small_frames(n_frames: int = 20, systems: tuple[str, ...] = ("ar", "kr", "mix"), large: int = 0) -> list[Atoms]:
    """First reference frames of each system, of 32 atoms and some (`large`) of 108."""
    frames = [atoms for system in systems for atoms in load_reference(system)[:n_frames]]
    return frames + [atoms for system in systems if large for atoms in load_reference(system, 108)[:large]]


def isolated_atoms() -> list[Atoms]:
    """Argon and krypton alone."""
    return list(load_isolated_atoms().values())


def main() -> None:
    """Run the small study; the report is another room's business."""
    from basinet.jobs.progress import Progress
    from basinet.study.report import page
    from basinet.study.run import reproduce

    page.write_report = lambda root: Path(root) / "report.html"  # type: ignore[assignment]
    config = small_config(data={"frames": [sys.argv[2]]})
    reproduce(Path(sys.argv[1]), config, Progress(every=0.0), workers=1)


if __name__ == "__main__":
    main()
