from __future__ import annotations

import polars as pl
from charts.cases import TRIALS
from report.pages import assert_self_contained

from kronos_quant.report.pages.sweep import FIGURES, map_settings, write_sweep_page

EVIL = "<script>alert(1)</script>"
ALL = TRIALS.with_columns(pl.lit(0.1).alias(column) for column in FIGURES if column not in TRIALS.columns)


def test_the_page_has_the_best_trials_and_a_map_for_each_pair(tmp_path):
    page = write_sweep_page(
        tmp_path, EVIL, ["2024-01-02 to 2024-06-28, 120 sessions."], ("topk", "n_drop"), ALL, ALL.head(2), None
    )
    read = assert_self_contained(page.read_text(encoding="utf-8"))
    assert read.headings == [f"Sweep: {EVIL}", "Best trials", "Maps", "topk and n_drop"]
    rows = read.table("Best trials")
    assert rows["topk"][:2] == ["n_drop", "annual return"]
    assert rows["1"][1:4] == ["+300.00%", "10.00%", "3.00"]
    assert "2024-01-02 to 2024-06-28, 120 sessions. Grid: topk, n_drop; 5 trials." in read.text
    assert "The best 2 of 5 trials by Sharpe ratio" in read.text
    assert read.tags.count("svg") == 2  # for a screen and for a phone
    assert "Yellow is good and dark is bad" in read.text
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["heatmap-topk-n_drop.png", "sweep.html"]


def test_the_first_setting_that_varies_is_mapped_with_each_further_one_or_alone():
    fixed = ALL.with_columns(fill=pl.lit("open"), every=pl.Series([1, 2, 3, 1, 2]))
    assert map_settings(("fill", "topk", "n_drop", "every"), fixed) == [("topk", "n_drop"), ("topk", "every")]
    assert map_settings(("fill", "topk"), fixed) == [("topk", None)]
    assert map_settings(("fill",), fixed) == [("fill", None)]


def test_a_trial_without_a_figure_has_a_dash(tmp_path):
    page = write_sweep_page(tmp_path, "topk", [], ("topk",), ALL, ALL.tail(1), None)
    assert assert_self_contained(page.read_text(encoding="utf-8")).table("Best trials")["2"][2] == "-"
