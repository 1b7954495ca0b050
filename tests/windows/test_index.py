from datetime import date

import polars as pl
import pytest

from kronos_quant.windows import WindowIndex, bar_table, build_index


def anchored(bars, sessions, lookback, predict, max_missing=0, membership=None) -> list[tuple[str, date]]:
    table = bar_table(bars, sessions)
    index = build_index(table, lookback, predict, max_missing, membership)
    return [(table.symbols[table.symbol_id[row]], table.date[row].item()) for row in index.anchor]


def test_every_window_of_every_symbol_is_there_once(bars, sessions):
    found = anchored(bars, sessions, lookback=10, predict=5)
    # 40 bars hold 40 - 10 - 5 + 1 = 26 windows a symbol, anchored at bars 9 to 34
    assert len(found) == len(set(found)) == 3 * 26
    assert found[0] == ("AAA", sessions[9])
    assert found[-1] == ("CCC", sessions[34])


def test_the_newest_bar_has_a_window_when_nothing_is_predicted(bars, sessions):
    assert ("BBB", sessions[-1]) in anchored(bars, sessions, lookback=10, predict=0)


@pytest.mark.parametrize("max_missing", [0, 2, 3])
def test_a_suspension_is_bridged_only_as_far_as_allowed(bars, sessions, without, max_missing):
    """Three sessions are missing after bar 19: 37 bars. A window of 15 lies in 0..19 (6), in 20..36 (3), or across."""
    gone = without(bars.filter(pl.col("symbol") == "AAA"), "AAA", sessions[20:23])
    whole = 6 + 3
    across = 37 - 15 + 1 - whole
    expected = whole + (across if max_missing >= 3 else 0)
    assert len(anchored(gone, sessions, lookback=10, predict=5, max_missing=max_missing)) == expected


def test_the_windows_left_out_for_their_holes_are_counted(bars, sessions, without):
    gone = without(bars, "AAA", sessions[20:23])
    table = bar_table(gone, sessions)
    # of 37 bars in two runs of 20 and 17, the windows of 15 that lie in neither: 23 - 6 - 3
    assert build_index(table, 10, 5, 0).across_holes == 14
    assert build_index(table, 10, 5, 3).across_holes == 0
    spans = pl.DataFrame({"symbol": ["BBB"], "start": [sessions[0]], "end": [sessions[-1]]})
    assert build_index(table, 10, 5, 0, spans).across_holes == 0


def test_a_window_never_runs_from_one_symbol_into_the_next(bars, sessions):
    table = bar_table(bars, sessions)
    index = build_index(table, 10, 5, 0)
    first, last = index.anchor - 9, index.anchor + 5
    assert (table.symbol_id[first] == table.symbol_id[last]).all()


def test_membership_decides_the_anchor_and_nothing_else(bars, sessions):
    spans = pl.DataFrame(
        {"symbol": ["AAA", "AAA"], "start": [sessions[15], sessions[30]], "end": [sessions[16], sessions[30]]}
    )
    found = anchored(bars, sessions, lookback=10, predict=5, membership=spans)
    # the lookback reaches back before the membership began
    assert found == [("AAA", sessions[15]), ("AAA", sessions[16]), ("AAA", sessions[30])]


def test_membership_of_a_symbol_without_bars_is_ignored(bars, sessions):
    spans = pl.DataFrame({"symbol": ["ZZZ"], "start": [sessions[0]], "end": [sessions[-1]]})
    assert anchored(bars, sessions, 10, 5, membership=spans) == []


def test_a_symbol_too_short_has_no_window(bars, sessions):
    assert anchored(bars.filter(pl.col("date") < sessions[14]), sessions, 10, 5) == []


def test_where_keeps_the_chosen(bars, sessions):
    index = build_index(bar_table(bars, sessions), 10, 5, 0)
    kept = index.where(index.anchor < 12)
    assert isinstance(kept, WindowIndex)
    assert (kept.lookback, kept.predict, kept.anchor.tolist()) == (10, 5, [9, 10, 11])
