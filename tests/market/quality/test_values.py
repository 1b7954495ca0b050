"""The values of a bar are judged by one rule: at an ingest, before a forecast and before a back-test of tables."""

from __future__ import annotations

import re
from collections.abc import Callable
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
INF, NAN = float("inf"), float("nan")
ERRORS = [check for check in iter_checks() if check.severity == "error"]

BAD: list[tuple[str, dict[str, float | None], str]] = [
    ("B00", {"close": None}, "missing_price"),
    ("B01", {"open": NAN}, "missing_price"),
    ("B02", {"high": INF}, "infinite_value"),
    ("B03", {"low": 0.0}, "price_not_positive"),
    ("B04", {"open": -1.0}, "price_not_positive"),
    ("B05", {"close": 1e5}, "close_outside_range"),
    ("B06", {"high": 0.5}, "close_outside_range, high_below_low"),
    ("B07", {"volume": -1.0}, "negative_volume"),
    ("B08", {"amount": INF}, "infinite_value"),
    ("B09", {"factor": 0.0}, "factor_not_positive"),
    ("B10", {"factor": INF}, "infinite_value"),
    ("B11", {"volume": 1e17}, "implausible_size"),
]
"""Symbol, values of its sixth bar, and the checks that these break."""

GOOD: list[tuple[str, dict[str, float | None]]] = [
    ("G00", {}),
    ("G01", {"volume": 0.0, "amount": 0.0}),
    ("G02", {"volume": NAN}),  # missing: 0
    ("G03", {"open": 1e5}),  # a warning at an ingest: sources often have such an open
    ("G04", dict.fromkeys(PRICES)),  # no bar
]


def changed(symbol: str, values: dict[str, float | None]) -> pl.DataFrame:
    """Bars of a symbol with other values in the sixth."""
    here = pl.int_range(pl.len()) == 5
    new = {name: pl.when(here).then(value).otherwise(name) for name, value in values.items()}
    return make_bars([symbol], SESSIONS).with_columns(**new).cast(BARS)  # type: ignore[arg-type]


def at_backtest(bars: pl.DataFrame) -> None:
    """A back-test that goes as far as its scores, which name no symbol of the bars."""
    backtest_frames(bars, bars.select("date", symbol=pl.lit("X"), score=pl.lit(1.0)), topk=1, n_drop=1)


def refusal(door: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        door()
    return str(caught.value)


def test_an_ingest_rejects_each_bad_bar() -> None:
    bars = pl.concat([changed(symbol, values) for symbol, values, _ in BAD])
    found = screen(bars.with_columns(pl.col(pl.Float32).fill_nan(None)), ERRORS, CheckContext("day")).refused
    assert found.select("symbol", "date", "rules").rows() == [(name, SESSIONS[5], rules) for name, _, rules in BAD]


@pytest.mark.parametrize(("symbol", "values", "rules"), BAD)
def test_a_forecast_and_a_backtest_refuse_it_with_the_name_of_the_check(
    symbol: str, values: dict[str, float | None], rules: str
) -> None:
    bars = changed(symbol, values)
    first = rules.split(", ")[0]
    place = f"{symbol} {SESSIONS[5]} 00:00:00: {first}: "
    assert refusal(lambda: check_series(read_rows(bars))).startswith(f"bars: row 6, {place}")
    assert refusal(lambda: at_backtest(bars)).startswith(f"bars: {place}")


def test_all_three_take_the_good_ones() -> None:
    bars = pl.concat([changed(symbol, values) for symbol, values in GOOD])
    traded = bars.filter(pl.any_horizontal(pl.col(PRICES).is_not_null())).with_columns(pl.col("volume").fill_nan(0))
    assert screen(traded, ERRORS, CheckContext("day")).refused.is_empty()
    assert check_series(read_rows(bars)).bars.height == traded.height
    assert refusal(lambda: at_backtest(bars)).startswith("scores: no usable score")


def test_the_error_counts_the_other_bars_and_says_what_was_found() -> None:
    bars = make_bars(["AAA"], SESSIONS).with_columns(close=pl.lit(0.0, pl.Float32))
    words = refusal(lambda: require_valid_bars(bars, "bars"))
    assert words.startswith("bars: AAA 2024-01-02 00:00:00: close_outside_range: the close is a traded price and must ")
    assert re.search(r"; found open \d+\.\d+, .*close 0, .*factor 1 \(and 11 more bars\)$", words)


def test_each_of_these_checks_is_shipped_and_rejects_bars() -> None:
    assert {check.name for check in ERRORS} >= set(VALUE_CHECKS)
    assert {name for _, _, rules in BAD for name in rules.split(", ")} == set(VALUE_CHECKS)
