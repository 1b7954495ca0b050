import numpy as np
import polars as pl
import pytest

from kronos_quant import ConfigError, DataError
from kronos_quant.windows import bar_table, build_index, make_splits, target_mask


def split(table, sessions, **changes):
    arguments = {"train_ratio": 0.6, "val_ratio": 0.2, "embargo": 0, "sessions": sessions}
    return make_splits(table, **(arguments | changes))


def days(table, index, mask):
    """Every target date of the windows that a mask keeps."""
    anchors = index.anchor[mask]
    return {table.date[a + h] for a in anchors for h in range(1, index.predict + 1)}


def test_ratios_cut_the_sessions_in_order(bars, sessions):
    splits = split(bar_table(bars, sessions), sessions)
    # 40 sessions: 24 for training, 8 for validation, 8 for testing
    assert str(splits.train) == f"{sessions[0]} to {sessions[23]}"
    assert splits.val.end == np.datetime64(sessions[31], "us")
    assert splits.test.end == np.datetime64(sessions[39], "us")


@pytest.mark.parametrize("embargo", [0, 2])
def test_no_target_bar_is_in_two_splits(bars, sessions, embargo):
    table = bar_table(bars, sessions)
    index = build_index(table, 10, 5, 0)
    splits = split(table, sessions, embargo=embargo)
    parts = [days(table, index, target_mask(table, index, span)) for span in (splits.train, splits.val, splits.test)]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert not parts[1] & parts[2]
    position = {np.datetime64(day): i for i, day in enumerate(sessions)}
    for earlier, later in ((parts[0], parts[1]), (parts[1], parts[2])):
        gap = min(position[day] for day in later) - max(position[day] for day in earlier)
        assert gap >= 1 + embargo


def test_dates_are_taken_as_given_and_the_lookback_may_reach_back(bars, sessions):
    table = bar_table(bars, sessions)
    splits = split(table, sessions, train_dates=(sessions[0], sessions[19]), val_dates=(sessions[20], sessions[29]))
    index = build_index(table, 10, 5, 0)
    targets = days(table, index, target_mask(table, index, splits.val))
    assert targets == {np.datetime64(day) for day in sessions[20:30]}


def test_dated_ranges_that_overlap_are_refused(bars, sessions):
    """The published ranges overlap: training ends 2022-12-31 and validation starts 2022-09-01."""
    with pytest.raises(ConfigError, match="must start after training's targets end on") as caught:
        split(
            bar_table(bars, sessions),
            sessions,
            train_dates=(sessions[0], sessions[20]),
            val_dates=(sessions[20], sessions[29]),
        )
    assert "target's date" in caught.value.hint


def test_minutes_are_split_by_time_within_a_session(bars, sessions):
    day = bars.filter((pl.col("symbol") == "AAA") & (pl.col("date") == sessions[0]))
    minutes = pl.concat([day.with_columns(pl.col("time") + pl.duration(minutes=m)) for m in range(20)])
    splits = split(bar_table(minutes, sessions), sessions)
    assert str(splits.train).endswith("00:11")
    assert splits.val.start > splits.train.end


def test_two_bar_times_cannot_be_split(bars, sessions):
    with pytest.raises(DataError, match="2 bar times are too few"):
        split(bar_table(bars.filter(pl.col("date") <= sessions[1]), sessions), sessions)
