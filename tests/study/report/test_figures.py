"""Figures exist, show something, and leave matplotlib as it was."""

from __future__ import annotations

import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from basinet.plotting import AbsentError, rc_context
from basinet.study.figures.catalogue import EXTRA_FIGURES, PAPER_FIGURES, _write_figure
from basinet.study.figures.models import _neighbour_weight, draw_learning_curve
from basinet.study.figures.start import draw_agreement, draw_controls, draw_linearised
from basinet.study.figures.width import draw_species
from basinet.study.report.results import load_results
from basinet.study.tables import RESULTS, as_table, distinct, member_rows, records, select

pytestmark = pytest.mark.slow

NAMES = [entry.name for entry in PAPER_FIGURES] + [entry.name for entry in EXTRA_FIGURES]


def is_drawn(image):
    """Whether a PNG has more than a background: both white and dark ink."""
    pixels = imread(io.BytesIO(image))[..., :3]
    return pixels.max() == 1.0 and pixels.min() < 0.4 and pixels.std() > 0.02


def test_the_paper_has_ten_figures():
    assert NAMES[:10] == [f"figure_{number:02d}" for number in range(1, 11)]


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_drawn_as_png_and_pdf(report, name):
    directory = report.parent / "figures"
    assert is_drawn((directory / f"{name}.png").read_bytes())
    document = (directory / f"{name}.pdf").read_bytes()
    assert document.startswith(b"%PDF-")
    assert len(document) > 2000


@pytest.mark.long
def test_nothing_else_is_left_in_the_directory(report):
    names = {path.name for path in (report.parent / "figures").iterdir()}
    assert names == {f"{name}.{kind}" for name in NAMES for kind in ("png", "pdf")}


@pytest.mark.parametrize("entry", [*PAPER_FIGURES, *EXTRA_FIGURES], ids=lambda entry: entry.name)
def test_a_complete_study_has_every_figure(results, entry):
    with rc_context():
        figure = entry.draw(results)
    assert figure.axes
    labels = [text for axes in figure.axes for text in (axes.get_xlabel(), axes.get_ylabel())]
    assert any(labels)
    assert entry.caption.endswith(".")


def test_figures_against_width_have_the_widths_as_ticks_and_name_pearson(results):
    with rc_context():
        figure = PAPER_FIGURES[1].draw(results)
    panel = figure.axes[0]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["4", "16", "64"]
    assert panel.get_ylabel() == "Pearson r"
    footer = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    for setting in ("32 atoms", "60 training frames", "3 networks", "cutoff 5.25 Å", "twojmax 6", "test frames"):
        assert setting in footer


def test_the_curve_is_the_mean_over_seeds(results):
    with rc_context():
        figure = PAPER_FIGURES[1].draw(results)
    rows = select(results.table, experiment="sweep", test_system="ar", transferred=False, split="test", target="local")
    rows = member_rows(select(rows, activation="tanh", depth=1, width=16))
    curve = figure.axes[0].containers[0].lines[0].get_ydata()
    assert curve[1] == pytest.approx(rows["pearson_r"].mean())


def test_every_mixture_has_panels_of_its_own(results):
    rows = records(results.table)
    other = [row | {"test_system": "xe", "train_system": "xe", "pearson_r": 0.5} for row in rows]
    other = [row for row, before in zip(other, rows, strict=True) if before["test_system"] == "mix"]
    systems = {**results.systems, "xe": ("Ar", "Kr")}
    with rc_context():
        figure = draw_species(replace(results, table=as_table([*rows, *other], RESULTS), systems=systems))
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert titles == ["Mx: Ar", "Mx: Kr", "Xe: Ar", "Xe: Kr"]
    lines = [axes.containers[0].lines[0].get_ydata() for axes in figure.axes[:4]]
    assert min(lines[0]) > 0.7
    assert set(lines[2]) == {0.5}


def test_the_weight_shown_is_that_of_the_element_named():
    assert [_neighbour_weight("Ar:1 Kr:1.3 Xe:1.69", element) for element in ("Ar", "Kr", "Xe")] == [1.0, 1.3, 1.69]


def test_the_learning_curve_keeps_widths_and_models_apart(results):
    with rc_context():
        figure = draw_learning_curve(results)
    _, labels = figure.axes[0].get_legend_handles_labels()
    shown = distinct(select(results.table, experiment="learning_curve", model="network"), "width")
    assert len(shown) > 1
    assert sorted(labels) == sorted([*(f"network of width {width}" for width in shown), "ridge"])


def test_controls_stand_beside_the_standard_parametrisation_of_the_sweep(results):
    with rc_context():
        figure = draw_controls(results)
    panel = figure.axes[0]
    _, labels = panel.get_legend_handles_labels()
    assert labels == ["standard", "μP"]
    sweep = select(results.table, experiment="sweep", test_system="ar", transferred=False, split="test", target="total")
    rows = member_rows(select(sweep, activation="tanh", depth=1, width=16))
    assert panel.containers[0].lines[0].get_ydata()[1] == pytest.approx(rows["pearson_r"].mean())


def test_the_common_part_is_that_of_the_networks_that_agree_best(results):
    """Members of the fixture agree by the square of their r, so that r = 1 √q."""
    with rc_context():
        figure = draw_agreement(results)
    panel = figure.axes[0]
    bound, common = (line.get_xydata() for line in panel.get_lines() if len(line.get_xdata()) == 100)
    assert np.allclose(bound[:, 1] ** 2, bound[:, 0])
    assert np.allclose(common, bound, rtol=1e-3)
    points = np.concatenate([collection.get_offsets() for collection in panel.collections])
    assert len(points) == 4 * len(distinct(results.table, "width"))
    assert np.allclose(points[:, 1] ** 2, points[:, 0], rtol=1e-3)


def test_trained_networks_stand_against_their_own_linearisation(results):
    """Those of the fixture are worse than trained ones by 0.01."""
    with rc_context():
        figure = draw_linearised(results)
    for panel in figure.axes:
        assert "apart by 0.010" in panel.get_title(loc="left")
        points = np.concatenate([collection.get_offsets() for collection in panel.collections])
        assert len(points) == 4 * len(distinct(results.table, "width"))
        assert np.allclose(points[:, 1] - points[:, 0], 0.01)


def test_a_missing_figure_says_what_is_missing(pure_directory):
    results = load_results(pure_directory)
    with pytest.raises(AbsentError, match="mixture"):
        PAPER_FIGURES[4].draw(results)
    with pytest.raises(AbsentError, match="transferred"):
        PAPER_FIGURES[2].draw(results)


def test_a_figure_is_the_same_every_time_and_leaves_matplotlib_alone(results, tmp_path):
    before = dict(mpl.rcParams)
    files = []
    for _ in range(2):
        _write_figure(results, PAPER_FIGURES[1], tmp_path)
        files.append([(tmp_path / f"figure_02.{kind}").read_bytes() for kind in ("png", "pdf")])
    assert files[0] == files[1]
    assert dict(mpl.rcParams) == before


def test_diverged_networks_do_not_stop_a_figure(full_directory):
    results = load_results(full_directory)
    results.table.loc[results.table["width"] == 64, "pearson_r"] = np.nan
    with rc_context():
        figure = PAPER_FIGURES[7].draw(results)
    assert np.isfinite(figure.axes[0].get_ylim()).all()
