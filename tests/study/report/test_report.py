"""The page stands alone, escapes everything, and says what the results say."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from tests.study.report.conftest import build

from basinet.errors import InputError
from basinet.files import write_table
from basinet.study.claims.verdict import Claim
from basinet.study.figures.catalogue import EXTRA_FIGURES, PAPER_FIGURES
from basinet.study.report.page import _commands, _width_answer, _yardstick, write_report
from basinet.study.report.results import load_results, model_row
from basinet.study.report.tables import tables
from basinet.study.tables import RESULTS, read_rows, select

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects attributes that load things, and checks that tags close in order."""

    def __init__(self):
        super().__init__()
        self.sources, self.links, self.ids, self.open, self.tags = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.sources += [found[name] for name in ("src", "srcset", "data", "poster") if name in found]
        self.links += [found["href"]] if "href" in found else []
        self.ids += [found["id"]] if "id" in found else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="session")
def content(report):
    return report.read_text(encoding="utf-8")


def parsed(content):
    page = Page()
    page.feed(content)
    assert page.open == []
    return page


@pytest.mark.long
def test_the_page_is_well_formed_and_loads_nothing(report, content):
    page = parsed(content)
    assert report.name == "report.html"
    assert page.sources
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "url(" not in content
    assert "@import" not in content


@pytest.mark.long
def test_every_link_leads_somewhere(report, content):
    page = parsed(content)
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        else:
            assert (report.parent / link).is_file()


@pytest.mark.long
def test_all_figures_tables_and_settings_are_in_it(content):
    for name in [f"figure_{number:02d}" for number in range(1, 11)]:
        assert f'id="{name}"' in content
    for words in ("The answer", "95 % interval", "Baselines", "Frames out of fold", "basinet reproduce", "Provenance"):
        assert words in content


@pytest.mark.long
def test_markup_in_results_is_escaped(content):
    assert "<script" not in content
    assert "Liquids &lt;script&gt;&amp;" in content
    assert "seed: 0  # &lt;b&gt;&amp;amp;&lt;/b&gt;" in content
    assert "<td>b &lt;i&gt;&#34;</td>" in content
    assert 'title="supported"' in content


@pytest.mark.long
def test_the_answer_leads_with_the_numbers_of_the_study(content, results):
    rows = select(results.table, experiment="sweep", test_system="ar", split="test", target="local", seed="mean")
    row = select(rows, width=16, depth=1, activation="tanh", transferred=False)
    answer = content[content.index('id="answer"') : content.index('id="figures"')]
    assert f"{row['pearson_r'].iloc[0]:.3f}" in answer
    assert "pair gauge" in answer


@pytest.mark.long
def test_claims_are_written_as_json_without_nan(report):
    claims = json.loads((report.parent / "claims.json").read_text(), parse_constant=pytest.fail)
    assert {"key", "claim", "source", "statistic", "value", "interval", "verdict", "detail"} <= set(claims[0])
    assert {claim["verdict"] for claim in claims} <= {"supported", "contradicted", "not resolved", "not testable here"}


@pytest.mark.long
@pytest.mark.parametrize("kind", ["pure_directory", "mixture_directory", "bare_directory"])
def test_poor_studies_have_the_figures_they_can_and_say_what_others_lack(kind, request):
    page = write_report(request.getfixturevalue(kind))
    words = re.sub('base64,[^"]*', "", page.read_text(encoding="utf-8"))
    parsed(words)
    assert "not testable here" in words
    assert re.search(r"\b(nan|inf|None)\b(?! of)", words) is None
    if kind == "bare_directory":
        assert "None of the paper's statements could be tested" in html.unescape(words)
    for name, title in {entry.name: entry.title for entry in (*PAPER_FIGURES, *EXTRA_FIGURES)}.items():
        drawn = (page.parent / "figures" / f"{name}.png").is_file()
        assert drawn == (f'id="{name}"' in words)
        missing = re.findall(rf"{re.escape(title)} \(([^)]+)\)", words[words.find("for want of data") :])
        assert drawn != bool(missing), (name, missing)


def claim(verdict, value, subject="Ar"):
    return Claim("local-falls", subject, "", "", "", value, (0.0, 0.0), verdict, "")


def test_the_sentence_follows_the_verdicts():
    assert "Yes" in _width_answer([claim("supported", 0.1)])
    assert "No:" in _width_answer([claim("contradicted", 0.001)])
    mixed = _width_answer(
        [claim("supported", 0.1, "Ar"), claim("contradicted", 0.0, "Kr"), claim("not resolved", 0.05, "Mx")]
    )
    assert "Yes" not in mixed
    assert "No:" not in mixed
    assert "Ar (-0.100 in r)" in mixed
    assert "was not tested" in _width_answer([claim("not testable here", float("nan"))])


@pytest.mark.parametrize(
    ("study", "command"),
    [
        ({"command": "reproduce", "preset": "quick"}, "basinet reproduce --preset quick --out NEW"),
        ({"command": "reproduce", "preset": ""}, "basinet reproduce --config config.yaml --out NEW"),
        ({"command": "train"}, "basinet train config.yaml --out NEW"),
        ({}, None),
    ],
)
def test_the_command_shown_is_the_one_that_repeats_the_results(results, study, command):
    assert _commands(replace(results, study=study)) == [*([command] if command else []), "basinet report NEW"]


def test_a_directory_without_results_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"holds no results\.csv"):
        write_report(tmp_path)
    with pytest.raises(InputError, match="no such directory"):
        write_report(tmp_path / "nothing")
    (tmp_path / "results.csv").write_text("model\n")
    (tmp_path / "study.json").write_text("[")
    with pytest.raises(InputError, match=r"study\.json"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [("Ar:1.0", "garbage", "weights 'garbage'"), (",mean,", ",abc,", "seed 'abc'"), ("pearson_r,", "odd,", "")],
)
def test_damaged_results_name_a_remedy_that_works(bare_directory, before, after, words):
    path = bare_directory / "results.csv"
    path.write_text(path.read_text().replace(",0,", ",mean,").replace(before, after, 1)[: None if words else -5])
    with pytest.raises(InputError, match=rf"results.csv.*{words}.*; delete it and run again with --resume|cut short"):
        load_results(bare_directory)


def test_further_local_energies_stand_beside_the_main_ones(tmp_path):
    """Direct local energies of which networks know less than of the relation's, and the relation knows all."""
    root = build(tmp_path / "study", ["ar"])
    rows = read_rows(root / "results.csv", RESULTS)
    local = rows[(rows["target"] == "local") & (rows["experiment"] != "reading")].assign(definition="direct")
    for name in ("pearson_r", "pearson_r_low", "pearson_r_high"):
        local[name] -= 0.2
    relation = select(local, model="lennard_jones", experiment="baseline").assign(
        model="relation", pearson_r=0.97, pearson_r_low=0.96, pearson_r_high=0.98
    )
    write_table(root / "results.csv", pd.concat([rows, local, relation]))
    record = json.loads((root / "study.json").read_text())
    (root / "study.json").write_text(json.dumps(record | {"definitions": ["total", "direct"]}))
    results = load_results(root)
    (direct,) = results.further
    found, beside = (model_row(each, "network", "ar", "local")["pearson_r"] for each in (results, direct))
    assert beside == pytest.approx(found - 0.2)
    assert model_row(direct, "network", "ar", "total") == model_row(results, "network", "ar", "total") | {
        "definition": "direct"
    }
    assert "the relation of the totals knows the atoms better" in _yardstick(direct, "ar")
    without = direct.table.assign(
        pearson_r_low=float("nan"), pearson_r_high=float("nan")
    )  # two frames have no interval
    assert "not told apart" in _yardstick(replace(direct, table=without), "ar")
    claims = results.claims()
    assert {claim.subject for claim in claims if claim.key == "local-falls"} == {"Ar", "Ar (direct)"}
    assert {claim.subject for claim in claims if claim.key == "totals-accurate"} == {"Ar"}
    shown = tables(results)
    assert [*shown["headline"]["System"]] == ["Ar", "Ar (direct)"]
    assert set(shown["baselines"].groupby("system")["target"].unique()["Ar (direct)"]) == {"local"}
