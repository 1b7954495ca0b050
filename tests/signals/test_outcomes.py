import numpy as np
import polars as pl
import pytest
from made import MarketOf, make_bars, make_intraday_bars, weekdays

from kronos_quant.signals import MOMENT, Moments, realised_outcomes


def at(market, times):
    """The moments of some times of the market."""
    return Moments.of(market, market.times().filter(pl.col("time").is_in(list(times))).rename({"time": MOMENT}))


def test_outcomes_are_the_returns_that_followed_and_nan_where_none_did(without):
    days = weekdays(10)
    bars = without(make_bars(["AAA", "BBB"], days), "BBB", [days[5]])
    market = MarketOf(bars)
    found = realised_outcomes(market, at(market, market.times()["time"]), ["AAA", "BBB"])
    close = {key: value for *key, value in bars.select("symbol", "date", "close").rows() for key in [tuple(key)]}
    two = found.returns(2)
    assert two[3, 0] == pytest.approx(close["AAA", days[5]] / close["AAA", days[3]] - 1)
    assert np.isnan(two[[3, 5], 1]).all()  # suspended on the day of the outcome, or of the forecast
    assert two[4, 1] == pytest.approx(close["BBB", days[6]] / close["BBB", days[4]] - 1)
    assert np.isnan(two[8:]).all()
    assert np.isfinite(two[:8, 0]).all()
    assert found.returns(9)[0, 0] == pytest.approx(close["AAA", days[9]] / close["AAA", days[0]] - 1)
    assert np.isnan(found.returns(10)).all()


def test_moments_within_sessions_look_so_many_bars_ahead():
    market = MarketOf(make_intraday_bars(["AAA", "BBB"], weekdays(4)))
    times = market.times()["time"].to_list()
    # of eight bars a session: the fourth of the second day, and its last
    moments = at(market, [times[11], times[15]])
    found = realised_outcomes(market, moments, ["BBB", "AAA"])
    closes = market.bars(["AAA"], weekdays(1)[0])["close"].to_list()
    assert found.returns(3)[:, 1] == pytest.approx([closes[14] / closes[11] - 1, closes[18] / closes[15] - 1])
    assert found.returns(20)[0, 1] == pytest.approx(closes[31] / closes[11] - 1)
    assert np.isnan(found.returns(20)[1]).all()


def test_a_moment_at_which_no_bar_ends_has_no_outcome():
    market = MarketOf(make_intraday_bars(["AAA"], weekdays(3)))
    first = market.times().row(0)
    odd = pl.DataFrame({"date": [first[0]] * 2, MOMENT: [first[1], first[1].replace(minute=7)]})
    returns = realised_outcomes(market, Moments.of(market, odd), ["AAA"]).returns(1)
    assert np.isfinite(returns[0]).all()
    assert np.isnan(returns[1]).all()
