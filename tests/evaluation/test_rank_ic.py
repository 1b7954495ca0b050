"""The rank IC of tables: equal to that of the matrices, for every kind of table, and wrong tables refused."""

import numpy as np
import polars as pl
import pytest
from made import make_bars, weekdays

from kronos_quant import ConfigError, DataError
from kronos_quant.evaluation.rank_ic import rank_ic_table
from kronos_quant.panel.matrix import forward_returns, to_matrix
from kronos_quant.stats.correlation import rank_ic
from kronos_quant.stats.intervals import mean_interval

DAYS = weekdays(60)
SYMBOLS = [f"S{i:02d}" for i in range(12)]
BARS = make_bars(SYMBOLS, DAYS)
SCORES = BARS.select("date", "symbol", score=pl.col("close").cast(pl.Float64).sin()).filter(pl.col("date") <= DAYS[49])


def test_it_is_the_rank_ic_of_the_matrices():
    found = rank_ic_table(SCORES, BARS, horizon=5)
    close = to_matrix(BARS, "close", DAYS, SYMBOLS)
    expected = rank_ic(to_matrix(SCORES, "score", DAYS[:50], SYMBOLS), forward_returns(close, np.arange(50), 5))
    np.testing.assert_array_equal(found.by_date["rank_ic"].to_numpy(), expected)
    assert found.interval == mean_interval(expected, 5)
    assert (found.mean, found.icir) == (found.interval.mean, found.interval.ratio)
    assert found.by_date["symbols"].to_list() == [12] * 50


def test_pandas_arrow_and_wide_tables_give_the_same():
    whole = rank_ic_table(SCORES, BARS)
    wide = SCORES.pivot(on="symbol", index="date", values="score").to_pandas().set_index("date")
    for scores, bars in ((SCORES.to_pandas(), BARS.to_pandas()), (SCORES.to_arrow(), BARS.to_arrow()), (wide, BARS)):
        assert rank_ic_table(scores, bars).by_date.equals(whole.by_date)


def test_it_shows_itself_by_its_figures():
    found = rank_ic_table(SCORES, BARS)
    assert repr(found).startswith("Rank IC, 5-bar horizon, ")
    assert dict(found.summary().rows())["mean rank IC"] == f"{found.mean:+.4f}"
    assert "<table>" in found._repr_html_()
    assert found.to_pandas().shape == (50, 3)
    few = rank_ic_table(SCORES.filter(pl.col("date") <= DAYS[3]), BARS)
    assert "not available: too few dates" in repr(few)


def test_wrong_tables_are_refused_in_one_line():
    with pytest.raises(DataError, match="scores and bars have no date in common: scores from 2"):
        rank_ic_table(SCORES.with_columns(pl.col("date").dt.offset_by("-520w")), BARS)
    with pytest.raises(DataError, match="bars: expected date, symbol and close; its columns are"):
        rank_ic_table(SCORES, BARS.drop("close"))
    with pytest.raises(DataError, match="needs at least 3 symbols per date with a score and a return over 5 bars"):
        rank_ic_table(SCORES.filter(pl.col("symbol") < "S02"), BARS)
    with pytest.raises(DataError, match="found at most 0"):
        rank_ic_table(SCORES, BARS.filter(pl.col("date") <= DAYS[49]), horizon=50)
    with pytest.raises(DataError, match="bars: expected a table"):
        rank_ic_table(SCORES, "bars")
    for wrong in (0, 2.5, "5"):
        with pytest.raises(ConfigError, match="horizon: expected a whole number of at least 1, found"):
            rank_ic_table(SCORES, BARS, wrong)


def test_what_of_the_tables_does_not_count_is_noted():
    assert rank_ic_table(SCORES, BARS).notes == ()
    scores = SCORES.with_columns(
        pl.when(pl.col("date") == DAYS[3]).then(1.0).otherwise("score").alias("score"),
        pl.when(pl.col("date") == DAYS[7]).then(pl.lit(DAYS[-1]).dt.offset_by("1w")).otherwise("date").alias("date"),
    )
    gone = (pl.col("symbol") == "S01") & pl.col("date").is_in(DAYS[20:22])
    bars = BARS.with_columns(pl.when(gone).then(float("nan")).otherwise("close").alias("close"))
    found = rank_ic_table(scores, bars)
    assert found.notes == (
        "scores: dropped: 12 rows of dates or times that are not in the data",
        "scores: all symbols have the same score on 1 of 50 dates: no ranking there",
        "bars: dropped: 2 rows without a finite close",
    )
    assert dict(found.summary().rows())["note"] == found.notes[-1]
    assert found.by_date["rank_ic"].null_count() == 1


@pytest.mark.parametrize("close", [0.0, -1.0])
def test_a_close_that_is_no_price_is_refused(close):
    wrong = (pl.col("symbol") == "S01") & (pl.col("date") == DAYS[20])
    bars = BARS.with_columns(pl.when(wrong).then(close).otherwise("close").alias("close"))
    message = f"bars: close: expected prices above 0, found 1 other \\(S01 on {DAYS[20]}: {close:g}\\)"
    with pytest.raises(DataError, match=message):
        rank_ic_table(SCORES, bars)


def test_scores_of_true_and_false_are_refused():
    with pytest.raises(DataError, match="scores: score: expected numbers, found true and false"):
        rank_ic_table(SCORES.with_columns(pl.col("score") > 0), BARS)
