from datetime import date

import numpy as np
import polars as pl
import pytest

from kronos_quant import DataError
from kronos_quant.market import open_market
from kronos_quant.signals.steps import EXPOSURES, Exposures, Neutralise, Smooth, apply_steps, history_needed


@pytest.fixture
def market(trained_workspace):
    return open_market(trained_workspace.root)


def closes(market, symbol):
    return market.bars([symbol]).with_columns(pl.col("close", "amount").cast(pl.Float64))


def test_exposures_are_those_of_the_bars_up_to_the_date(market):
    sessions = market.sessions()
    stocks = market.instruments().filter(pl.col("kind") == "stock")["symbol"].to_list()
    symbol = market.bars(stocks)["symbol"].value_counts().sort("count", "symbol")["symbol"][-1]
    bars = closes(market, symbol).filter(pl.col("date") <= sessions[130])
    measured = Exposures(market, [sessions[130]], [symbol])
    close = bars["close"].to_numpy()
    assert measured.measured("volatility", 20)[0, 0] == pytest.approx(np.diff(np.log(close[-21:])).std(ddof=1))
    assert measured.measured("momentum", 20)[0, 0] == pytest.approx(close[-21] / close[-121] - 1)
    assert measured.measured("size", 20)[0, 0] == pytest.approx(np.log(bars["amount"].tail(20).mean()))


@pytest.mark.parametrize("name", EXPOSURES)
def test_a_symbol_with_too_few_bars_has_no_exposure(market, name):
    sessions = market.sessions()
    measured = Exposures(market, [sessions[3], sessions[135]], ["MADE0001", "NOBODY"]).measured(name, 20)
    assert np.isnan(measured[0, 0])
    assert np.isfinite(measured[1, 0])
    assert np.isnan(measured[:, 1]).all()


def test_later_bars_move_nothing(market, trained_workspace):
    sessions = market.sessions()
    before = Exposures(market, sessions[125:135], ["MADE0001", "MADE0002"])
    later = market.bars().with_columns(
        close=pl.when(pl.col("date") > sessions[134]).then(pl.col("close") * 2).otherwise("close")
    )
    changed = type(before)(_Changed(market, later), sessions[125:135], ["MADE0001", "MADE0002"])
    for name in EXPOSURES:
        np.testing.assert_array_equal(before.measured(name, 10), changed.measured(name, 10))


class _Changed:
    def __init__(self, market, bars):
        self.market, self.frame = market, bars

    def sessions(self):
        return self.market.sessions()

    def bars(self, symbols, start, end):
        return self.frame.filter(pl.col("symbol").is_in(symbols) & pl.col("date").is_between(start, end))


class _Industries(_Changed):
    def intervals(self, kind):
        assert kind == "industry"
        return self.frame


def test_industries_are_those_of_the_date(market):
    spans = pl.DataFrame(
        {
            "symbol": ["MADE0001", "MADE0001", "MADE0002"],
            "start": [date(2000, 1, 1), market.sessions()[51], date(2000, 1, 1)],
            "end": [market.sessions()[50], date(2099, 1, 1), date(2099, 1, 1)],
            "value": ["banks", "steel", "steel"],
        }
    )
    dates = market.sessions()[50:52]
    groups = Exposures(_Industries(market, spans), dates, ["MADE0001", "MADE0002", "MADE0003"]).industries()
    assert groups[0, 0] != groups[0, 1] == groups[1, 0] == groups[1, 1]
    assert groups[0, 2] not in groups[:, :2]


def test_industries_that_nobody_brought_in_are_asked_for(market):
    with pytest.raises(DataError, match="no industries are in the market") as caught:
        Exposures(market, market.sessions()[50:51], ["MADE0001"]).industries()
    assert "industry" in caught.value.hint


def test_the_steps_follow_each_other_and_tell_how_far_they_look_back(market):
    dates, symbols = market.sessions()[125:135], [f"MADE{i:04d}" for i in range(1, 12)]
    measured = Exposures(market, dates, symbols)
    scores = np.random.default_rng(0).standard_normal((10, 11))
    steps = [Smooth(step="smooth", sessions=3), Neutralise(step="neutralise", exposures=("momentum",))]
    found = apply_steps(scores, steps, np.arange(10), lambda: measured)
    momentum = measured.measured("momentum", 20)
    for t in range(10):
        known = np.isfinite(found[t])
        assert abs(np.corrcoef(found[t, known], momentum[t, known])[0, 1]) < 1e-9
    assert history_needed(steps) == 2
    assert history_needed(steps[1:]) == 0


def test_of_a_session_that_goes_on_nothing_is_known_and_those_before_it_are_measured(market):
    sessions, symbols = market.sessions(), ["MADE0001", "MADE0002"]
    ended = Exposures(market, [sessions[134], sessions[134]], symbols)
    within = Exposures(market, [sessions[135], sessions[135]], symbols, at_close=False)
    for name in EXPOSURES:
        np.testing.assert_array_equal(within.measured(name, 20), ended.measured(name, 20))
    assert np.isnan(Exposures(market, sessions[:1], symbols, at_close=False).measured("momentum", 20)).all()
