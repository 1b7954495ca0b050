from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from kronos_quant.workflows.trading.rows import on_rows

DAY, NEXT = date(2024, 6, 18), date(2024, 6, 19)
ENDS = [(DAY, "09:35"), (DAY, "09:40"), (DAY, "15:00"), (NEXT, "09:35"), (NEXT, "09:40")]


def at(day: date, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day} {clock}")


@dataclass
class Made:
    """The part of a market that this reads: two sessions of three and of two 5-minute bars."""

    freq: str = "5min"

    def sessions(self):
        return [DAY, NEXT]

    def times(self):
        return pl.DataFrame(
            {"date": [day for day, _ in ENDS], "time": [at(*end) for end in ENDS]},
            schema_overrides={"time": pl.Datetime("us")},
        )


def scores(*moments: datetime) -> pl.DataFrame:
    return pl.DataFrame(
        {"time": moments, "symbol": ["A"] * len(moments), "score": [float(n) for n in range(len(moments))]},
        schema={"time": pl.Datetime("us"), "symbol": pl.String, "score": pl.Float64},
    )


def placed(*moments: datetime) -> list[tuple]:
    frame, _ = on_rows(scores(*moments), Made())
    return frame.sort("time").select("time", "score").rows()


def test_the_end_of_a_bar_is_its_own_row():
    assert placed(at(DAY, "09:40"), at(NEXT, "09:35")) == [(at(DAY, "09:40"), 0), (at(NEXT, "09:35"), 1)]


def test_a_moment_within_a_bar_waits_for_the_first_bar_that_begins_after_it():
    # 09:36 lies in the bar that ends at 09:40, so that the bar after that one is the first to begin later
    frame, notes = on_rows(scores(at(DAY, "09:36")), Made())
    assert frame["time"].to_list() == [at(DAY, "09:40")]
    assert notes == ["1 moments of the scores are no ends of bars: they trade at the first bar that begins after them."]


def test_a_moment_after_the_close_trades_at_the_next_opening():
    assert placed(at(DAY, "18:00")) == [(at(DAY, "15:00"), 0)]
    assert placed(at(NEXT, "09:30")) == [(at(DAY, "15:00"), 0)]
    # the first bar has begun already
    assert placed(at(NEXT, "09:31")) == [(at(NEXT, "09:35"), 0)]


def test_the_last_of_several_moments_on_one_row_counts():
    assert placed(at(DAY, "09:36"), at(DAY, "09:39")) == [(at(DAY, "09:40"), 1)]


def test_moments_outside_the_data_are_left_out_and_the_very_last_bar_trades_nowhere():
    frame, notes = on_rows(scores(at(date(2024, 6, 17), "10:00"), at(NEXT, "09:40"), at(NEXT, "11:00")), Made())
    assert frame.is_empty()
    assert notes == ["2 moments of the scores lie where no bar of the data begins after them: left out."]


def test_dates_alone_mean_the_close_of_their_sessions():
    frame, notes = on_rows(scores(at(DAY, "00:00"), at(date(2024, 6, 20), "00:00")), Made())
    assert frame.rows() == [(DAY, at(DAY, "15:00"), "A", 0.0)]
    assert notes == ["Left out: 1 date of the scores that the data have no session of."]


def test_on_daily_bars_the_time_of_day_says_nothing():
    frame, notes = on_rows(scores(at(DAY, "15:00"), at(NEXT, "00:00")), Made("day"))
    assert frame.rows() == [(DAY, "A", 0.0), (NEXT, "A", 1.0)]
    assert notes == []
