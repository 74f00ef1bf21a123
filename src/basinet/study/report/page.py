"""The report: one HTML page that needs nothing outside itself, from the template ``report.html`` of this folder.

Its answer in plain words is put together from verdicts and numbers; no sentence here presumes a result.
"""

import base64
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from basinet.files import atomic_write, write_json
from basinet.jobs.directory import refuse_links
from basinet.study.claims.verdict import SMALLEST_EFFECT, Claim
from basinet.study.figures.catalogue import EXTRA_FIGURES, PAPER_FIGURES, FigureEntry, of_definition, write_figures
from basinet.study.report.results import TOTALS_ONLY, StudyResults, floor, load_results, model_row
from basinet.study.report.tables import interval, pearson_r, tables

_NUMBER = re.compile(r"-?\d[\d.]*( ± [\d.]+)?( \([-\d. to]+\))?")  # a number, with an interval or spread or without


def write_report(results_dir: str | Path) -> Path:
    """Draw all figures of a results directory and write ``report.html`` and ``claims.json`` beside them.

    The page embeds its images and style and loads nothing; the figures also lie in ``figures/`` as PNG and PDF.

    `results_dir` is the output directory of ``basinet reproduce`` or ``train``; only ``results.csv`` must be there.
    Returns the page. InputError: the directory holds no results, or a file in it cannot be read or written.
    """
    root = Path(results_dir)
    refuse_links(root)
    results = load_results(root)
    claims = results.claims()
    images = write_figures(results, root / "figures")
    write_json(root / "claims.json", claims)
    target = root / "report.html"
    with atomic_write(target, "w") as stream:
        stream.write(_page(results, claims, images))
    return target


def rendered(template: str, **values: Any) -> str:
    """A page from a template of this folder, all values escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("basinet.study.report", package_path="")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"shown": _shown}
    environment.tests |= {"a_number": _is_number}
    return environment.get_template(template).render(**values)


def _page(results: StudyResults, claims: Sequence[Claim], images: Mapping[str, bytes | str]) -> str:
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        groups.setdefault(claim.key, []).append(claim)
    # The central question, what is recovered in each system, the yardstick, and the count of verdicts.
    recovered = [_recovery(shown, system) for shown in (results, *results.further) for system in results.systems]
    yardstick = [_yardstick(shown, system) for shown in results.further for system in results.systems]
    scatter = _cases(claims, "width-scatter", "Where wide networks lose the atoms, is it to scatter between seeds?")
    start = _cases(claims, "start-decides", "Does the random start decide it before training?")
    question = "Is the relation of the totals, which gives these local energies, that of each atom?"
    atoms = _cases(claims, "relation-atoms", question, detail=True)
    answer = [_width_answer(claims), scatter, start, *recovered, atoms, *yardstick, _verdict_count(claims)]
    return rendered(
        "report.html",
        title=str(results.study.get("title") or "Local energies of networks trained on total energies"),
        systems=", ".join(results.label(system) for system in results.systems) or "no system",
        preset=results.study.get("preset"),
        source=results.study.get("data", {}).get("source"),
        config=results.config,
        answer=[words for words in answer if words],
        claims=groups,
        tables=tables(results),
        paper_figures=_figures(results, PAPER_FIGURES, images, groups),
        extra_figures=_figures(results, EXTRA_FIGURES, images, groups),
        commands=_commands(results),
        interval=interval,
    )


def _figures(
    results: StudyResults,
    entries: Sequence[FigureEntry],
    images: Mapping[str, bytes | str],
    claims: Mapping[str, object],
) -> list[dict[str, Any]]:
    """Figures in their order, each followed by those of further local energies as far as they are drawn."""
    shown = []
    for entry in entries:
        shown.append(entry)
        further = [of_definition(entry, one) for one in results.further if entry.of_local]
        shown += [one for one in further if isinstance(images[one.name], bytes)]
    return [_figure(entry, images[entry.name], claims, results.trained_on) for entry in shown]


def _figure(entry: FigureEntry, image: bytes | str, claims: Mapping[str, object], trained_on: str) -> dict[str, Any]:
    number = re.match(r"figure_0*(\d+)", entry.name)
    title = f"Figure {number[1]}. {entry.title}" if number else entry.title
    if isinstance(image, str):
        return {"title": title, "lacks": image}
    caption = entry.caption.replace(TOTALS_ONLY, trained_on)
    return figure_of(entry.name, title, caption, image, [key for key in entry.claims if key in claims])


def figure_of(name: str, title: str, caption: str, image: bytes, claims: Sequence[str] = ()) -> dict[str, Any]:
    """A figure as templates take it, from its PNG."""
    return {
        "name": name,
        "image": base64.b64encode(image).decode("ascii"),
        "width": int.from_bytes(image[16:20], "big"),
        "height": int.from_bytes(image[20:24], "big"),
        "title": title,
        "caption": caption,
        "claims": list(claims),
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
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_UNTESTABLE = "not testable here"


def _width_answer(claims: Sequence[Claim]) -> str:
    found = [claim for claim in claims if claim.key == "local-falls" and claim.verdict != _UNTESTABLE]
    if not found:
        return "Whether local energies get worse with the width of the network was not tested in this study."
    cases: dict[str, list[str]] = {}
    for claim in found:
        cases.setdefault(claim.verdict, []).append(f"{claim.subject} ({-claim.value:+.3f} in r)")
    joined = {verdict: " and ".join(filter(None, [", ".join(each[:-1]), each[-1]])) for verdict, each in cases.items()}
    start = "Do wide networks, trained on total energies, lose the local energies? "
    if [*joined] == ["supported"]:
        return f"{start}Yes, in every case tested: from the best narrower width to the widest, {joined['supported']}."
    if [*joined] == ["contradicted"]:
        return (
            f"{start}No: in no case tested does r fall by {SMALLEST_EFFECT} or more from the best width to the "
            f"widest ({joined['contradicted']})."
        )
    words = {
        "supported": "they do in",
        "contradicted": "they do not, by an amount that matters, in",
        "not resolved": "it is not resolved in",
    }
    parts = "; ".join(f"{text} {joined[verdict]}" for verdict, text in words.items() if verdict in joined)
    return f"{start}From the best narrower width to the widest, {parts}."


def _cases(claims: Sequence[Claim], key: str, question: str, *, detail: bool = False) -> str:
    """A question and what each case of a statement answers; nothing where none was tested."""
    found = [claim for claim in claims if claim.key == key and claim.verdict != _UNTESTABLE]
    each = [f"{one.subject}: {one.statistic}, {one.verdict}.{f' {one.detail}' if detail else ''}" for one in found]
    return " ".join([question, *each]) if each else ""


def _yardstick(results: StudyResults, system: str) -> str:
    """Whether networks or the relation give atoms the energies that DFT gives them directly."""
    network, relation = (model_row(results, model, system, "local") for model in ("network", "relation"))
    if not network or not relation:
        return ""
    low, high, least, most = (
        np.nan if row[end] is None else row[end]
        for row in (network, relation)
        for end in ("pearson_r_low", "pearson_r_high")
    )
    words = "the relation and the networks are not told apart by these frames"
    if low > most:
        words = "networks that saw totals only know the atoms better than the relation of the same totals does"
    elif high < least:
        words = "the relation of the totals knows the atoms better than networks that saw the same totals"
    return f"{results.label(system)}: {words} ({_r(relation)} of the relation, {_r(network)} of the networks)."


def _recovery(results: StudyResults, system: str) -> str:
    row = model_row(results, "network", system, "local")
    if not row:
        return ""
    name = ", ".join(
        f"{value}" if key == "activation" else f"{key} {value}" for key, value in results.chosen(system).items()
    )
    words = (
        f"{results.label(system)}: networks that saw {results.trained_on} ({name}; mean of the ensemble) "
        f"recover the local DFT energies of unseen frames with Pearson {_r(row)}"
    )
    corrected = model_row(results, "network", system, "local", "pair") if system in results.mixtures else {}
    if corrected:
        words += f", and with {_r(corrected)} without the pair gauge, which totals cannot determine"
    marks = [
        f"{introduction} {mark['pearson_r']:.3f}"
        for introduction, model in (
            ("a literature pair potential reaches", "lennard_jones"),
            ("tanh networks trained on the local energies themselves", "ceiling"),
        )
        if (mark := model_row(results, model, system, "local")).get("pearson_r") is not None
    ]
    limit = floor(results, system, "local")
    if np.isfinite(limit):
        marks.append(f"95 % of untrained networks stay below {limit:.2f}")
    total = model_row(results, "network", system, "total") if "total" in results.targets else {}
    tail = f" Its total energies: {_r(total)}." if total else ""
    return words + (f"; {', '.join(marks)}" if marks else "") + "." + tail


def _r(row: Mapping[str, Any]) -> str:
    return f"r = {pearson_r(row, '95 % interval ')}"


def _verdict_count(claims: Sequence[Claim]) -> str:
    tested = [claim for claim in claims if claim.verdict != _UNTESTABLE]
    if not tested:
        return "None of the paper's statements could be tested in this study."
    counts = {v: sum(c.verdict == v for c in tested) for v in ("supported", "contradicted", "not resolved")}
    verdicts = [{claim.verdict for claim in tested if claim.key == key} for key in {claim.key for claim in tested}]
    return (
        f"{len(verdicts)} statements of the paper were tested in {len(tested)} cases (statement and system): "
        f"{counts['supported']} supported, {counts['contradicted']} contradicted, {counts['not resolved']} "
        f"not resolved. {verdicts.count({'supported'})} statements are supported in every case, "
        f"{verdicts.count({'contradicted'})} contradicted in every case."
    )
