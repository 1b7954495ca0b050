import numpy as np
import polars as pl
import pytest

from kronos_quant import DataError, schema
from kronos_quant.windows import bar_table, build_index, gather, make_windows


def slow_window(bars: pl.DataFrame, symbol: str, first: int, lookback: int, length: int, clip: float) -> np.ndarray:
    """One window cut and normalised with pandas, bar by bar."""
    frame = bars.filter(pl.col("symbol") == symbol).to_pandas().iloc[first : first + length]
    values = frame[list(schema.FEATURES)].astype("float64")
    past = values.iloc[:lookback]
    return ((values - past.mean()) / (past.std(ddof=0) + 1e-5)).clip(-clip, clip).to_numpy()


def test_gathered_windows_equal_slow_pandas_ones(bars, sessions):
    windows = make_windows(bars, 10, 5, sessions=sessions)
    assert windows.values.shape == (78, 15, 6)
    assert windows.values.dtype == np.float32
    for i in (0, 25, 26, 77):
        symbol, first = ["AAA", "BBB", "CCC"][i // 26], i % 26
        np.testing.assert_allclose(windows.values[i], slow_window(bars, symbol, first, 10, 15, 5.0), atol=2e-6)
        assert windows.symbol[i] == symbol
        assert windows.asof[i].item().date() == sessions[first + 9]


def test_gather_takes_any_order_and_any_subset(bars, sessions):
    table = bar_table(bars, sessions)
    index = build_index(table, 10, 5, 0)
    all_windows = gather(table, index, slice(None), 5.0)
    some = gather(table, index, np.array([40, 3, 3]), 5.0)
    np.testing.assert_array_equal(some.values, all_windows.values[[40, 3, 3]])
    np.testing.assert_array_equal(some.stamp, all_windows.stamp[[40, 3, 3]])


def test_samples_have_the_guides_keys_and_shapes(bars, sessions):
    sample = make_windows(bars, 10, 5, sessions=sessions).samples()[0]
    assert list(sample) == ["input_data", "target_data", "input_timestamps", "target_timestamps", "symbol"]
    assert sample["input_data"].shape == (10, 6)
    assert sample["target_data"].shape == (5, 6)
    assert sample["input_timestamps"].shape == (10, 5)
    assert sample["target_timestamps"].shape == (5, 5)
    assert sample["symbol"] == "AAA"


def test_bars_in_any_order_and_without_a_calendar_will_do(bars):
    shuffled = bars.sample(fraction=1, shuffle=True, seed=1)
    assert make_windows(shuffled, 10, 5).values.shape == (78, 15, 6)


def test_no_window_says_how_long_the_longest_series_is(bars):
    with pytest.raises(DataError, match=r"no window of 90 \+ 10 bars: the longest series has 40 bars"):
        make_windows(bars)


def test_changing_a_later_bar_changes_no_earlier_window(bars, sessions):
    before = make_windows(bars, 10, 0, sessions=sessions)
    last = pl.col("date") == sessions[-1]
    changed = bars.with_columns(pl.when(last).then(pl.col(c) * 3).otherwise(c).alias(c) for c in schema.FEATURES)
    after = make_windows(changed, 10, 0, sessions=sessions)
    earlier = before.asof < np.datetime64(sessions[-1])
    assert before.values[earlier].tobytes() == after.values[earlier].tobytes()
    assert before.values[~earlier].tobytes() != after.values[~earlier].tobytes()
