"""Frames of bars, scores and groups as arrays of one shape."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from backtest.markets import panel_of

from kronos_quant import schema
from kronos_quant.backtest import build_panel
from kronos_quant.backtest.panel import in_ticks, ranking_of, tradable_scores
from kronos_quant.errors import DataError
from kronos_quant.market.listings import LISTINGS, Listings
from kronos_quant.market.suspensions import PAUSED

NAN = float("nan")
DAYS = [date(2024, 1, 1) + timedelta(days=t) for t in range(6)]


def bars_of(*rows: tuple[str, int, float], factor: float | None = 1.0) -> pl.DataFrame:
    """Bars from (symbol, day, close); open is one below, high and low one around."""
    return pl.DataFrame(
        {
            "symbol": [symbol for symbol, _, _ in rows],
            "date": [DAYS[day] for _, day, _ in rows],
            "time": [DAYS[day] for _, day, _ in rows],
            "open": [close - 1 for *_, close in rows],
            "high": [close + 1 for *_, close in rows],
            "low": [close - 2 for *_, close in rows],
            "close": [close for *_, close in rows],
            "volume": [100.0 for _ in rows],
            "amount": [0.0 for _ in rows],
            "factor": [factor for _ in rows],
        },
        schema=schema.BARS,
    )


def scores_of(*rows: tuple[str, int, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [(DAYS[day], symbol, score) for symbol, day, score in rows], schema=["date", "symbol", "score"], orient="row"
    )


def test_rows_are_sessions_columns_are_symbols_and_a_missing_bar_is_nan():
    panel = build_panel(
        bars_of(("B", 0, 20.0), ("A", 0, 10.0), ("A", 2, 12.0)), scores_of(("A", 0, 0.5), ("B", 1, -0.5)), DAYS[:3]
    )
    assert panel.symbols == ("A", "B")
    assert panel.dates == tuple(DAYS[:3])
    np.testing.assert_array_equal(panel.close, [[10, 20], [NAN, NAN], [12, NAN]])
    np.testing.assert_array_equal(panel.open, [[9, 19], [NAN, NAN], [11, NAN]])
    np.testing.assert_array_equal(panel.factor, [[1, 1], [NAN, NAN], [1, NAN]])
    np.testing.assert_array_equal(panel.score, [[0.5, NAN], [NAN, -0.5], [NAN, NAN]])
    assert panel.close.dtype == np.float64


def test_score_of_today_trades_next_session():
    score = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, NAN]])
    np.testing.assert_array_equal(tradable_scores(score), [[NAN, NAN], [1, 2], [3, 4]])


def listings_with(*rows: tuple[str, int | None, str | None], after: int = 250, suspended=()) -> Listings:
    """Symbol, day of its end and on what evidence; sessions that a source calls suspended."""
    spans = [(name, DAYS[0], by, None if end is None else DAYS[end], by, None) for name, end, by in rows]
    halted = pl.DataFrame([(name, DAYS[day]) for name, day in suspended], schema=PAUSED, orient="row")
    return Listings(pl.DataFrame(spans, schema=LISTINGS, orient="row"), halted, after)


def test_a_symbol_leaves_after_the_session_on_which_its_listing_is_stated_to_end():
    bars = bars_of(("A", 0, 1.0), ("B", 0, 1.0), ("C", 0, 1.0))
    scores = scores_of(("A", 0, 1.0), ("B", 0, 1.0), ("C", 0, 1.0))
    panel = build_panel(bars, scores, DAYS[:4], listings_with(("A", 1, "stated"), ("B", None, "stated")))
    assert panel.delisted.tolist() == [[2, 0]]
    assert panel.stated == ("A", "B")
    assert len(build_panel(bars, scores, DAYS[:4]).delisted) == 0


def test_without_a_table_a_symbol_leaves_after_so_many_sessions_without_a_bar_whether_or_not_bars_come_again():
    bars = bars_of(
        ("A", 0, 1.0), ("A", 5, 1.0), ("B", 0, 1.0), ("B", 4, 1.0), ("C", 0, 1.0), ("C", 3, 1.0), ("D", 0, 1.0)
    )
    scores = scores_of(*((name, 0, 1.0) for name in "ABCDE"))
    sessions = DAYS[:6]
    found = build_panel(bars, scores, sessions, listings_with(("D", None, "stated"), after=3)).delisted
    # three sessions without a bar pass for A and B, also where the next one has a bar; D is stated to go on
    assert found.tolist() == [[4, 0], [4, 1]]
    # a source that calls a session suspended says that the listing goes on
    halted = listings_with(("D", None, "stated"), after=3, suspended=[("A", 2), ("E", 2)])
    assert build_panel(bars, scores, sessions, halted).delisted.tolist() == [[4, 1]]


def test_bars_before_and_after_the_sessions_are_not_in_the_arrays():
    panel = build_panel(bars_of(*(("A", day, day + 10.0) for day in range(6))), scores_of(("A", 2, 1.0)), DAYS[2:4])
    np.testing.assert_array_equal(panel.close, [[12], [13]])


def test_symbols_with_scores_and_no_bar_are_left_out_and_named():
    panel = build_panel(bars_of(("A", 0, 1.0)), scores_of(("A", 0, 1.0), ("X", 0, 1.0)), DAYS[:2])
    assert panel.symbols == ("A",)
    assert panel.unpriced == ("X",)


def test_a_symbol_whose_scores_are_all_missing_is_no_candidate():
    scores = scores_of(("A", 0, 1.0), ("B", 0, NAN))
    assert build_panel(bars_of(("A", 0, 1.0), ("B", 0, 1.0)), scores, DAYS[:2]).symbols == ("A",)


@pytest.mark.parametrize(
    ("bars", "scores", "sessions", "expected"),
    [
        (bars_of(("A", 0, 1.0)), scores_of(("A", 0, 1.0)), DAYS[:1], "needs at least 2 sessions, found 1"),
        (bars_of(("A", 0, 1.0)), scores_of(("A", 0, 1.0)), [DAYS[1], DAYS[0]], "not ascending and unique"),
        (bars_of(("A", 0, 1.0)), scores_of(("A", 5, 1.0)), DAYS[:3], "no scores from 2024-01-01 to 2024-01-03"),
        (
            bars_of(("A", 0, 1.0)),
            scores_of(("B", 0, 1.0)),
            DAYS[:3],
            "no bars from 2024-01-01 to 2024-01-03 for 1 symbol",
        ),
        (bars_of(("A", 0, 1.0), ("A", 0, 2.0)), scores_of(("A", 0, 1.0)), DAYS[:3], "bars: more than one row for A"),
        (bars_of(("A", 0, 1.0)), scores_of(("A", 0, 1.0), ("A", 0, 2.0)), DAYS[:3], "scores: more than one row for A"),
        (bars_of(("A", 0, 1.0)), scores_of(("A", 0, float("inf"))), DAYS[:3], "infinite scores: A"),
        (bars_of(("A", 0, 1.0), factor=NAN), scores_of(("A", 0, 1.0)), DAYS[:3], "without an adjustment factor: A"),
        (bars_of(("A", 0, 1.0), factor=None), scores_of(("A", 0, 1.0)), DAYS[:3], "without an adjustment factor: A"),
        (bars_of(("A", 0, 1.0), factor=0.0), scores_of(("A", 0, 1.0)), DAYS[:3], "without an adjustment factor: A"),
    ],
)
def test_what_cannot_be_traded_on_is_refused_in_one_line(bars, scores, sessions, expected):
    with pytest.raises(DataError, match=expected):
        build_panel(bars, scores, sessions)


def test_missing_scores_come_with_the_command_that_makes_them():
    with pytest.raises(DataError) as error:
        build_panel(bars_of(("A", 0, 1.0)), scores_of(("A", 5, 1.0)), DAYS[:3])
    assert error.value.hint == "kq signal --start 2024-01-01 --end 2024-01-03"


@pytest.mark.parametrize("seed", range(30))
def test_ranking_is_by_score_then_by_symbol_and_symbols_without_one_come_last(seed):
    rng = np.random.default_rng(seed)
    score = np.round(rng.normal(0, 1, (6, int(rng.integers(0, 40)))), int(rng.integers(0, 3)))
    score[rng.random(score.shape) < 0.3] = np.nan
    expected = [
        sorted(range(len(row)), key=lambda i, row=row: (np.isnan(row[i]), -row[i] if row[i] == row[i] else 0, i))
        for row in score
    ]
    assert ranking_of(score).tolist() == expected


def test_prices_that_float32_rounded_are_brought_back_to_their_ticks():
    stated = np.array([[11.36, 0.255, 123.4567]])
    factor = np.array([[1.0, 1.0, 0.37]])
    rounded = (stated * factor).astype(np.float32).astype(np.float64)
    panel = panel_of(np.ones((1, 3)), rounded, factor=factor)
    found = in_ticks(panel, np.array([0.01, 0.001, 0.01]))
    assert found.close[0, 0] == 11.36
    assert found.close[0, 1] == 0.255
    # no multiple of the tick: as it was
    assert found.close[0, 2] == rounded[0, 2]
    two = (np.array([[20.05 * 0.37]])).astype(np.float32).astype(np.float64)
    adjusted = panel_of(np.ones((1, 1)), two, factor=np.full((1, 1), np.float64(np.float32(0.37))))
    raw = in_ticks(adjusted, np.array([0.01])).close / adjusted.factor
    assert raw[0, 0] == pytest.approx(20.05, rel=1e-15)
    gone = panel_of(np.ones((1, 1)), [[np.nan]])
    assert np.isnan(in_ticks(gone, np.array([0.01])).close).all()
