"""Decision points within sessions, and where moments stand among the bars of a market."""

from datetime import date, datetime, time

import numpy as np
import polars as pl
import pytest
import yaml
from made import XSHG_HALF_HOURS, MarketOf, make_intraday_bars, weekdays

from kronos_quant import ConfigError
from kronos_quant.config import load_yaml
from kronos_quant.signals import Recipe
from kronos_quant.signals.moments import MOMENT, DecisionPoints, Moments, moment_of, sessions_back

DAYS = weekdays(3)
MARKET = MarketOf(make_intraday_bars(["AAA"], DAYS))


def points(text):
    return DecisionPoints.model_validate(yaml.safe_load(text))


def chosen(text):
    """Times of day of the decision points of the first session."""
    bars = MARKET.times()
    found = bars.filter(points(text).among(bars))
    return [moment.strftime("%H:%M") for moment in found.filter(pl.col("date") == DAYS[0])["time"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("close", ["15:00"]),
        ("{every: 3}", ["11:00", "14:00"]),
        ("{every: 8}", ["15:00"]),
        ("{every: 9}", []),
        ("{times: ['10:00', '15:00']}", ["10:00", "15:00"]),
        # YAML takes these for numbers of base 60
        ("{times: [11:30, 15:00]}", ["11:30", "15:00"]),
    ],
)
def test_decision_points_are_told_as_a_trader_would(text, expected):
    assert chosen(text) == expected


def test_the_close_is_the_last_bar_of_each_session_also_of_a_short_one():
    bars = MARKET.times().filter((pl.col("date") != DAYS[1]) | (pl.col("time").dt.hour() < 12))
    found = bars.filter(points("close").among(bars))["time"].to_list()
    assert [moment.hour for moment in found] == [15, 11, 15]


def test_a_time_at_which_no_bar_ends_is_told_with_those_at_which_one_does():
    with pytest.raises(ConfigError, match="asof: times: no bar ends at 11:31") as caught:
        points("{times: ['11:31', '15:00']}").among(MARKET.times())
    assert caught.value.hint == "Bars end at 10:00, 10:30, 11:00, 11:30, 13:30 and 3 more."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("asof: noon", "asof: expected close, {every: 12} or {times: ['11:30', '15:00']}, found 'noon'"),
        ("asof: {every: 0}", "asof.every: must be greater than or equal to 1, found 0"),
        ("asof: {every: 2, times: ['10:00']}", "asof: give either every or times"),
        ("asof: {time: ['10:00']}", "asof.time: no such field; did you mean times?"),
    ],
)
def test_what_is_no_decision_point_is_one_clear_line(tmp_path, text, message):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_yaml(Recipe, tmp_path / "mine.yaml")
    assert str(caught.value).endswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["close", "{every: 12}", "{times: ['11:30', '15:00']}"])
def test_a_recipe_that_is_written_down_is_read_as_the_same(text):
    recipe = Recipe.model_validate(yaml.safe_load(f"asof: {text}"))
    again = yaml.safe_load(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert Recipe.model_validate(again) == recipe
    assert recipe.asof.at_close is (text == "close")


def test_moments_know_their_session_and_how_far_they_look_back():
    times = MARKET.times()["time"].to_list()
    odd = times[9].replace(minute=45)
    rows = pl.DataFrame({"date": [DAYS[1], DAYS[0], DAYS[1], DAYS[1]], MOMENT: [times[8], times[7], odd, times[8]]})
    found = Moments.of(MARKET, rows)
    assert found.date == [DAYS[0], DAYS[1], DAYS[1]]
    assert found.session.tolist() == [0, 1, 1]
    assert found.bar.tolist() == [7, 8, 9]
    assert found.exact.tolist() == [True, True, False]
    assert found.session_before(1).tolist() == [0, 0, 1]
    assert found.session_before(8).tolist() == [-1, 0, 0]


def test_how_many_sessions_back_a_bar_lies():
    assert len(XSHG_HALF_HOURS) == 8
    assert [sessions_back(MARKET, DAYS[2], bars) for bars in (0, 1, 8, 9, 16, 99)] == [0, 1, 1, 2, 2, 2]


def test_the_moment_of_a_close_is_one_whatever_bar_a_symbol_saw_last():
    rows = pl.DataFrame(
        {"date": [date(2024, 1, 2)] * 2, "asof": [datetime(2024, 1, 2, 14, 30), datetime(2024, 1, 2, 15)]}
    )
    close = datetime(2024, 1, 2, 15)
    assert rows.select(moment_of("30min", at_close=True)).to_series().to_list() == [close, close]
    assert rows.select(moment_of("30min", at_close=False)).to_series().to_list() == rows["asof"].to_list()
    midnight = datetime.combine(date(2024, 1, 2), time())
    assert rows.select(moment_of("day", at_close=True)).to_series().to_list() == [midnight, midnight]


def test_the_bars_of_a_session_are_counted_from_its_first():
    bars = MARKET.times()
    every = np.flatnonzero(points("{every: 5}").among(bars))
    assert every.tolist() == [4, 12, 20]
