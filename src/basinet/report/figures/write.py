"""Drawing all figures of a study into a directory."""

from __future__ import annotations

from pathlib import Path

from basinet.io.files import atomic_write
from basinet.report.figures.catalogue import EXTRA_FIGURES, PAPER_FIGURES, FigureEntry
from basinet.report.figures.style import AbsentError, absent_figure, rc_context, render
from basinet.report.results import StudyResults


def write_figures(results: StudyResults, directory: str | Path) -> dict[str, bytes]:
    """Draw every figure as PNG and PDF; one that the study has no data for says what is missing.

    Parameters
    ----------
    results
        The study.
    directory
        Where the files go, created if missing.

    Returns
    -------
    dict
        The PNG of each figure by name, in the order of the report.
    """
    root = Path(directory)
    return {entry.name: write_figure(results, entry, root) for entry in (*PAPER_FIGURES, *EXTRA_FIGURES)}


def write_figure(results: StudyResults, entry: FigureEntry, directory: Path) -> bytes:
    """Draw one figure; returns its PNG."""
    with rc_context():
        try:
            figure = entry.draw(results)
        except AbsentError as missing:
            figure = absent_figure(entry.title, f"{missing}.")
        image, document = render(figure)
    for suffix, content in ((".png", image), (".pdf", document)):
        with atomic_write(directory / f"{entry.name}{suffix}", "wb") as stream:
            stream.write(content)
    return image
