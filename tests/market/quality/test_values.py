"""The values of a bar are judged by one rule: at an ingest, before a forecast and before a back-test of tables."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from made import make_bars, weekdays

from kronos_quant.backtest import backtest_frames
from kronos_quant.errors import DataError
from kronos_quant.market.quality.check_tables import CheckContext
from kronos_quant.market.quality.checks import VALUE_CHECKS, iter_checks, require_valid_bars, screen
from kronos_quant.model.series import check_series, read_rows
from kronos_quant.schema import BARS, PRICES

SESSIONS = weekdays(12, date(2024, 1, 2))
ROW = 17  # the sixth bar of BBB
INF, NAN = float("inf"), float("nan")


def changed(**values: float | None) -> pl.DataFrame:
    """Bars of AAA and BBB with other values in one row; a text names a column times a number."""
    bars = make_bars(["AAA", "BBB"], SESSIONS)
    here = pl.int_range(pl.len()) == ROW
    new = {name: pl.when(here).then(value).otherwise(name) for name, value in values.items()}
    return bars.with_columns(**new).cast(BARS)  # type: ignore[arg-type]


def at_ingest(bars: pl.DataFrame) -> str | None:
    errors = [check for check in iter_checks() if check.severity == "error"]
    rules = screen(bars.with_columns(pl.col(pl.Float32).fill_nan(None)), errors, CheckContext("day")).refused["rules"]
    return rules[0] if len(rules) else None


def at_forecast(bars: pl.DataFrame) -> str | None:
    return refused(lambda: check_series(read_rows(bars)))


def at_backtest(bars: pl.DataFrame) -> str | None:
    scores = bars.select("date", "symbol", score=pl.lit(1.0))
    return refused(lambda: backtest_frames(bars, scores, topk=1, n_drop=1))


def refused(call) -> str | None:  # type: ignore[no-untyped-def]
    """The name of the check in the error, None where there is none."""
    try:
        call()
    except DataError as error:
        words = str(error)
        assert "\n" not in words
        assert f"BBB {SESSIONS[5]} 00:00:00: " in words
        return next(name for name in VALUE_CHECKS if f": {name}: " in words)
    return None


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"close": None}, "missing_price"),
        ({"open": NAN}, "missing_price"),
        ({"high": INF}, "missing_price"),
        ({"low": 0.0}, "price_not_positive"),
        ({"open": -1.0}, "price_not_positive"),
        ({"close": 1e5}, "close_outside_range"),
        ({"volume": -1.0}, "negative_volume"),
        ({"amount": INF}, "negative_volume"),
        ({"factor": 0.0}, "factor_not_positive"),
        ({"factor": INF}, "factor_not_positive"),
        ({"volume": 1e17}, "implausible_size"),
        ({}, None),
        ({"volume": 0.0, "amount": 0.0}, None),
        ({"volume": NAN}, None),  # missing: 0
        ({"open": 1e5}, None),  # a warning at an ingest: sources often have such an open
        (dict.fromkeys(PRICES), None),  # no bar
    ],
)
def test_the_three_doors_judge_a_bar_alike(values: dict[str, float | None], verdict: str | None) -> None:
    bars = changed(**values)
    seen = bars.filter(pl.any_horizontal(pl.col(PRICES).is_not_null()))
    assert (at_ingest(seen) or "").split(", ")[0] == (verdict or "")
    assert at_forecast(bars) == verdict
    assert at_backtest(bars) == verdict


def test_a_high_below_the_low_is_refused_at_each_door() -> None:
    bars = changed(high=0.5)
    assert at_ingest(bars) == "close_outside_range, high_below_low"
    assert at_forecast(bars) == at_backtest(bars) == "close_outside_range"


def test_the_error_counts_the_other_bars_and_says_what_was_found() -> None:
    bars = make_bars(["AAA"], SESSIONS).with_columns(close=pl.lit(0.0, pl.Float32))
    with pytest.raises(
        DataError, match=r"^bars: AAA 2024-01-02 00:00:00: .*; found .*close 0, .* \(and 11 more bars\)$"
    ):
        require_valid_bars(bars, "bars")


def test_each_of_these_checks_is_shipped_and_rejects_bars() -> None:
    assert {check.name for check in iter_checks() if check.severity == "error"} >= set(VALUE_CHECKS)
