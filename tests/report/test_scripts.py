"""The scripts of interactive pages: the library as its makers publish it, and pages that run nothing else."""

from __future__ import annotations

import hashlib

from made import ROOT
from report.pages import Reader, assert_self_contained, page_data

from kronos_quant.charts import ChartPanel, Curve, InteractiveChart
from kronos_quant.report.document import Document, Part, Picture
from kronos_quant.report.scripts import LIBRARY, LIBRARY_VERSION, library_script, page_script, script_policy

ASSETS = ROOT / "kronos_quant" / "report" / "assets"
DIGEST = "b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0"
"""SHA-256 of dist/echarts.min.js in the package echarts 6.1.0 of npm."""

NASTY = "</script><img src=x onerror=alert(1)><!--<script>"


def chart(name: str) -> InteractiveChart:
    curve = Curve(name, [0.5, float("nan"), float("inf")])
    return InteractiveChart((name, "b", "c"), (ChartPanel(name, "percent", (curve,)),), name)


def test_the_library_is_the_published_one_with_its_licences():
    data = (ASSETS / LIBRARY).read_bytes()
    assert hashlib.sha256(data).hexdigest() == DIGEST
    assert f'"{LIBRARY_VERSION}"' in data.decode("utf-8")
    assert "Apache License" in (ASSETS / "echarts" / "LICENSE").read_text(encoding="utf-8")
    assert "Apache Software Foundation" in (ASSETS / "echarts" / "NOTICE").read_text(encoding="utf-8")


def test_no_script_ends_or_hides_itself():
    for script in (library_script(), page_script()):
        assert "</script" not in script.lower()
        assert "<!--" not in script


def test_our_script_sets_text_and_never_html():
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval", "Function(", "fetch("):
        assert word not in page_script()


def test_names_that_are_html_are_data_in_every_place_of_an_interactive_page():
    rows = tuple((NASTY, f"{n}") for n in range(4))
    table = Part(NASTY, (NASTY,), (NASTY, "n"), rows, sortable=True, shown=2, filters=((NASTY, "text"),))
    lead = Part("", (NASTY,), pictures=(Picture(NASTY, "<svg></svg>", NASTY, chart=chart(NASTY)),))
    page = Document(NASTY, (NASTY,), (NASTY,), (table,), lead=lead).to_html()
    read = assert_self_contained(page)
    assert read.tags.count("script") == 4
    assert "img" not in read.tags
    drawn, held = page_data(page)
    assert drawn["places"][0] == drawn["panels"][0]["title"] == drawn["panels"][0]["curves"][0]["name"] == NASTY
    assert held == [list(row) for row in rows]


def test_what_is_not_determined_is_missing_from_a_curve():
    assert chart("a").as_dict()["panels"][0]["curves"][0]["values"] == [0.5, None, None]


def test_a_page_has_only_the_scripts_that_it_needs():
    plain = Part("a", rows=(("1",),), columns=("x",))
    sorted_one = Part("a", rows=(("1",),), columns=("x",), sortable=True)
    assert "<script" not in Document("T", sections=(plain,)).to_html()
    assert "script-src &#39;none&#39;" in Document("T", sections=(plain,)).to_html()
    page = Document("T", sections=(sorted_one,)).to_html()
    assert page_script() in page
    assert library_script() not in page


def test_a_table_shows_its_first_rows_without_a_script_and_holds_all_for_it():
    rows = tuple((str(n),) for n in range(5))
    page = Document("T", sections=(Part("a", rows=rows, columns=("x",), sortable=True, shown=2),)).to_html()
    assert Reader(page).tables[0][1] == [["x"], ["0"], ["1"]]
    assert page_data(page) == [[["0"], ["1"], ["2"], ["3"], ["4"]]]


def test_a_policy_names_the_scripts_and_lets_nothing_else_run():
    policy = script_policy(["a", "b"])
    assert policy.startswith("default-src 'none'; ")
    assert policy.count("'sha256-") == 2
    assert "unsafe-eval" not in policy
    assert "script-src 'unsafe-inline'" not in policy
