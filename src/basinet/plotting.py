"""The look of all figures: colours for every eye, sizes legible at 85 mm, one footer with the settings."""

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import ArrayLike

from basinet.files import atomic_write

SINGLE = (4.6, 3.9)
GRID = (6.2, 5.9)
_DPI = 150

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#8C8C8C"
"""The palette of Okabe and Ito, distinguishable with every kind of colour blindness."""
_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 5.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 3,  # type 42 needs a font subset per file, half of the time to draw it
    "pdf.compression": 6,
}


@dataclass(frozen=True)
class Look:
    """Colour, marker and line of one curve."""

    color: str
    marker: str
    line: str = "-"


LINES = ("-", "--", "-.", ":")
_LOOKS = tuple(map(Look, (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK), "os^DvPX"))


def look(index: int, *, lines: bool = False) -> Look:
    """The look of the n-th curve; they repeat after seven. `lines`: with a line style of its own too, of four."""
    style = _LOOKS[index % len(_LOOKS)]
    return Look(style.color, style.marker, LINES[index % len(LINES)]) if lines else style


class AbsentError(Exception):
    """A study lacks the data of a figure; the message says which."""


def canvas(title: str, footer: str, size: tuple[float, float] = SINGLE) -> Figure:
    """An empty figure with its title above and the settings in small print below."""
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    heading = textwrap.wrap(title, int(size[0] * 11.5))
    small = textwrap.wrap(footer, int(size[0] * 19.5))
    top = 1.0 - (0.08 + 0.17 * len(heading)) / size[1]
    _set_frame(figure, (0.08 + 0.125 * len(small)) / size[1], top)
    style: Any = {"fontsize": 10, "fontweight": "bold", "va": "top", "linespacing": 1.1}
    figure.text(0.015, 1.0 - 0.05 / size[1], "\n".join(heading), **style)
    style = {"fontsize": 6.5, "color": "#444444", "va": "bottom", "linespacing": 1.25}
    figure.text(0.015, 0.06 / size[1], "\n".join(small), **style)
    return figure


def _set_frame(figure: Figure, bottom: float, top: float) -> None:
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0.0, bottom, 1.0, top - bottom), w_pad=0.05, h_pad=0.05)


def legend_above(figure: Figure, axes: Iterable[Axes], entries: Mapping[str, Artist] | None = None) -> None:
    """One legend for all panels, between title and axes: the labels of ``axes``, each once, and ``entries``."""
    found = dict(entries or {})
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if not found:
        return
    engine = figure.get_layout_engine()
    rect = engine.get()["rect"] if engine is not None else (0.0, 0.0, 1.0, 1.0)
    width, height = figure.get_size_inches()
    entry = 0.5 + 0.064 * max(len(label) for label in found)
    columns = min(len(found), max(1, int(width / entry)))
    rows = -(-len(found) // columns)
    columns = -(-len(found) // rows)
    top = rect[1] + rect[3]
    figure.legend(
        list(found.values()), list(found), loc="upper left", bbox_to_anchor=(0.015, top + 0.03 / height), ncols=columns,
        borderaxespad=0.0, columnspacing=1.4,
    )  # fmt: skip
    _set_frame(figure, rect[1], top - (0.05 + 0.165 * rows) / height)


def grid_of(figure: Figure, n_panels: int, columns: int, **keywords: Any) -> list[Axes]:
    """Axes of ``n_panels`` panels, row by row; the rest of the grid is left empty."""
    rows = -(-n_panels // columns)
    axes = figure.subplots(rows, columns, squeeze=False, **keywords).ravel().tolist()
    for axis in axes[n_panels:]:
        axis.set_visible(False)
    return list(axes[:n_panels])


def width_axis(axes: Axes, widths: Sequence[float], label: str = "layer width") -> None:
    """Logarithmic axis to base 2 with the widths themselves as ticks."""
    shown = sorted({float(width) for width in widths if np.isfinite(width)})
    axes.set_xscale("log", base=2)
    axes.set_xticks(shown, _tick_labels(shown), rotation=45 if len(shown) > 7 else 0)
    axes.minorticks_off()
    axes.set_xlabel(label)
    if shown:
        axes.set_xlim(shown[0] / 1.3, shown[-1] * 1.3)


def correlation_axes(axes: Iterable[Axes], values: ArrayLike, label: str = "Pearson r") -> None:
    """Axes of a correlation side by side, which end at 1 and start below the lowest value; the first is labelled."""
    finite = np.asarray(values, dtype=np.float64)
    low = finite[np.isfinite(finite)].min(initial=1.0) if np.isfinite(finite).any() else 0.0
    span = max(1.0 - low, 0.02)
    step = 0.05 if span > 0.2 else 0.01
    for number, axis in enumerate(axes):
        axis.set_ylim(max(-1.05, np.floor((low - 0.08 * span) / step) * step), 1.0 + 0.06 * span)
        axis.set_ylabel("" if number else label)
        axis.axhline(1.0, color="#BBBBBB", linewidth=0.6, zorder=0)


def columns_size(columns: int, height: float, each: float = 2.0) -> tuple[float, float]:
    """Size of a figure of panels side by side, inches."""
    return max(SINGLE[0], 1.3 + each * columns), height


def save_figure(figure: Figure, path: Path) -> bytes:
    """Write a figure as PNG and PDF (`path` has no suffix) without dates, so that it is the same each time; the PNG.

    The canvases are called directly: ``savefig`` draws everything once more before it writes.
    """
    image, document = io.BytesIO(), io.BytesIO()
    FigureCanvasAgg(figure).print_png(image, metadata={"Software": None})
    figure.set_layout_engine("none")  # the layout stands; computing it again would take as long as drawing
    FigureCanvasPdf(figure).print_pdf(document, metadata={"CreationDate": None})
    for suffix, content in ((".png", image), (".pdf", document)):
        with atomic_write(path.with_name(f"{path.name}{suffix}"), "wb") as stream:
            stream.write(content.getvalue())
    return image.getvalue()


def rc_context() -> Any:
    """The style, for the duration of a ``with``: matplotlib's settings stay as the caller left them."""
    return mpl.rc_context(_RC)


def _tick_labels(widths: Sequence[float]) -> list[str]:
    """Labels of ascending numbers; one that would touch the label before it on a logarithmic axis is left out.

    >>> _tick_labels([8, 12, 16, 100, 128])
    ['8', '', '16', '100', '']
    """
    labels: list[str] = []
    labelled = 0.0
    for width in widths:
        apart = width > 1.6 * labelled
        labels.append(f"{width:g}" if apart else "")
        labelled = width if apart else labelled
    return labels
