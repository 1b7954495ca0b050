from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest

from kronos_quant.assets import asset_dir
from kronos_quant.errors import DataError
from kronos_quant.market import Batch
from kronos_quant.market.quality import Check, iter_checks, screen
from kronos_quant.market.store import tidy_bars

BatchMaker = Callable[..., Batch]
SPAN = dict.fromkeys(range(1, 6), 10.0)


def spoil(batch: Batch, row: int, **values: float | None) -> pl.DataFrame:
    """The batch's bars with some fields of one row replaced."""
    here = pl.int_range(pl.len()) == row
    changes = {name: pl.when(here).then(pl.lit(value)).otherwise(pl.col(name)) for name, value in values.items()}
    return batch.bars.with_columns(**changes)


@pytest.mark.parametrize(
    ("values", "rules"),
    [
        ({"open": None}, ["missing_price"]),
        ({"close": float("inf"), "high": float("inf")}, ["missing_price"]),
        ({"low": 0.0}, ["price_not_positive"]),
        ({"low": -9.0}, ["price_not_positive"]),
        ({"high": 9.0, "low": 9.5, "close": 9.2}, ["close_outside_range", "high_below_low"]),
        ({"close": 11.1}, ["close_outside_range"]),
        ({"close": 8.9}, ["close_outside_range"]),
        ({"volume": -1.0}, ["negative_volume"]),
        ({"amount": -1.0}, ["negative_volume"]),
        ({"factor": 0.0}, ["factor_not_positive"]),
        ({"factor": None}, ["factor_not_positive"]),
    ],
)
def test_each_rule_refuses_the_row_that_breaks_it(
    make_batch: BatchMaker, values: dict[str, float | None], rules: list[str]
) -> None:
    screened = screen(spoil(make_batch({"A": SPAN}), 2, **values))
    assert screened.rejected_by_rule == dict.fromkeys(rules, 1)
    assert screened.refused["rules"].to_list() == [", ".join(rules)]
    assert screened.refused["date"].dt.day().to_list() == [4]
    assert screened.bars["date"].dt.day().to_list() == [2, 3, 5, 6]
    assert screened.warnings_by_rule == {}


def test_good_bars_pass_untouched(make_batch: BatchMaker) -> None:
    bars = make_batch({"A": SPAN, "B": SPAN}).bars
    screened = screen(bars)
    assert screened.bars.equals(bars)
    assert screened.refused.is_empty()
    assert screened.rejected_by_rule == {}


def test_a_close_beside_the_range_by_float32_rounding_passes(make_batch: BatchMaker) -> None:
    batch = make_batch({"A": SPAN})
    assert screen(spoil(batch, 0, high=10.0, close=10.000005)).rejected_by_rule == {}
    assert screen(spoil(batch, 0, high=10.0, close=10.00002)).rejected_by_rule == {"close_outside_range": 1}


def test_of_equal_copies_the_first_stays_and_of_different_ones_none(make_batch: BatchMaker) -> None:
    batch = make_batch({"A": SPAN})
    equal = screen(pl.concat([batch.bars, batch.bars[1:2]]))
    assert equal.rejected_by_rule == {"duplicate_bar": 1}
    assert len(equal.bars) == 5
    other = screen(pl.concat([batch.bars, spoil(batch, 1, close=10.5)[1:2]]))
    assert other.rejected_by_rule == {"duplicate_bar": 2}
    assert other.bars["date"].dt.day().to_list() == [2, 4, 5, 6]


def test_a_jump_is_kept_with_a_warning(make_batch: BatchMaker) -> None:
    screened = screen(make_batch({"A": {1: 10.0, 2: 14.1, 3: 10.0, 4: 5.9}, "B": {5: 100.0}}).bars)
    assert screened.warnings_by_rule == {"price_jump": 2}
    assert len(screened.bars) == 5


def test_rows_without_any_price_are_no_bars_and_missing_volume_is_0(make_batch: BatchMaker) -> None:
    batch = make_batch({"A": SPAN}, volume=pl.lit(None, pl.Float64))
    nothing = dict.fromkeys(("open", "high", "low", "close"), float("nan"))
    bars = tidy_bars(replace(batch, bars=spoil(batch, 0, **nothing)))
    assert len(bars) == 4
    assert bars["volume"].to_list() == [0] * 4


def test_a_batch_without_a_price_is_refused(make_batch: BatchMaker) -> None:
    batch = make_batch({"A": SPAN}, **dict.fromkeys(("open", "high", "low", "close"), pl.lit(None, pl.Float64)))
    with pytest.raises(DataError, match=r"test: no bar found: every price is missing"):
        tidy_bars(batch)


def test_every_shipped_check_says_why_it_matters() -> None:
    checks = list(iter_checks())
    assert [check.name for check in checks] == sorted(path.stem for path in (asset_dir("db") / "checks").glob("*.sql"))
    assert all(len(check.why) > 40 for check in checks)
    assert {check.severity for check in checks} == {"error", "warning"}


def test_a_check_without_severity_and_reason_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.sql").write_text("SELECT * FROM incoming\n")
    with pytest.raises(
        DataError, match=r"odd.sql: line 1: expected '-- error: why' or '-- warning: why', found 'SELECT"
    ):
        list(iter_checks(tmp_path))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 0 AS row FROM read_csv('{path}')",
        "SELECT 0 AS row FROM '{path}'",
        "COPY incoming TO '{path}'",
        "ATTACH '{path}' AS other",
        "SET enable_external_access = true",
        "SELECT 0 AS row FROM bars",
        "INSTALL httpfs",
    ],
)
def test_a_check_sees_its_rows_and_nothing_else(make_batch: BatchMaker, tmp_path: Path, sql: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    bars = make_batch({"A": SPAN}).bars
    with pytest.raises(duckdb.Error):
        screen(bars, [Check("hostile", "error", "", sql.format(path=secret))])
    assert secret.read_text() == "a\n1\n"
