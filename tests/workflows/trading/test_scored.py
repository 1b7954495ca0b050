"""Scores of files, and over which sessions they are traded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
import pytest

from kronos_quant import DataError
from kronos_quant.backtest import Strategy
from kronos_quant.workflows.trading.beside import in_universe
from kronos_quant.workflows.trading.scored import chosen_sessions, read_scores, scored_span

DAYS = [date(2024, 6, day) for day in (17, 18, 19, 20, 21, 24)]


@dataclass
class Made:
    """The part of a market that this reads."""

    freq: str = "day"

    def sessions(self):
        return DAYS

    def universe(self, name):
        spans = [("A", DAYS[0], DAYS[1]), ("A", DAYS[3], DAYS[5]), ("B", DAYS[2], DAYS[5]), ("B", DAYS[4], DAYS[5])]
        return pl.DataFrame(
            [("few", *span) for span in spans],
            schema={"universe": pl.String, "symbol": pl.String, "start": pl.Date, "end": pl.Date},
            orient="row",
        )


def strategy_of(**fields) -> Strategy:
    return Strategy.model_validate(fields)


def written(tmp_path, text, name="scores.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "header", ["date,symbol,score", "datetime,instrument,score", "asof,symbol,score", "time,symbol,score"]
)
def test_the_names_of_qlib_and_of_the_signal_store_are_known(tmp_path, header):
    frame = read_scores(written(tmp_path, f"{header}\n2024-06-17,AAA,0.5\n"))
    assert frame.rows() == [(datetime(2024, 6, 17), "AAA", 0.5)]
    assert frame.columns == ["time", "symbol", "score"]


def test_a_parquet_file_with_a_time_zone_and_whole_numbers_is_read(tmp_path):
    path = tmp_path / "scores.parquet"
    times = pl.Series([datetime(2024, 6, 17, 15)]).dt.replace_time_zone("Asia/Shanghai")
    pl.DataFrame({"date": times, "symbol": ["600000.SH"], "score": [3]}).write_parquet(path)
    assert read_scores(path, "XSHG").rows() == [(datetime(2024, 6, 17, 15), "SH600000", 3.0)]


@pytest.mark.parametrize("stamp", ["2024-06-18T00:00:00+08:00", "2024-06-18 00:00:00Z", "20240618", "2024/6/18"])
@pytest.mark.parametrize("exchange", ["XSHG", "XNYS", ""])
def test_a_day_is_that_day_whatever_its_time_zone(tmp_path, stamp, exchange):
    # in UTC the first would be of the day before: its score would trade a session too early
    frame = read_scores(written(tmp_path, f"date,symbol,score\n{stamp},A,1\n"), exchange)
    assert frame["time"].to_list() == [datetime(2024, 6, 18)]


def test_a_moment_with_its_offset_is_told_by_the_exchanges_clock(tmp_path):
    path = written(tmp_path, "asof,symbol,score\n2024-06-18T07:00:00Z,A,1\n2024-06-18T09:30:00+08:00,A,2\n")
    assert read_scores(path, "XSHG")["time"].to_list() == [datetime(2024, 6, 18, 15), datetime(2024, 6, 18, 9, 30)]


@pytest.mark.parametrize("name", ["symbol", "instrument"])
def test_the_leading_zeros_of_a_symbol_are_kept(tmp_path, name):
    frame = read_scores(written(tmp_path, f"date,{name},score\n2024-06-18,000001,1\n2024-06-18,600000,2\n"), "XSHG")
    assert frame["symbol"].to_list() == ["SZ000001", "SH600000"]


def test_scores_that_begin_as_whole_numbers_may_go_on_as_others(tmp_path):
    rows = [f"2024-06-18,A{number},1" for number in range(150)] + ["2024-06-18,B,0.5"]
    frame = read_scores(written(tmp_path, "\n".join(["date,symbol,score", *rows]) + "\n"))
    assert frame["score"].sum() == 150.5


def test_rows_without_a_score_are_none(tmp_path):
    text = "date,symbol,score\n2024-06-17,AAA,\n2024-06-17,BBB,nan\n2024-06-17,CCC,1\n"
    assert read_scores(written(tmp_path, text))["symbol"].to_list() == ["CCC"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "scores.csv: no such file of scores"),
        ("", "scores.csv: not a readable file of scores: empty CSV"),
        ("date,symbol\n2024-06-17,A\n", "expected a column score, found date, symbol"),
        ("day,symbol,score\n2024-06-17,A,1\n", "expected a column date or datetime, found day, symbol, score"),
        ("date,code,score\n2024-06-17,A,1\n", "expected a column symbol or instrument, found date, code, score"),
        ("date,symbol,score\n2024-06-17,A,good\n", "conversion from `str` to `f64` failed in column 'score'"),
        ("date,symbol,score\nlately,A,1\n", "date: expected times such as 2025-06-05, found 'lately'"),
    ],
)
def test_a_file_that_holds_no_scores_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "scores.csv" if text is None else written(tmp_path, text)
    with pytest.raises(DataError, match=message.replace("(", r"\(")) as error:
        read_scores(path)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 3


def test_the_session_after_the_last_score_is_the_last_one_traded():
    assert scored_span(DAYS, [DAYS[1], DAYS[3]]) == (DAYS[1], DAYS[4])
    # nothing trades after the newest session
    assert scored_span(DAYS, [DAYS[5]]) == (DAYS[5], DAYS[5])


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
    sessions, asked = chosen_sessions(Made(), strategy_of(**fields), DAYS[1], DAYS[4])
    assert sessions == chosen
    # the last one trades, and its own scores do not
    assert asked == chosen[:-1]


def test_an_intraday_session_has_the_one_before_for_its_closes():
    sessions, asked = chosen_sessions(Made("5min"), strategy_of(start="2024-06-19"), DAYS[1], DAYS[4])
    assert (sessions, asked) == (DAYS[1:5], DAYS[2:5])
    # before the first there is none
    sessions, asked = chosen_sessions(Made("5min"), strategy_of(), DAYS[0], DAYS[2])
    assert (sessions, asked) == (DAYS[:3], DAYS[:3])


@pytest.mark.parametrize("fields", [{"start": "2024-06-24"}, {"start": "2024-06-22", "end": "2024-06-23"}])
def test_fewer_than_two_sessions_are_no_back_test(fields):
    with pytest.raises(DataError, match=r"two sessions at least, found [01] from 2024-06-2") as error:
        chosen_sessions(Made(), strategy_of(**fields), DAYS[0], DAYS[5])
    assert error.value.hint == "set start and end in the strategy, or ingest newer bars"


def test_scores_count_on_the_days_of_a_membership_and_once():
    rows = [(day, symbol, 1.0) for day in DAYS for symbol in ("A", "B", "C")]
    scores = pl.DataFrame(rows, schema={"date": pl.Date, "symbol": pl.String, "score": pl.Float64}, orient="row")
    kept = in_universe(Made(), strategy_of(universe="few"), scores).sort("symbol", "date")
    assert kept.select("symbol", "date").rows() == [
        *(("A", DAYS[n]) for n in (0, 1, 3, 4, 5)),
        *(("B", DAYS[n]) for n in (2, 3, 4, 5)),  # in two spans at once, and there once
    ]
    for whole in ({}, {"universe": "all"}):
        assert in_universe(Made(), strategy_of(**whole), scores).equals(scores)
