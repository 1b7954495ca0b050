"""Bars off the exchange's calendar and hours, and holes in a session: what is refused, what only told."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
import pytest
from made import make_bars

from kronos_quant import schema
from kronos_quant.market.quality.check_tables import CheckContext
from kronos_quant.market.quality.checks import ScreenedBars, iter_checks, offenders, screen
from kronos_quant.market.sessions import session_parts, sessions_between

SESSIONS = sessions_between("XSHG", date(2024, 3, 1), date(2024, 6, 28))
SATURDAY, LABOUR_DAY = date(2024, 4, 20), date(2024, 5, 2)
SHIPPED = {check.name: check for check in iter_checks()}
RULES = [SHIPPED["outside_session"], SHIPPED["calendar_contradiction"]]
CROWD = [f"SH60000{i}" for i in range(8)]
LONE = ["SH600977"]


def at(bars: pl.DataFrame, day: date) -> pl.DataFrame:
    """The bars with another date."""
    return bars.with_columns(date=pl.lit(day), time=pl.lit(day).cast(pl.Datetime("us")))


def daily(symbols: list[str], extra: dict[date, list[str]]) -> pl.DataFrame:
    """Bars on every session of Shanghai, and those of some symbols on other days, which are no copies."""
    bars = make_bars(symbols, SESSIONS)
    first = bars.filter(pl.col("date") == SESSIONS[20])
    others = [at(first.filter(pl.col("symbol").is_in(names)), day) for day, names in extra.items()]
    return pl.concat([bars, *others])


def off_calendar(screened: ScreenedBars) -> tuple[int, int]:
    """Bars refused as outside the session, and kept as contradictions."""
    told = screened.warnings_by_rule.get("calendar_contradiction", 0)
    return screened.rejected_by_rule.get("outside_session", 0), told


@pytest.mark.parametrize(
    ("symbols", "extra", "refused", "told"),
    [
        (CROWD, {}, 0, 0),
        (CROWD, {SATURDAY: CROWD[:1]}, 1, 0),
        (CROWD, {LABOUR_DAY: CROWD[:3]}, 3, 0),
        (CROWD, {LABOUR_DAY: CROWD[:4]}, 0, 4),  # half of them: the calendar is in doubt
        (CROWD, {SATURDAY: CROWD, LABOUR_DAY: CROWD[:1]}, 1, 8),
        (CROWD, {SESSIONS[-1] + timedelta(days=1): CROWD[:1]}, 1, 0),  # beyond the others' last bars
        (LONE, {SATURDAY: LONE}, 1, 0),
        (LONE, {LABOUR_DAY: LONE}, 0, 1),  # a weekday on which it alone says that there was trading
        (CROWD[:4], {SATURDAY: CROWD[:4]}, 4, 0),
    ],
)
def test_the_others_decide_whether_a_bar_or_the_calendar_is_wrong(
    symbols: list[str], extra: dict[date, list[str]], refused: int, told: int
) -> None:
    assert off_calendar(screen(daily(symbols, extra), RULES, CheckContext("day"))) == (refused, told)


def test_a_lone_instruments_filled_holiday_is_refused() -> None:
    bars = daily(LONE, {LABOUR_DAY: LONE})
    previous = bars.filter(pl.col("date") == date(2024, 4, 30))["close"][0]
    holiday = pl.col("date") == LABOUR_DAY
    filled = [pl.when(holiday).then(previous).otherwise(name).alias(name) for name in schema.PRICES]
    empty = pl.when(holiday).then(0.0).otherwise("volume")
    bars = bars.with_columns(*filled, volume=empty).cast(schema.BARS)  # type: ignore[arg-type]
    assert off_calendar(screen(bars, RULES, CheckContext("day"))) == (1, 0)


def test_an_instrument_that_trades_on_weekends_has_another_calendar() -> None:
    days = [date(2024, 3, 1) + timedelta(days=i) for i in range(60)]
    assert off_calendar(screen(make_bars(LONE, days), RULES, CheckContext("day"))) == (0, 18 + 2)  # and two holidays


def intraday(symbols: list[str], minutes: int = 5, labels: str = "end") -> pl.DataFrame:
    """Every bar of ten sessions, by the hours of Shanghai."""
    parts = session_parts("XSHG", SESSIONS[0], SESSIONS[9])
    step = timedelta(minutes=minutes)
    ends = [
        opens + step * (i + (labels == "end"))
        for opens, closes in parts.rows()
        for i in range((closes - opens) // step)
    ]
    days = [end.date() for end in ends]
    bars = make_bars(symbols, days)
    times = pl.concat([pl.Series(ends, dtype=pl.Datetime("us"))] * len(symbols))
    return bars.with_columns(time=times.alias("time"))


def moved(bars: pl.DataFrame, clock: str, new: str, days: int = 1) -> pl.DataFrame:
    """Bars of the first symbol, on the last few days, at another time of day."""
    hit = (
        (pl.col("symbol") == bars["symbol"][0])
        & pl.col("date").is_in(SESSIONS[10 - days : 10])
        & (pl.col("time").dt.strftime("%H:%M") == clock)
    )
    later = datetime.fromisoformat(f"2024-01-01 {new}") - datetime.fromisoformat(f"2024-01-01 {clock}")
    return bars.with_columns(time=pl.when(hit).then(pl.col("time") + later).otherwise("time"))


@pytest.mark.parametrize("symbols", [LONE, CROWD])
def test_a_bar_in_the_lunch_break_or_before_the_opening_is_refused(symbols: list[str]) -> None:
    bars = intraday(symbols)
    assert off_calendar(screen(bars, RULES, CheckContext("5min"))) == (0, 0)
    for clock, new in (("11:30", "12:10"), ("09:35", "09:20"), ("15:00", "15:05")):
        assert off_calendar(screen(moved(bars, clock, new), RULES, CheckContext("5min"))) == (1, 0)


@pytest.mark.parametrize("symbols", [LONE, CROWD])
@pytest.mark.parametrize("minutes", [1, 5, 30])
def test_bars_labelled_at_their_start_are_none_outside_their_session(symbols: list[str], minutes: int) -> None:
    bars = intraday(symbols, minutes, "start")
    screened = screen(bars, RULES, CheckContext(f"{minutes}min"))
    assert off_calendar(screened) == (0, 2 * 10 * len(symbols))


def test_what_a_symbol_does_every_day_is_its_sources_habit() -> None:
    auction = moved(intraday(LONE, 1), "09:31", "09:25", days=10)
    assert off_calendar(screen(auction, RULES, CheckContext("1min"))) == (0, 10)


def holes(bars: pl.DataFrame, exchange: str = "") -> list[datetime]:
    """The times that `session_holes` names."""
    numbered = bars.sort("symbol", "time").with_row_index("row")
    rows = offenders(numbered, [SHIPPED["session_holes"]], CheckContext("5min", exchange)).get("session_holes")
    return [] if rows is None else numbered[rows.to_list()]["time"].to_list()


@pytest.mark.parametrize("symbol", ["SH600977", "UNKNOWN"])
def test_a_hole_within_a_session_is_told_at_the_bar_after_it(symbol: str) -> None:
    bars = intraday([symbol])
    assert holes(bars) == []
    gone = [datetime(2024, 3, 5, 10, 0), datetime(2024, 3, 5, 10, 5), datetime(2024, 3, 6, 13, 5)]
    gone += [datetime(2024, 3, 7, 9, 35), datetime(2024, 3, 7, 15, 0)]  # the ends of a session are no holes in it
    left = bars.filter(~pl.col("time").is_in(gone))
    assert holes(left) == [datetime(2024, 3, 5, 10, 10), datetime(2024, 3, 6, 13, 10)]


def test_a_thinly_traded_symbol_and_daily_bars_have_no_holes() -> None:
    thin = intraday(LONE).gather_every(2)
    assert holes(thin) == []
    assert holes(make_bars(LONE, SESSIONS[::3])) == []
