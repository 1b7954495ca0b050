from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from kronos_quant import DataError
from kronos_quant.backtest import Panel, Strategy
from kronos_quant.workflows import backtest as job
from kronos_quant.workflows.backtest import run_backtest
from kronos_quant.workflows.trading.coverage import missing_signals

NAN = float("nan")
ANY = Strategy.model_validate({})

SCORE = [[1, NAN, NAN], [NAN, 1, NAN], [NAN, NAN, NAN], [1, 1, NAN], [NAN, 1, 1], [NAN, NAN, NAN]]
CLOSE = [[1, 1, 1], [1, 1, 1], [1, NAN, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]]


def panel(score=SCORE, close=CLOSE, **fields) -> Panel:
    close = np.array(close, dtype=float)
    names = ("open", "high", "low", "close", "volume", "factor")
    dates = tuple(date(2024, 1, 1 + t) for t in range(len(close)))
    symbols = ("A", "B", "C")
    made = Panel(dates, symbols, **dict.fromkeys(names, close), score=np.array(score), gone=np.full(3, len(close)))
    return replace(made, **fields)


class Bars:
    """A market of which only the bars are asked."""

    def __init__(self, *held: tuple[str, int]) -> None:
        dates = [date(2024, 1, 1 + day) for _, day in held]
        self.held = pl.DataFrame({"symbol": [symbol for symbol, _ in held], "date": dates}, schema=KEYS)

    def bars(self, symbols, start, end):
        return self.held.filter(pl.col("symbol").is_in(symbols), pl.col("date").is_between(start, end))


KEYS = {"symbol": pl.String, "date": pl.Date}
NONE = Bars()


def spans(*rows: tuple[str, int, int]) -> pl.DataFrame:
    """Members: symbol, first and last day of January."""
    return pl.DataFrame(
        [(symbol, date(2024, 1, first), date(2024, 1, last)) for symbol, first, last in rows],
        schema={"symbol": pl.String, "start": pl.Date, "end": pl.Date},
        orient="row",
    )


def test_bars_count_from_a_symbols_first_score_to_its_last():
    # A: sessions 1 to 4, without the second and the third; B: 2 to 5, suspended in the third; C: the fifth alone
    assert missing_signals(ANY, panel(), NONE, None) == (
        "2 of 8 expected scores are missing (25.0%): 1 session without any score, 1 symbol (A)."
    )
    assert missing_signals(ANY, panel(score=np.ones((6, 3))), NONE, None) is None


def test_the_last_session_scores_nothing_that_trades():
    score = np.ones((6, 3))
    score[5] = NAN
    assert missing_signals(ANY, panel(score=score), NONE, None) is None


@pytest.mark.parametrize("empty", [slice(0, 2), slice(3, 5)])
def test_sessions_without_any_score_count_at_either_end_too(empty):
    score = np.ones((6, 3))
    score[empty] = NAN
    told = missing_signals(ANY, panel(score=score, close=np.ones((6, 3))), NONE, None)
    assert told.startswith("6 of 15 expected scores are missing (40.0%): 2 sessions without")


def test_without_any_score_that_could_trade_there_is_nothing_to_count():
    score = np.full((6, 3), NAN)
    assert missing_signals(ANY, panel(score=score), NONE, None) is None


def test_who_is_no_member_lacks_nothing():
    members = spans(("A", 1, 1), ("A", 4, 9), ("B", 1, 9), ("Z", 1, 9))
    # A is no member in the sessions that lack its scores, but is in the fifth, after its last one
    told = missing_signals(ANY, panel(), NONE, members)
    assert "1 of 6 expected scores" in told
    assert missing_signals(ANY, panel(), NONE, spans(("A", 1, 1), ("A", 4, 4), ("B", 1, 9))) is None


def test_a_member_whose_scores_end_while_its_bars_go_on_lacks_them():
    score = np.ones((6, 3))
    score[3:, 0] = NAN
    members = spans(("A", 1, 9), ("B", 1, 9), ("C", 1, 9))
    assert missing_signals(ANY, panel(score=score, close=np.ones((6, 3))), NONE, None) is None
    told = missing_signals(ANY, panel(score=score, close=np.ones((6, 3))), NONE, members)
    assert "2 of 15 expected scores" in told
    # before a symbol's first score there may not have been enough bars to make one
    late = np.ones((6, 3))
    late[:3, 0] = NAN
    assert missing_signals(ANY, panel(score=late, close=np.ones((6, 3))), NONE, members) is None


def test_members_without_any_score_are_counted_by_their_bars():
    market = Bars(*(("Z", day) for day in range(6)), ("Y", 0), ("X", 0))
    members = spans(("A", 1, 9), ("B", 1, 9), ("C", 1, 9), ("Z", 1, 3), ("Y", 1, 9), ("X", 4, 9))
    told = missing_signals(ANY, panel(score=np.ones((6, 3)), close=np.ones((6, 3))), market, members)
    # Z in three sessions and Y in one; X has no bar while it is a member
    assert "4 of 19 expected scores" in told
    assert told.endswith(": 2 members of the universe without any score (Y, Z).")


def test_a_gate_refuses_more_than_it_lets_through():
    gated = Strategy.model_validate({"max_missing": 0.2})
    with pytest.raises(DataError, match=r"2 of 8 .*\(25\.0%\).*; limit set by max_missing_scores: 20\.0%") as error:
        missing_signals(gated, panel(), NONE, None)
    assert "raise max_missing_scores" in error.value.hint
    assert missing_signals(Strategy.model_validate({"max_missing": 0.25}), panel(), NONE, None) is not None
    with pytest.raises(DataError, match=r"limit set by max_missing_scores: 0\.0%"):
        missing_signals(Strategy.model_validate({"max_missing": 0}), panel(), NONE, None)


def test_of_bars_within_a_session_one_score_is_enough():
    days = [date(2024, 1, 1)] * 2 + [date(2024, 1, 2)] * 2 + [date(2024, 1, 3)] * 2
    times = tuple(datetime(2024, 1, day.day, 10, minute) for day, minute in zip(days, [0, 5] * 3, strict=True))
    score = [[1, 1, 1], [NAN, NAN, NAN], [NAN, 1, NAN], [1, NAN, NAN], [1, 1, 1], [NAN, NAN, NAN]]
    bars = panel(score=score, close=np.ones((6, 3)), dates=tuple(days), times=times)
    # the first session is there for its closes
    assert missing_signals(ANY, bars, NONE, None).startswith("1 of 6 expected scores are missing (16.7%)")


def test_a_run_says_what_is_missing_and_its_gate_exits(scored_workspace, monkeypatch):
    monkeypatch.setattr(job, "write_tearsheet", lambda *arguments, **settings: [])
    monkeypatch.setattr(job, "performance_png", lambda *arguments, **settings: None)
    path = scored_workspace.root / "scores.csv"
    scores = pl.read_csv(path, try_parse_dates=True)
    days = scores["date"].unique().sort()
    gone = (pl.col("date") == days[10]) | ((pl.col("symbol") == "MADE0003") & (pl.col("date") == days[12]))
    scores.filter(~gone).write_csv(path)
    notes = run_backtest(scored_workspace, "own", "cpu").metrics["notes"]
    [told] = [note for note in notes if "expected scores are missing" in note]
    assert "1 session without any score" in told
    strategy = scored_workspace.root / "strategies" / "own.yaml"
    strategy.write_text(strategy.read_text() + "max_missing: 0.01\n")
    with pytest.raises(DataError, match=r"limit set by max_missing_scores: 1\.0%"):
        run_backtest(scored_workspace, "own", "cpu")
