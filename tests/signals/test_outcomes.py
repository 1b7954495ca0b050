import numpy as np
import pytest
from made import make_bars, weekdays

from kronos_quant.signals import realised_outcomes


class Made:
    """A market of given bars."""

    def __init__(self, bars):
        self.frame = bars

    def sessions(self):
        return self.frame["date"].unique().sort().to_list()

    def bars(self, symbols, start):
        kept = self.frame.filter(self.frame["symbol"].is_in(symbols) & (self.frame["date"] >= start))
        return kept.sort("symbol", "time")


def test_outcomes_are_the_returns_that_followed_and_nan_where_none_did(without):
    days = weekdays(10)
    bars = without(make_bars(["AAA", "BBB"], days), "BBB", [days[5]])
    found = realised_outcomes(Made(bars), days, ["AAA", "BBB"], 2)
    close = {key: value for *key, value in bars.select("symbol", "date", "close").rows() for key in [tuple(key)]}
    assert found.returns[3, 0] == pytest.approx(close["AAA", days[5]] / close["AAA", days[3]] - 1)
    assert np.isnan(found.returns[[3, 5], 1]).all()  # suspended on the day of the outcome, or of the forecast
    assert found.returns[4, 1] == pytest.approx(close["BBB", days[6]] / close["BBB", days[4]] - 1)
    assert np.isnan(found.returns[8:]).all()
    assert np.isfinite(found.returns[:8, 0]).all()
    assert found.sessions_ahead == 2


def test_of_several_bars_a_session_the_last_one_forecasts():
    days = weekdays(4)
    morning = make_bars(["AAA"], days, seed=1)
    noon = make_bars(["AAA"], days, seed=2).with_columns(morning["time"].dt.offset_by("4h"))
    bars = morning.vstack(noon).sort("time")
    found = realised_outcomes(Made(bars), days, ["AAA"], 3)
    closes = bars["close"].to_list()
    # from noon of the first day three bars ahead: the next morning, its noon, the morning after
    assert found.returns[0, 0] == pytest.approx(closes[4] / closes[1] - 1)
    assert found.sessions_ahead == 2
    assert np.isnan(found.returns[2:]).all()
