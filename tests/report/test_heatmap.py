from __future__ import annotations

import numpy as np
import polars as pl

from kronos_quant.report.heatmap import SHOWN, heatmap_png, table_of

TRIALS = pl.DataFrame(
    {
        "topk": [1, 1, 2, 2, 2],
        "n_drop": [1, 1, 1, 3, 3],
        **{name: [1.0, 3.0, 5.0, 7.0, None] for name, _, _ in SHOWN},
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
    empty = TRIALS.with_columns(pl.lit(None, pl.Float64).alias(name) for name, _, _ in SHOWN)
    heatmap_png(tmp_path / "empty.png", empty, "topk", "n_drop", title="nothing determined")
    assert (tmp_path / "empty.png").exists()
