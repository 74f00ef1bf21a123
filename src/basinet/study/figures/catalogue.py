"""Every figure: its file name, the caption that reads alone, the statements it informs, and what draws it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from basinet.plotting import AbsentError, rc_context, save_figure
from basinet.study.figures import energies, models, start, width
from basinet.study.figures.width import WidthFigure
from basinet.study.report.results import StudyResults


@dataclass(frozen=True)
class FigureEntry:
    """A figure of the report: its file name without suffix, what it shows in a few words, and how to read it.

    `claims` are the keys of the statements it informs; `draw` raises AbsentError where the study has nothing to show.
    A figure of local energies is drawn for each definition of them.
    """

    name: str
    title: str
    caption: str
    claims: tuple[str, ...]
    draw: Callable[[StudyResults], Figure]
    of_local: bool = True


_RELATION_CLAIMS = ("relation-linear", "relation-rmse", "relation-intercept")
_RELATION_CAPTION = (
    "Total energy less classical electrostatic energy against the electrostatic energy, one point per frame, "
    "per atom and relative to isolated atoms if there are any; the line is fitted to training frames, what it "
    "leaves is below. E_es stands on both axes, which by itself gives a correlation: r is shown with E_tot shuffled "
    "over frames as well; r(E_tot, E_es) and the variance left do not share this flaw."
)
_WIDTH_CAPTION = (
    " Points and bars are mean and standard deviation over independently initialised networks, trained on "
    "total energies only; the networks never saw these frames. Baselines stand on the right: the literature "
    "pair potential, ridge regression on summed descriptors, and the ceiling (a tanh network trained on "
    "the local energies themselves), and of direct energies the relation of the totals."
)
_GAUGE_CAPTION = (
    " For the mixture the dashed curve is corrected for the pair gauge, the part of the local energies that "
    "no total energy can determine."
)


def _relation_entry(number: int, title: str) -> FigureEntry:
    draw = partial(energies.draw_relation, number=number)
    return FigureEntry(f"figure_{number:02d}", title, _RELATION_CAPTION, _RELATION_CLAIMS, draw, of_local=False)


def _width_entry(number: int, shown: WidthFigure, caption: str, claims: tuple[str, ...]) -> FigureEntry:
    text = caption + _WIDTH_CAPTION + (_GAUGE_CAPTION if shown.target == "local" else "")
    draw, local = partial(width.draw_width, shown=shown), shown.target == "local"
    return FigureEntry(f"figure_{number:02d}", shown.title, text, claims, draw, of_local=local)


_LOCAL_CLAIMS = ("local-falls", "mixture-lower", "mixture-falls-faster", "small-better", "small-suffice")
_TRANSFER_CLAIMS = ("tanh-transfers-longer", "local-predicts-transfer")

PAPER_FIGURES = (
    _relation_entry(1, "The electrostatic relation, first pure system"),
    _width_entry(
        2,
        WidthFigure("local", False, True, "Local energies against width"),
        "Correlation of the networks' atomic energies with the local DFT energies, per test system, against "
        "layer width.",
        _LOCAL_CLAIMS,
    ),
    _width_entry(
        3,
        WidthFigure("total", True, True, "Transferred models: total energies against width"),
        "Correlation of total energies for models on systems they were not trained on: networks of the "
        "mixture on the pure liquids, and the pure networks side by side on the mixture.",
        ("transfer-total-falls", *_TRANSFER_CLAIMS),
    ),
    _width_entry(
        4,
        WidthFigure("local", True, True, "Transferred models: local energies against width"),
        "Correlation of local energies for models on systems they were not trained on.",
        ("transfer-local-falls", *_TRANSFER_CLAIMS),
    ),
    _relation_entry(5, "The electrostatic relation, mixture"),
    _relation_entry(6, "The electrostatic relation, second pure system"),
    _width_entry(
        7,
        WidthFigure("total", False, False, "Total energies against width, all architectures"),
        "Correlation of total energies, the quantity that was trained on, for every architecture.",
        ("totals-accurate", "small-scatter", "small-cheaper"),
    ),
    _width_entry(
        8,
        WidthFigure("local", False, False, "Local energies against width, all architectures"),
        "Correlation of local energies for every architecture.",
        ("architectures-alike", *_LOCAL_CLAIMS),
    ),
    _width_entry(
        9,
        WidthFigure("total", True, False, "Transferred models: total energies, all architectures"),
        "Correlation of total energies after transfer for every architecture.",
        ("transfer-total-falls", *_TRANSFER_CLAIMS),
    ),
    _width_entry(
        10,
        WidthFigure("local", True, False, "Transferred models: local energies, all architectures"),
        "Correlation of local energies after transfer for every architecture.",
        ("transfer-local-falls", *_TRANSFER_CLAIMS),
    ),
)

EXTRA_FIGURES = (
    FigureEntry(
        "extra_direct",
        "The relation, atom by atom",
        "DFT energies of the regions, to which nothing is fitted, against the local energies that the relation of the "
        "totals gives to the same atoms. That the relation holds for each atom is an assumption of the paper.",
        ("relation-atoms",),
        energies.draw_direct,
        of_local=False,
    ),
    FigureEntry(
        "extra_summary",
        "What each model recovers",
        "Pearson r of total and local energies on test frames: the chosen network (ensemble mean) beside tanh networks "
        "trained on local energies, which is the ceiling of what this descriptor can tell of them, untrained "
        "networks, the floor, ridge regression and pair potentials. Bars are block bootstrap intervals "
        "over frames.",
        ("local-falls", "mixture-lower"),
        models.draw_summary,
    ),
    FigureEntry(
        "extra_species",
        "The mixture by species",
        "Local fidelity of each species of the mixture: as predicted, after removing the pair gauge (fitted "
        "on validation frames), and with a control correction of as many coefficients that is no gauge. If "
        "only the first correction helps, what was missing is what totals cannot determine.",
        ("mixture-lower", "mixture-falls-faster"),
        width.draw_species,
    ),
    FigureEntry(
        "extra_gauge",
        "The pair gauge",
        "Energy per unlike pair that a model gave to the wrong one of its two atoms, as a function of "
        "distance. Totals contain no information about it.",
        ("mixture-lower",),
        energies.draw_gauge,
    ),
    FigureEntry(
        "extra_resolution",
        "Cutoff and resolution",
        "Total and local fidelity against the descriptor's cutoff, for networks by width and for ridge "
        "regression. Where the curves part, total energies alone do not show that the local "
        "energies are lost.",
        ("local-falls",),
        models.draw_resolution,
    ),
    FigureEntry(
        "extra_weights",
        "Weight and size of the species",
        "Ridge regression at the chosen cutoff against the weight with which the descriptor counts a "
        "neighbour of the last element, with one cutoff for all pairs and with cutoffs in proportion to the atoms' "
        "van der Waals radii. Total energies of fitted frames alone chose among them; the local energies were not "
        "looked at.",
        ("mixture-lower",),
        models.draw_weights,
    ),
    FigureEntry(
        "extra_learning_curve",
        "Learning curve",
        "Fidelity against the number of training frames, the last ones in time: tanh networks of one hidden layer, by "
        "width, and ridge regression.",
        ("totals-accurate",),
        models.draw_learning_curve,
    ),
    FigureEntry(
        "extra_parity",
        "Predicted against DFT energies",
        "Each point is a frame (above) or an atom (below) that the network had not seen.",
        ("totals-accurate", "local-falls"),
        energies.draw_parity,
    ),
    FigureEntry(
        "extra_transfer",
        "Transfer against local fidelity at home",
        "Each point is one network: how well it reproduces local energies of its own system, and how well "
        "it does after transfer.",
        ("local-predicts-transfer",),
        models.draw_transfer_scatter,
    ),
    FigureEntry(
        "extra_controls",
        "Parametrisation controls",
        "Networks of the same widths, started and scaled otherwise. In unit readout the initial function grows as the "
        "root of the width, which is all that tells it from standard at one width; a fall that is there in the one "
        "and not in the other comes from the initial function, not from width.",
        ("local-falls", "width-scatter"),
        start.draw_controls,
    ),
    FigureEntry(
        "extra_initial_scale",
        "Size of the initial function",
        "Fidelity against the factor of the readout's initial weights, all else equal.",
        ("local-falls", "width-scatter"),
        start.draw_initial_scales,
    ),
    FigureEntry(
        "extra_agreement",
        "What networks have in common",
        "Correlation of a network's local energies with those of DFT against their correlation with those of networks "
        "that differ by their seed alone. The latter needs no DFT. Symbols grow with width. Where points follow the "
        "dotted line, what networks have in common is as faithful there as in the best ensemble, and scatter between "
        "seeds is all that is lost.",
        ("width-scatter", "local-falls"),
        start.draw_agreement,
    ),
    FigureEntry(
        "extra_linearised",
        "What the start foretells",
        "Fidelity of trained networks against that of the same networks linearised at their random start and fitted to "
        "the same totals in closed form, without training. Where points lie on the line, the start and the totals "
        "settle what becomes of the atoms, and training adds nothing that matters to them.",
        ("start-decides", "width-scatter"),
        start.draw_linearised,
    ),
    FigureEntry(
        "extra_determination",
        "What totals determine",
        "How much of the local energies, and how much of a random initial function, lies along each direction of the "
        "summed descriptors, beside what total energies give back of it: for linear potentials, what totals can know "
        "of the atoms, and what they can wash out of a random start.",
        ("start-decides",),
        start.draw_determination,
    ),
    FigureEntry(
        "extra_cost",
        "Cost and accuracy",
        "CPU time to train one network against its fidelity; numbers are widths.",
        ("small-cheaper",),
        width.draw_cost,
    ),
    FigureEntry(
        "extra_size",
        "Transfer to other sizes",
        "The same models on frames with another number of atoms.",
        (),
        models.draw_size,
    ),
    FigureEntry(
        "extra_training_curves",
        "Training curves",
        "Error of total energies on training and validation frames while training.",
        ("totals-accurate",),
        models.draw_training_curves,
        of_local=False,
    ),
    FigureEntry(
        "extra_learning_rates",
        "Learning rates",
        "The learning rate that gave the lowest validation error at each width: one rate for all widths "
        "would confound width with training.",
        ("local-falls",),
        width.draw_learning_rates,
        of_local=False,
    ),
)


def write_figures(results: StudyResults, directory: str | Path) -> dict[str, bytes | str]:
    """Draw every figure as PNG and PDF. Returns the PNG of each by name, or in words what the study lacks for it.

    The names of figures of further local energies end in their definition, such as ``figure_02_direct``.
    """
    root = Path(directory)
    entries = (*PAPER_FIGURES, *EXTRA_FIGURES)
    drawn = [(results, entry) for entry in entries]
    drawn += [
        (further, of_definition(entry, further)) for further in results.further for entry in entries if entry.of_local
    ]
    return {entry.name: _write_figure(shown, entry, root) for shown, entry in drawn}


def of_definition(entry: FigureEntry, results: StudyResults) -> FigureEntry:
    """A figure of local energies for the further ones of some results."""
    title = f"{entry.title} ({results.definition} local energies)"
    return replace(entry, name=f"{entry.name}_{results.definition}", title=title)


def _write_figure(results: StudyResults, entry: FigureEntry, directory: Path) -> bytes | str:
    with rc_context():
        try:
            figure = entry.draw(results)
        except AbsentError as missing:
            for suffix in (".png", ".pdf"):  # of an earlier report
                (directory / f"{entry.name}{suffix}").unlink(missing_ok=True)
            return str(missing)
        return save_figure(figure, directory / entry.name)
