from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from charts.cases import LOSSES, TRIALS

from kronos_quant.charts import MAPPED, heatmap_figure, loss_figure
from kronos_quant.charts.training import mean_table

CONTROL = {"phase": "control", "split": "val", "epoch": 0, "step": 0, "mae": 0.03, "naive_mae": 0.02}


def rows(*points) -> list[dict]:
    """Rows of the predictor's log: (split, step, loss)."""
    return [
        {"phase": "predictor", "split": split, "epoch": step, "step": step, "loss": loss}
        for split, step, loss in points
    ]


def labels(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def title(axes) -> str:
    return axes.get_title(loc="left")


def test_loss_curve_has_a_panel_a_phase_and_marks_the_best():
    axes = loss_figure(LOSSES).axes
    assert [title(one) for one in axes] == ["tokenizer", "predictor"]
    assert labels(axes[0]) == ["train", "validation", "lowest: 2"]
    assert (axes[0].get_xlabel(), axes[0].get_ylabel()) == ("step", "loss")
    best = axes[0].lines[-1]
    assert best.get_xydata().tolist() == [[1, 2.0]]
    assert best.get_marker() == "*"


def test_rows_of_steps_are_a_thin_line_of_their_own():
    [axes] = loss_figure(rows(("step", 1, 2.9), ("step", 2, 2.4), ("train", 1, 2.5), ("val", 1, 2.0))).axes
    assert labels(axes) == ["train, every few steps", "train", "validation", "lowest: 2"]
    assert axes.lines[0].get_xydata().tolist() == [[1, 2.9], [2, 2.4]]


def test_a_phase_without_any_epoch_yet_has_its_panel_and_nothing_says_so():
    figure = loss_figure(rows(("step", 1, 2.0), ("step", 2, 1.5)), "first steps")
    assert figure.axes[0].get_legend() is None
    assert figure.get_suptitle() == "first steps"
    assert loss_figure([]).axes[0].texts[0].get_text() == "nothing was trained"


def test_decoded_forecasts_have_a_panel_with_what_they_must_beat():
    trained = [
        row | {"mae": 0.025 - row["step"] / 1000, "naive_mae": 0.02}
        for row in rows(*((("val", i, 3.0)) for i in range(3)))
    ]
    loss, error = loss_figure([CONTROL, *trained]).axes
    assert (title(loss), title(error)) == ("predictor", "validation forecasts")
    assert labels(error) == ["by epoch", "before training", "last close"]
    assert error.lines[0].get_xydata().tolist() == [[0, 0.025], [1, 0.024], [2, 0.023]]
    assert [line.get_ydata()[0] for line in error.lines[1:]] == [0.03, 0.02]
    assert error.yaxis.get_major_formatter()(0.03).endswith("%")


@pytest.mark.parametrize(("count", "marker"), [(41, ""), (40, "o")])
def test_many_points_are_a_line_without_marks(count, marker):
    [axes] = loss_figure(rows(*(("train", i, 1.0 / (i + 1)) for i in range(count)))).axes
    assert axes.lines[0].get_marker() == marker


def test_a_cell_is_the_mean_over_the_other_settings_and_empty_without_a_trial():
    cells, names, columns = mean_table(TRIALS, "sharpe_ratio", "topk", "n_drop")
    np.testing.assert_array_equal(cells, [[2.0, np.nan], [5.0, 7.0]])
    assert (names, columns) == (["1", "2"], ["1", "3"])
    alone, _, nothing = mean_table(TRIALS, "sharpe_ratio", "topk", None)
    np.testing.assert_array_equal(alone, [[2.0], [6.0]])
    assert nothing == [""]


def maps(figure) -> dict:
    return {title(axes): axes for axes in figure.axes if title(axes)}


def test_good_has_the_same_colour_in_every_map():
    figure = heatmap_figure(TRIALS, "topk", "n_drop", "costs of $5 and more")
    colours = {name: axes.collections[0].get_cmap()(1.0) for name, axes in maps(figure).items()}
    best = colours["Sharpe ratio, annual"]
    assert best != colours["costs per year / account"]
    assert best == colours["maximum drawdown"]  # it is negative: high is good
    assert figure.get_supxlabel().startswith("Yellow is good")
    assert heatmap_figure(TRIALS, "topk", "n_drop").get_supxlabel() == ""


def test_rows_run_from_top_to_bottom_and_cells_hold_their_numbers_unless_there_are_too_many():
    first = next(iter(maps(heatmap_figure(TRIALS, "topk", "n_drop")).values()))
    assert [text.get_text() for text in first.texts] == ["2.00", "5.00", "7.00"]
    top, bottom = first.get_ylim()
    assert top > bottom
    many = pl.DataFrame({"topk": range(20), **{one.name: np.arange(20.0) for one in MAPPED}})
    assert not next(iter(maps(heatmap_figure(many, "topk", None)).values())).texts


def test_a_sweep_without_any_figure_has_maps_too_and_an_unset_setting_is_called_none():
    empty = TRIALS.with_columns(pl.lit(None, pl.Float64).alias(one.name) for one in MAPPED)
    assert len(maps(heatmap_figure(empty, "topk", "n_drop"))) == 4
    trials = TRIALS.with_columns(topk=pl.when(pl.col("topk") == 2).then("topk"))
    assert mean_table(trials, "sharpe_ratio", "topk", "n_drop")[1] == ["none", "2"]
