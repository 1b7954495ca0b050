"""Which validation windows are decoded."""

import numpy as np
import polars as pl
import pytest
from made import make_bars, weekdays

from kronos_quant.training.batches import draw_cross_sections
from kronos_quant.windows import bar_table, build_index

LOOKBACK, PREDICT = 5, 4


def market(symbols, sessions, without=()):
    """Windows of `symbols` made stocks; `without` are (symbol, session) pairs that have no bar."""
    dates = weekdays(sessions)
    bars = make_bars([f"S{number:02d}" for number in range(symbols)], dates)
    for symbol, session in without:
        bars = bars.filter(~((pl.col("symbol") == f"S{symbol:02d}") & (pl.col("date") == dates[session])))
    table = bar_table(bars, dates)
    return table, build_index(table, LOOKBACK, PREDICT, 10)


def times_of(table, sections):
    return table.time[sections.index.anchor]


def test_dates_are_evenly_spaced_their_targets_do_not_overlap_and_each_has_as_many_symbols():
    # 40 sessions leave 32 anchors; targets of 4 bars do not overlap on 8 of them
    table, index = market(30, 40)
    sections = draw_cross_sections(table, index, 160, PREDICT)
    assert (len(sections), sections.dates, sections.most_symbols) == (160, 8, 20)
    assert np.bincount(sections.date).tolist() == [20] * 8
    sessions = table.session[sections.index.anchor]
    assert np.diff(np.unique(sessions)).min() >= PREDICT
    assert sections.block.tolist() == sections.date.tolist()
    for number in range(8):
        assert len(set(times_of(table, sections)[sections.date == number])) == 1


def test_few_windows_are_few_dates_rather_than_few_symbols_a_date():
    table, index = market(30, 40)
    sections = draw_cross_sections(table, index, 25, PREDICT)
    assert np.bincount(sections.date).tolist() == [12, 13]
    alone = draw_cross_sections(table, index, 1, PREDICT)
    assert (len(alone), alone.dates, alone.block.tolist()) == (1, 1, [0])


def test_where_there_are_few_symbols_dates_lie_closer_and_share_blocks_of_two_horizons():
    table, index = market(1, 100)
    sections = draw_cross_sections(table, index, 46, PREDICT)
    assert (len(sections), sections.dates, sections.most_symbols) == (46, 46, 1)
    spacing = np.diff(table.session[sections.index.anchor])
    assert set(spacing.tolist()) <= {2, 3}
    # 92 anchors in blocks of 2 x 4
    assert len(np.unique(sections.block)) == 12
    assert np.bincount(sections.block).max() == 4


def test_more_than_there_are_is_all_of_them():
    table, index = market(3, 20)
    sections = draw_cross_sections(table, index, 10_000, PREDICT)
    assert sorted(sections.index.anchor.tolist()) == index.anchor.tolist()


def test_the_draw_is_the_same_every_time_and_differs_by_date():
    table, index = market(30, 40)
    first, again = (draw_cross_sections(table, index, 80, PREDICT) for _ in range(2))
    assert first.index.anchor.tolist() == again.index.anchor.tolist()
    symbols = [set(table.symbol_id[first.index.anchor[first.date == number]].tolist()) for number in range(2)]
    assert symbols[0] != symbols[1]


def test_a_shorter_horizon_gives_shorter_windows_and_more_dates():
    table, index = market(30, 40)
    sections = draw_cross_sections(table, index, 320, 2)
    assert (sections.index.lookback, sections.index.predict) == (LOOKBACK, 2)
    assert sections.dates == 16


def test_dates_on_which_hardly_anybody_has_a_window_are_left_out():
    # S00 misses the session after the first anchor: of the windows with targets later, it alone is anchored so early
    table, index = market(20, 40, without=[(0, LOOKBACK)])
    late = index.where(table.session[index.anchor + 1] > LOOKBACK)
    assert np.unique(table.session[late.anchor], return_counts=True)[1][0] == 1
    sections = draw_cross_sections(table, late, 100, PREDICT)
    assert np.bincount(sections.date).min() >= 10
    assert table.session[sections.index.anchor].min() > LOOKBACK - 1


@pytest.mark.parametrize("wanted", [1, 7, 33, 100])
def test_never_more_than_asked_for_and_every_window_once(wanted):
    table, index = market(12, 60, without=[(0, 20), (1, 30)])
    sections = draw_cross_sections(table, index, wanted, 3)
    assert 0 < len(sections) <= wanted
    assert len(set(sections.index.anchor.tolist())) == len(sections)
