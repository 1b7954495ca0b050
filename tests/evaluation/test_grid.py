import numpy as np
import polars as pl
from evaluation.markets import always, made_grid, made_intraday_grid
from made import make_bars, weekdays

from kronos_quant.evaluation.grid import DAILY, HISTORY, INTRADAY, history_start, make_grid
from kronos_quant.panel.matrix import forward_returns


def test_the_returns_are_those_of_a_pandas_pivot_and_of_the_calibration(market_workspace):
    from kronos_quant.market import workspace_market
    from kronos_quant.signals.moments import MOMENT, Moments
    from kronos_quant.signals.reading import realised_returns

    market = workspace_market(market_workspace)
    sessions = market.sessions()
    stocks = market.instruments().filter(pl.col("kind") == "stock")["symbol"].to_list()
    bars = market.bars(stocks)
    grid = make_grid(bars, sessions, market.universe("all"))
    close = bars.to_pandas().pivot(index="date", columns="symbol", values="close").astype(float)
    for horizon in (1, 5):
        found = forward_returns(grid.close, np.arange(len(sessions)), horizon)
        np.testing.assert_allclose(found, (close.shift(-horizon) / close - 1).to_numpy(), rtol=0, atol=1e-12)
        moments = Moments.of(market, market.times().rename({"time": MOMENT}))
        outcomes = realised_returns(market, moments, grid.symbols)
        np.testing.assert_allclose(found, outcomes(horizon), rtol=0, atol=1e-12)


def test_bars_and_members_find_their_place():
    days = weekdays(5)
    bars = make_bars(["AAA", "BBB"], days)
    membership = pl.DataFrame({"symbol": ["AAA", "BBB", "ZZZ"], "start": [days[1], days[0], days[0]], "end": days[3]})
    grid = make_grid(bars.filter(~((pl.col("symbol") == "BBB") & (pl.col("date") == days[2]))), days, membership)
    assert grid.symbols == ["AAA", "BBB"]
    assert grid.member.T.tolist() == [[False, True, True, True, False], [True, True, True, True, False]]
    assert np.isnan(grid.close).tolist() == [
        [False, False],
        [False, False],
        [False, True],
        [False, False],
        [False, False],
    ]
    own = bars.filter((pl.col("symbol") == "BBB") & (pl.col("date") == days[4]))["close"].item()
    assert grid.close[4, 1] == own


def test_a_long_frame_is_spread_and_what_is_elsewhere_is_left_out():
    grid = made_grid(symbols=3, sessions=4)
    frame = pl.DataFrame(
        {
            "date": [grid.sessions[1], grid.sessions[2], grid.sessions[1].replace(year=1999)],
            "symbol": ["S002", "nobody", "S000"],
            "value": [7, 8, 9],
        }
    )
    found = grid.spread(frame, "value")
    assert found[1, 2] == 7
    assert np.isfinite(found).sum() == 1


def test_the_history_before_the_first_date_is_bounded():
    days = weekdays(HISTORY + 50)
    assert history_start(days, 10) == days[0]
    assert history_start(days, HISTORY + 49) == days[49]
    # of eight bars a session, some fifty sessions
    assert history_start([day for day in days for _ in range(8)], 8 * 100) == days[100 - 53]


def test_later_bars_change_nothing_known_before():
    days = weekdays(30)
    bars = make_bars(["AAA", "BBB"], days)
    halved = pl.when(pl.col("date") > days[19]).then(pl.col("close") / 2).otherwise("close").cast(pl.Float32)
    grids = [make_grid(one, days, always(["AAA", "BBB"], days)) for one in (bars, bars.with_columns(close=halved))]
    early, late = ([forward_returns(grid.close, np.arange(first, first + 15), 5) for grid in grids] for first in (0, 5))
    np.testing.assert_array_equal(*early)
    assert (late[0] != late[1]).any()


def test_bars_within_sessions_are_rows_of_their_own():
    grid = made_intraday_grid(symbols=3, sessions=5)
    assert (grid.clock, made_grid(3, 4).clock) == (INTRADAY, DAILY)
    assert grid.close.shape == (40, 3)
    closes = grid.bars.filter(pl.col("symbol") == "S001").sort("time")["close"].to_numpy()
    np.testing.assert_array_equal(grid.close[:, 1], closes)
    frame = pl.DataFrame({"time": [grid.times[11], grid.times[12]], "symbol": ["S002", "S000"], "value": [7.0, 8.0]})
    found = grid.spread(frame, "value", np.array([3, 11, 19]))
    assert found[1, 2] == 7
    assert np.isfinite(found).sum() == 1


def test_a_column_with_an_array_a_row_is_spread_whole():
    grid = made_grid(symbols=2, sessions=4)
    kind = pl.Array(pl.Float32, 3)
    frame = pl.DataFrame({"date": grid.sessions[1:3], "symbol": ["S001", "S000"]})
    frame = frame.with_columns(pl.Series("paths", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=kind))
    found = grid.spread(frame, "paths", np.array([1, 3]))
    assert found.shape == (2, 2, 3)
    assert found.dtype == np.float32
    assert found[0, 1].tolist() == [1, 2, 3]
    assert np.isfinite(found).sum() == 3


def test_what_a_clock_counts_is_told_in_words():
    assert (DAILY.bars(1), DAILY.bars(5), DAILY.dates(1)) == ("1 session", "5 sessions", "1 date")
    assert (INTRADAY.bars(10), INTRADAY.dates(1250)) == ("10 bars", "1,250 moments")
