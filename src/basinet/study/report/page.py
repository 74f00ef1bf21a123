"""The report: one HTML page that needs nothing outside itself, from the template ``report.html`` of this folder."""

import base64
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from basinet.files import atomic_write, write_json
from basinet.study.claims.verdict import Claim
from basinet.study.figures.catalogue import EXTRA_FIGURES, PAPER_FIGURES, FigureEntry, write_figures
from basinet.study.report.answer import answer
from basinet.study.report.results import TOTALS_ONLY, StudyResults, load_results
from basinet.study.report.tables import interval, tables

_NUMBER = re.compile(r"-?\d[\d.]*( ± [\d.]+)?( \([-\d. to]+\))?")
"""A number, with an interval or spread or without."""


def write_report(results_dir: str | Path) -> Path:
    """Draw all figures of a results directory and write ``report.html`` and ``claims.json`` beside them.

    The page embeds its images and style and loads nothing; the figures also lie in ``figures/`` as PNG and
    PDF.

    `results_dir` is the output directory of ``basinet reproduce`` or ``train``; only ``results.csv`` must be there.
    Returns the page.

    Raises
    ------
    InputError
        The directory holds no results, or a file in it cannot be read or written.
    """
    root = Path(results_dir)
    results = load_results(root)
    claims = results.claims()
    images = write_figures(results, root / "figures")
    write_json(root / "claims.json", claims)
    target = root / "report.html"
    with atomic_write(target, "w") as stream:
        stream.write(_page(results, claims, images))
    return target


def _page(results: StudyResults, claims: Sequence[Claim], images: Mapping[str, bytes]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("basinet.study.report", package_path="")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"shown": _shown}
    environment.tests |= {"a_number": _is_number}
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        groups.setdefault(claim.key, []).append(claim)
    trained_on = results.trained_on
    return environment.get_template("report.html").render(
        title=str(results.study.get("title") or "Local energies of networks trained on total energies"),
        systems=", ".join(results.label(system) for system in results.systems) or "no system",
        preset=results.study.get("preset"),
        source=results.study.get("data", {}).get("source"),
        config=results.config,
        answer=answer(results, claims),
        claims=groups,
        tables=tables(results),
        paper_figures=[_figure(entry, images[entry.name], groups, trained_on) for entry in PAPER_FIGURES],
        extra_figures=[_figure(entry, images[entry.name], groups, trained_on) for entry in EXTRA_FIGURES],
        commands=_commands(results),
        interval=interval,
    )


def _figure(entry: FigureEntry, image: bytes, claims: Mapping[str, object], trained_on: str) -> dict[str, Any]:
    number = entry.name.removeprefix("figure_").lstrip("0")
    return {
        "name": entry.name,
        "image": base64.b64encode(image).decode("ascii"),
        "width": int.from_bytes(image[16:20], "big"),
        "height": int.from_bytes(image[20:24], "big"),
        "title": f"Figure {number}. {entry.title}" if entry in PAPER_FIGURES else entry.title,
        "caption": entry.caption.replace(TOTALS_ONLY, trained_on),
        "claims": [key for key in entry.claims if key in claims],
    }


def _commands(results: StudyResults) -> list[str]:
    preset = results.study.get("preset")
    repeated = {
        "train": ["basinet train config.yaml --out NEW"],
        "reproduce": [f"basinet reproduce {f'--preset {preset}' if preset else '--config config.yaml'} --out NEW"],
    }
    return [*repeated.get(results.study.get("command", ""), []), "basinet report NEW"]


def _shown(value: Any, digits: int = 3) -> str:
    """A value as text: numbers with ``digits`` decimals, missing ones as a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{digits}f}" if abs(value) >= 10.0**-digits or value == 0.0 else f"{value:.1e}"
    return str(value)


def _is_number(value: Any) -> bool:
    """True of numbers, as such or as text, whose figures are to stand in line."""
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, (int, float)) and not isinstance(value, bool)
