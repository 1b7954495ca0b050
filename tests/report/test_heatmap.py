from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from kronos_quant.report import heatmap
from kronos_quant.report.heatmap import SHOWN, heatmap_png, table_of

TRIALS = pl.DataFrame(
    {
        "topk": [1, 1, 2, 2, 2],
        "n_drop": [1, 1, 1, 3, 3],
        **{one.name: [1.0, 3.0, 5.0, 7.0, None] for one in SHOWN},
        "sessions_per_year": 243.0,
    }
)


def test_a_cell_is_the_mean_over_the_other_settings_and_empty_without_a_trial():
    cells, rows, columns = table_of(TRIALS, "sharpe_ratio", "topk", "n_drop")
    np.testing.assert_array_equal(cells, [[2.0, np.nan], [5.0, 7.0]])
    assert (rows, columns) == (["1", "2"], ["1", "3"])
    alone, _, nothing = table_of(TRIALS, "sharpe_ratio", "topk", None)
    np.testing.assert_array_equal(alone, [[2.0], [6.0]])
    assert nothing == [""]


def test_the_picture_is_written_whole_for_one_setting_and_for_two(tmp_path):
    for columns in ("n_drop", None):
        heatmap_png(tmp_path / "map.png", TRIALS, "topk", columns, title="costs of $5 and more")
        assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    empty = TRIALS.with_columns(pl.lit(None, pl.Float64).alias(one.name) for one in SHOWN)
    heatmap_png(tmp_path / "empty.png", empty, "topk", "n_drop", title="nothing determined")
    assert (tmp_path / "empty.png").exists()


@pytest.fixture
def drawn(monkeypatch):
    kept: list[Figure] = []
    monkeypatch.setattr(heatmap, "save_png", lambda figure, path: kept.append(figure))
    return kept


def maps(figure: Figure) -> list:
    return [axes for axes in figure.axes if axes.images]


def test_good_has_the_same_colour_in_every_map(drawn):
    heatmap_png(Path("unused"), TRIALS, "topk", "n_drop", title="t")
    colours = {axes.get_title(loc="left"): axes.images[0].get_cmap()(1.0) for axes in maps(drawn[0])}
    best, worst = (
        colours["Sharpe ratio, annual (243 sessions a year)"],
        colours["costs a year / account (243 sessions a year)"],
    )
    assert best != worst
    assert best == colours["maximum drawdown"]  # it is negative: high is good
    assert drawn[0].get_supxlabel().startswith("Yellow is good")


def test_cells_hold_their_numbers_unless_there_are_too_many(drawn):
    heatmap_png(Path("unused"), TRIALS, "topk", "n_drop", title="t")
    assert [text.get_text() for text in maps(drawn[0])[0].texts] == ["2.00", "5.00", "7.00"]
    many = pl.DataFrame({"topk": range(20), **{one.name: np.arange(20.0) for one in SHOWN}})
    heatmap_png(Path("unused"), many, "topk", None, title="t")
    assert len(maps(drawn[1])[0].texts) == 0


def test_a_setting_that_is_not_set_is_called_null():
    trials = TRIALS.with_columns(topk=pl.when(pl.col("topk") == 2).then("topk"))
    _, rows, _ = table_of(trials, "sharpe_ratio", "topk", "n_drop")
    assert rows == ["null", "2"]
