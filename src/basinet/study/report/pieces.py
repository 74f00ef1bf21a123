"""Pieces of HTML: all text is escaped here, so that nothing in a results directory can become markup."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

FIGURES = re.compile(r"-?\d[\d.]*( ± [\d.]+)?( \([-\d. to]+\))?")
"""Numbers, with an interval or spread or without."""


def text(value: Any, digits: int = 3) -> str:
    """A value as escaped text: numbers with ``digits`` decimals, missing ones as a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return escape(f"{value:.{digits}f}" if abs(value) >= 10.0**-digits or value == 0.0 else f"{value:.1e}")
    return escape(str(value))


def paragraph(words: str, kind: str = "") -> str:
    """One paragraph of plain text."""
    return f"<p{class_of(kind)}>{escape(words)}</p>"


def class_of(kind: str) -> str:
    """The class attribute, if any."""
    return f' class="{escape(kind)}"' if kind else ""


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], digits: int = 3) -> str:
    """A table; numbers keep their figures in line."""
    return framed(head, ["<tr>" + "".join(data(value, digits) for value in row) + "</tr>" for row in rows])


def framed(head: Sequence[str], rows: Iterable[str]) -> str:
    """Rows of HTML under a header, in a frame that scrolls on narrow screens."""
    header = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "\n".join(rows)
    whole = f"<table><thead><tr>{header}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
    return f'<div class="scroll">{whole}</div>'


def data(value: Any, digits: int) -> str:
    """One cell."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    number = number or (isinstance(value, str) and FIGURES.fullmatch(value) is not None)
    return f"<td{class_of('number' if number else '')}>{text(value, digits)}</td>"


def section(key: str, heading: str, *content: str) -> str:
    """A section that the table of contents can name."""
    inside = "\n".join(content)
    return f'<section id="{escape(key)}">\n<h2>{escape(heading)}</h2>\n{inside}\n</section>'


def picture(name: str, image: bytes, title: str, caption: str, informs: str) -> str:
    """A figure with its image inside the page."""
    encoded = base64.b64encode(image).decode("ascii")
    width = int.from_bytes(image[16:20], "big")
    height = int.from_bytes(image[20:24], "big")
    related = f'<span class="informs">{informs}</span>' if informs else ""
    return (
        f'<figure id="{escape(name)}"><img alt="{escape(title)}" width="{width}" height="{height}" '
        f'src="data:image/png;base64,{encoded}">'
        f"<figcaption><strong>{escape(title)}.</strong> {escape(caption)} "
        f'<a href="figures/{escape(name)}.pdf">PDF</a>{related}</figcaption></figure>'
    )


def interval(low: Any, high: Any, digits: int = 3) -> str:
    """``low to high`` as plain text; a dash if there is none."""
    known = all(isinstance(end, (int, float)) and math.isfinite(end) for end in (low, high))
    return f"{low:.{digits}f} to {high:.{digits}f}" if known else "–"


def with_interval(row: dict[str, Any], digits: int = 3) -> str:
    """Pearson r of a row with its interval, as plain text."""
    r = row.get("pearson_r")
    if not isinstance(r, (int, float)):
        return "–"
    ends = interval(row.get("pearson_r_low"), row.get("pearson_r_high"), digits)
    return f"{r:.{digits}f}" + (f" ({ends})" if ends != "–" else "")
