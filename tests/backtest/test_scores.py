"""Scores on the rows of a back-test, over which sessions they are traded, and how many are missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from kronos_quant import DataError
from kronos_quant.backtest import Panel, Strategy
from kronos_quant.backtest.inputs import in_universe
from kronos_quant.backtest.panel import NO_DELISTINGS
from kronos_quant.backtest.scores import missing_scores, place_scores, scored_span, select_sessions
from kronos_quant.workflows.backtest import run_backtest

DAY, NEXT = date(2024, 6, 18), date(2024, 6, 19)
ENDS = [(DAY, "09:35"), (DAY, "09:40"), (DAY, "15:00"), (NEXT, "09:35"), (NEXT, "09:40")]


def at(day: date, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day} {clock}")


TIMES = pl.DataFrame(
    {"date": [day for day, _ in ENDS], "time": [at(*end) for end in ENDS]}, schema_overrides={"time": pl.Datetime("us")}
)
"""Two sessions of three and of two 5-minute bars."""


def scores_at(*moments: datetime) -> pl.DataFrame:
    return pl.DataFrame(
        {"time": moments, "symbol": ["A"] * len(moments), "score": [float(n) for n in range(len(moments))]},
        schema={"time": pl.Datetime("us"), "symbol": pl.String, "score": pl.Float64},
    )


def placed(*moments: datetime) -> list[tuple]:
    frame, _ = place_scores(scores_at(*moments), TIMES, "5min")
    return frame.sort("time").select("time", "score").rows()


def test_the_end_of_a_bar_is_its_own_row():
    assert placed(at(DAY, "09:40"), at(NEXT, "09:35")) == [(at(DAY, "09:40"), 0), (at(NEXT, "09:35"), 1)]


def test_a_moment_within_a_bar_waits_for_the_first_bar_that_begins_after_it():
    # 09:36 lies in the bar that ends at 09:40, so that the bar after that one is the first to begin later
    frame, notes = place_scores(scores_at(at(DAY, "09:36")), TIMES, "5min")
    assert frame["time"].to_list() == [at(DAY, "09:40")]
    assert notes == ["1 moments of the scores are not bar ends: they trade at the first bar that begins after them."]


def test_a_moment_after_the_close_trades_at_the_next_opening():
    assert placed(at(DAY, "18:00")) == [(at(DAY, "15:00"), 0)]
    assert placed(at(NEXT, "09:30")) == [(at(DAY, "15:00"), 0)]
    # the first bar has begun already
    assert placed(at(NEXT, "09:31")) == [(at(NEXT, "09:35"), 0)]


def test_the_last_of_several_moments_on_one_row_counts():
    assert placed(at(DAY, "09:36"), at(DAY, "09:39")) == [(at(DAY, "09:40"), 1)]


def test_moments_outside_the_data_are_left_out_and_the_very_last_bar_trades_nowhere():
    moments = at(date(2024, 6, 17), "10:00"), at(NEXT, "09:40"), at(NEXT, "11:00")
    frame, notes = place_scores(scores_at(*moments), TIMES, "5min")
    assert frame.is_empty()
    assert notes == ["2 moments of the scores have no later bar in the data: left out."]


def test_dates_alone_mean_the_close_of_their_sessions():
    frame, notes = place_scores(scores_at(at(DAY, "00:00"), at(date(2024, 6, 20), "00:00")), TIMES, "5min")
    assert frame.rows() == [(DAY, at(DAY, "15:00"), "A", 0.0)]
    assert notes == ["Scores of 1 date without a session in the data: left out."]


def test_on_daily_bars_the_time_of_day_says_nothing():
    frame, notes = place_scores(
        scores_at(at(DAY, "15:00"), at(NEXT, "00:00")),
        TIMES.group_by("date").agg(pl.col("date").first().cast(pl.Datetime("us")).alias("time")),
        "day",
    )
    assert frame.rows() == [(DAY, "A", 0.0), (NEXT, "A", 1.0)]
    assert notes == []


DAYS = [date(2024, 6, day) for day in (17, 18, 19, 20, 21, 24)]


DAYS_OF = pl.DataFrame({"date": [DAY, NEXT]}).with_columns(time=pl.col("date").cast(pl.Datetime("us")))


@dataclass
class Universes:
    """The part of a market that this reads."""

    def universe(self, name):
        spans = [("A", DAYS[0], DAYS[1]), ("A", DAYS[3], DAYS[5]), ("B", DAYS[2], DAYS[5]), ("B", DAYS[4], DAYS[5])]
        return pl.DataFrame(
            [("few", *span) for span in spans],
            schema={"universe": pl.String, "symbol": pl.String, "start": pl.Date, "end": pl.Date},
            orient="row",
        )


def on(*days: date) -> pl.DataFrame:
    return pl.DataFrame({"date": days})


def strategy_of(**fields) -> Strategy:
    return Strategy.model_validate(fields)


def test_the_session_after_the_last_score_is_the_last_one_traded():
    assert scored_span(DAYS, on(DAYS[1], DAYS[3])) == (DAYS[1], DAYS[4])
    # nothing trades after the newest session
    assert scored_span(DAYS, on(DAYS[5])) == (DAYS[5], DAYS[5])


@pytest.mark.parametrize(
    ("fields", "chosen"),
    [
        ({}, DAYS[1:5]),
        ({"start": "2024-06-19"}, DAYS[2:5]),
        ({"end": "2024-06-19"}, DAYS[1:3]),
        # the 22nd and the 23rd are no sessions
        ({"start": "2024-06-19", "end": "2024-06-23"}, DAYS[2:5]),
    ],
)
def test_the_strategys_own_bounds_come_before_those_of_the_scores(fields, chosen):
    sessions, asked = select_sessions(DAYS, "day", strategy_of(**fields), DAYS[1], DAYS[4])
    assert sessions == chosen
    # the last one trades, and its own scores do not
    assert asked == chosen[:-1]


def test_an_intraday_session_has_the_one_before_for_its_closes():
    sessions, asked = select_sessions(DAYS, "5min", strategy_of(start="2024-06-19"), DAYS[1], DAYS[4])
    assert (sessions, asked) == (DAYS[1:5], DAYS[2:5])
    # before the first there is none
    sessions, asked = select_sessions(DAYS, "5min", strategy_of(), DAYS[0], DAYS[2])
    assert (sessions, asked) == (DAYS[:3], DAYS[:3])


def test_fewer_than_two_sessions_are_no_back_test():
    with pytest.raises(DataError, match="at least 2 sessions, found 1 from 2024-06-24") as error:
        select_sessions(DAYS, "day", strategy_of(start="2024-06-24"), DAYS[0], DAYS[5])
    assert error.value.hint == "set start and end in the strategy, or ingest newer bars"


def test_a_period_without_sessions_names_the_nearest():
    with pytest.raises(DataError, match="the nearest are 2024-06-21 and 2024-06-24"):
        select_sessions(DAYS, "day", strategy_of(start="2024-06-22", end="2024-06-23"), DAYS[0], DAYS[5])


def test_scores_count_on_the_days_of_a_membership_and_once():
    rows = [(day, symbol, 1.0) for day in DAYS for symbol in ("A", "B", "C")]
    scores = pl.DataFrame(rows, schema={"date": pl.Date, "symbol": pl.String, "score": pl.Float64}, orient="row")
    kept = in_universe(Universes(), strategy_of(universe="few"), scores).sort("symbol", "date")
    assert kept.select("symbol", "date").rows() == [
        *(("A", DAYS[n]) for n in (0, 1, 3, 4, 5)),
        *(("B", DAYS[n]) for n in (2, 3, 4, 5)),  # in two spans at once, and there once
    ]
    for whole in ({}, {"universe": "all"}):
        assert in_universe(Universes(), strategy_of(**whole), scores).equals(scores)


NAN = float("nan")
ANY = Strategy.model_validate({})

SCORE = [[1, NAN, NAN], [NAN, 1, NAN], [NAN, NAN, NAN], [1, 1, NAN], [NAN, 1, 1], [NAN, NAN, NAN]]
CLOSE = [[1, 1, 1], [1, 1, 1], [1, NAN, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]]


def panel(score=SCORE, close=CLOSE, **fields) -> Panel:
    close = np.array(close, dtype=float)
    names = ("open", "high", "low", "close", "volume", "factor")
    dates = tuple(date(2024, 1, 1 + t) for t in range(len(close)))
    symbols = ("A", "B", "C")
    made = Panel(dates, symbols, **dict.fromkeys(names, close), score=np.array(score), delisted=NO_DELISTINGS)
    return replace(made, **fields)


class Bars:
    """A market of which only the bars are asked."""

    def __init__(self, *held: tuple[str, int]) -> None:
        dates = [date(2024, 1, 1 + day) for _, day in held]
        self.held = pl.DataFrame({"symbol": [symbol for symbol, _ in held], "date": dates}, schema=KEYS)

    def select_bars(self, symbols, start, end):
        return self.held.filter(pl.col("symbol").is_in(symbols), pl.col("date").is_between(start, end))


KEYS = {"symbol": pl.String, "date": pl.Date}
NONE = Bars()


def members_of(*rows: tuple[str, int, int]) -> pl.DataFrame:
    """Members: symbol, first and last day of January."""
    return pl.DataFrame(
        [(symbol, date(2024, 1, first), date(2024, 1, last)) for symbol, first, last in rows],
        schema={"symbol": pl.String, "start": pl.Date, "end": pl.Date},
        orient="row",
    )


def test_bars_count_from_a_symbols_first_score_to_its_last():
    # A: sessions 1 to 4, without the second and the third; B: 2 to 5, suspended in the third; C: the fifth alone
    assert missing_scores(ANY, panel(), NONE, None) == (
        "2 of 8 expected scores are missing (25.0%): 1 session without any score, 1 symbol (A)."
    )
    assert missing_scores(ANY, panel(score=np.ones((6, 3))), NONE, None) is None


def test_the_last_session_scores_nothing_that_trades():
    score = np.ones((6, 3))
    score[5] = NAN
    assert missing_scores(ANY, panel(score=score), NONE, None) is None


@pytest.mark.parametrize("empty", [slice(0, 2), slice(3, 5)])
def test_sessions_without_any_score_count_at_either_end_too(empty):
    score = np.ones((6, 3))
    score[empty] = NAN
    note = missing_scores(ANY, panel(score=score, close=np.ones((6, 3))), NONE, None)
    assert note.startswith("6 of 15 expected scores are missing (40.0%): 2 sessions without")


def test_without_any_score_that_could_trade_there_is_nothing_to_count():
    score = np.full((6, 3), NAN)
    assert missing_scores(ANY, panel(score=score), NONE, None) is None


def test_who_is_no_member_lacks_nothing():
    members = members_of(("A", 1, 1), ("A", 4, 9), ("B", 1, 9), ("Z", 1, 9))
    # A is no member in the sessions that lack its scores, but is in the fifth, after its last one
    note = missing_scores(ANY, panel(), NONE, members)
    assert "1 of 6 expected scores" in note
    assert missing_scores(ANY, panel(), NONE, members_of(("A", 1, 1), ("A", 4, 4), ("B", 1, 9))) is None


def test_a_member_whose_scores_end_while_its_bars_go_on_lacks_them():
    score = np.ones((6, 3))
    score[3:, 0] = NAN
    members = members_of(("A", 1, 9), ("B", 1, 9), ("C", 1, 9))
    assert missing_scores(ANY, panel(score=score, close=np.ones((6, 3))), NONE, None) is None
    note = missing_scores(ANY, panel(score=score, close=np.ones((6, 3))), NONE, members)
    assert "2 of 15 expected scores" in note
    # before a symbol's first score there may not have been enough bars to make one
    late = np.ones((6, 3))
    late[:3, 0] = NAN
    assert missing_scores(ANY, panel(score=late, close=np.ones((6, 3))), NONE, members) is None


def test_members_without_any_score_are_counted_by_their_bars():
    market = Bars(*(("Z", day) for day in range(6)), ("Y", 0), ("X", 0))
    members = members_of(("A", 1, 9), ("B", 1, 9), ("C", 1, 9), ("Z", 1, 3), ("Y", 1, 9), ("X", 4, 9))
    note = missing_scores(ANY, panel(score=np.ones((6, 3)), close=np.ones((6, 3))), market, members)
    # Z in three sessions and Y in one; X has no bar while it is a member
    assert "4 of 19 expected scores" in note
    assert note.endswith(": 2 members of the universe without any score (Y, Z).")


def test_a_gate_refuses_more_than_it_lets_through():
    gated = Strategy.model_validate({"max_missing": 0.2})
    with pytest.raises(DataError, match=r"2 of 8 .*\(25\.0%\).*; limit set by max_missing_scores: 20\.0%") as error:
        missing_scores(gated, panel(), NONE, None)
    assert "raise max_missing_scores" in error.value.hint
    assert missing_scores(Strategy.model_validate({"max_missing": 0.25}), panel(), NONE, None) is not None
    with pytest.raises(DataError, match=r"limit set by max_missing_scores: 0\.0%"):
        missing_scores(Strategy.model_validate({"max_missing": 0}), panel(), NONE, None)


def test_of_bars_within_a_session_one_score_is_enough():
    days = [date(2024, 1, 1)] * 2 + [date(2024, 1, 2)] * 2 + [date(2024, 1, 3)] * 2
    times = tuple(datetime(2024, 1, day.day, 10, minute) for day, minute in zip(days, [0, 5] * 3, strict=True))
    score = [[1, 1, 1], [NAN, NAN, NAN], [NAN, 1, NAN], [1, NAN, NAN], [1, 1, 1], [NAN, NAN, NAN]]
    bars = panel(score=score, close=np.ones((6, 3)), dates=tuple(days), times=times)
    # the first session is there for its closes
    assert missing_scores(ANY, bars, NONE, None).startswith("1 of 6 expected scores are missing (16.7%)")


def test_a_run_says_what_is_missing_and_its_gate_exits(scored_workspace, monkeypatch):
    path = scored_workspace.root / "scores.csv"
    scores = pl.read_csv(path, try_parse_dates=True)
    days = scores["date"].unique().sort()
    gone = (pl.col("date") == days[10]) | ((pl.col("symbol") == "MADE0003") & (pl.col("date") == days[12]))
    scores.filter(~gone).write_csv(path)
    notes = run_backtest(scored_workspace, "own", device="cpu", page=False).figures["notes"]
    [note] = [line for line in notes if "expected scores are missing" in line]
    assert "1 session without any score" in note
    strategy = scored_workspace.root / "strategies" / "own.yaml"
    strategy.write_text(strategy.read_text() + "max_missing: 0.01\n")
    with pytest.raises(DataError, match=r"limit set by max_missing_scores: 1\.0%"):
        run_backtest(scored_workspace, "own", device="cpu", page=False)
