"""The choice of the descriptor: ridge on every candidate, spread over the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from basinet.io.tables import by_element
from basinet.study import planning
from basinet.study.execution import run_all
from basinet.study.selection import choose_descriptor

if TYPE_CHECKING:
    from pathlib import Path

    from distributed import Client

    from basinet.config.settings import DescriptorSettings
    from basinet.descriptors import Bispectrum
    from basinet.execution.progress import Progress
    from basinet.study.store import Store
    from basinet.study.tasks import DescribeTask


def choose_by_ridge(
    client: Client, root: Path, store: Store, settings: DescriptorSettings, progress: Progress
) -> tuple[Bispectrum, list[DescribeTask]]:
    """Choose cutoff, species weights and sizes at the middle twojmax, then twojmax; return all candidates too."""
    elements = sorted({element for system in store.systems() for element in system.elements})
    tasks = planning.candidate_descriptors(settings, elements)
    run_all(client, root, tasks, progress, "descriptors: cutoffs, weights and sizes of species")
    more = planning.other_resolutions(settings, choose_descriptor(root, tasks))
    run_all(client, root, more, progress, "descriptors: twojmax")
    descriptor = choose_descriptor(root, tasks + more)
    species = f"weights {by_element(descriptor.weights)}, radii {by_element(descriptor.radii)}"
    progress.note(f"  chosen: cutoff {descriptor.rcut:g} A, twojmax {descriptor.twojmax}, {species}")
    return descriptor, tasks + more
