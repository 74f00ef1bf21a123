"""The report: one HTML page that needs nothing outside itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from basinet.files import atomic_write, write_json
from basinet.study.claims.verdict import Claim
from basinet.study.report import provenance as provenance_tables
from basinet.study.report import tables as number_tables
from basinet.study.report.answer import answer, as_json, chips, claims_table, grouped, overview
from basinet.study.report.pieces import paragraph, picture, section
from basinet.study.report.results import TOTALS_ONLY, StudyResults, load_results

RULES = (
    "Verdicts follow from the 95 % interval: a difference is supported if the interval lies above zero and "
    "the difference is at least 0.02 in Pearson r, contradicted if the interval lies below 0.02, else not "
    "resolved. Intervals are over networks that start from other weights (frames and the order of minibatches are the "
    "same), not over test frames, unless the detail says otherwise; many statements are tested at once and no "
    "correction is made. Every detail names the limit that was used."
)
SIGNS = "✓ supported, ✗ contradicted, ? not resolved, – not testable here. Each statement leads to its test."


def write_report(results_dir: str | Path) -> Path:
    """Draw all figures of a results directory and write ``report.html`` and ``claims.json`` beside them.

    The page embeds its images and style and loads nothing; the figures also lie in ``figures/`` as PNG and
    PDF.

    Parameters
    ----------
    results_dir
        Output directory of ``basinet reproduce`` or ``train``; only ``results.csv`` must be there.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        The directory holds no results, or a file in it cannot be read or written.
    """
    from basinet.study.figures.catalogue import write_figures

    root = Path(results_dir)
    results = load_results(root)
    claims = results.claims()
    images = write_figures(results, root / "figures")
    write_json(root / "claims.json", as_json(claims))
    target = root / "report.html"
    with atomic_write(target, "w") as stream:
        stream.write(page(results, claims, images))
    return target


def page(results: StudyResults, claims: Sequence[Claim], images: Mapping[str, bytes]) -> str:
    """The whole page as text."""
    parts = sections(results, claims, images)
    contents = "\n".join(f'<li><a href="#{key}">{escape(heading)}</a></li>' for key, heading, _ in parts)
    template = files("basinet.study.report") / "template"
    return Template((template / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(str(results.study.get("title") or "Local energies of networks trained on total energies")),
        subtitle=escape(subtitle(results)),
        style=(template / "page.css").read_text(encoding="utf-8"),
        contents=contents,
        body="\n".join(section(key, heading, content) for key, heading, content in parts),
        closing="Statements and figure numbers refer to Tovey et al., arXiv:2403.00377. Written by basinet.",
    )


def subtitle(results: StudyResults) -> str:
    """Systems, preset and data in one line."""
    names = ", ".join(results.label(system) for system in results.systems) or "no system"
    preset = results.study.get("preset")
    return f"A study with basinet: {names}" + (f"; preset {preset}" if preset else "")


def sections(results: StudyResults, claims: Sequence[Claim], images: Mapping[str, bytes]) -> list[tuple[str, str, str]]:
    """(key, heading, content) of every section in order."""
    from basinet.study.figures.catalogue import EXTRA_FIGURES, PAPER_FIGURES

    words = "".join(paragraph(text) for text in answer(results, claims))
    return [
        (
            "answer",
            "The answer",
            f'<div class="answer">{words}</div>'
            + number_tables.headline(results)
            + overview(claims)
            + paragraph(SIGNS, "note"),
        ),
        ("figures", "The paper's figures, from this study", figures(PAPER_FIGURES, claims, images, results.trained_on)),
        ("more", "More figures", figures(EXTRA_FIGURES, claims, images, results.trained_on)),
        ("claims", "The paper's statements, tested", paragraph(RULES, "note") + claims_table(claims)),
        ("architectures", "Architectures", number_tables.architecture_summary(results)),
        ("baselines", "Baselines", number_tables.baselines(results)),
        ("cross-validation", "Frames out of fold", number_tables.out_of_fold(results)),
        ("relation", "The electrostatic relation", number_tables.relation(results)),
        ("selection", "Choice of the descriptor", number_tables.selection(results)),
        ("data", "Data", provenance_tables.data_tables(results)),
        ("settings", "Settings", provenance_tables.settings(results)),
        ("provenance", "Provenance", provenance_tables.provenance(results)),
        ("repeat", "How to repeat this", provenance_tables.repetition(results)),
    ]


def figures(
    entries: Sequence[object], claims: Sequence[Claim], images: Mapping[str, bytes], trained_on: str = TOTALS_ONLY
) -> str:
    """Figures with captions and the verdicts of the statements they inform."""
    from basinet.study.figures.catalogue import FigureEntry

    groups = grouped(claims)
    shown = []
    for entry in entries:
        if not isinstance(entry, FigureEntry) or entry.name not in images:
            continue
        informs = "<br>".join(
            f'<a href="#claim-{escape(key)}">{escape(groups[key][0].claim)}</a> {chips(groups[key])}'
            for key in entry.claims
            if key in groups
        )
        number = entry.name.removeprefix("figure_").lstrip("0")
        title = f"Figure {number}. {entry.title}" if entry.name.startswith("figure_") else entry.title
        caption = entry.caption.replace(TOTALS_ONLY, trained_on)
        shown.append(picture(entry.name, images[entry.name], title, caption, informs))
    return "\n".join(shown)
