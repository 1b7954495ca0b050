from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from kronos_quant.errors import DataError
from kronos_quant.market import Batch, open_market, store_bars
from kronos_quant.market.quality.check_tables import surroundings
from kronos_quant.market.quality.checking import Check
from kronos_quant.market.quality.screening import REJECTED, REJECTED_FILE, read_rejected, screen
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


def test_the_order_of_a_batch_changes_nothing(make_batch: BatchMaker) -> None:
    bars = spoil(make_batch({"A": SPAN, "B": SPAN}), 2, close=99.0)
    turned = screen(bars.reverse())
    assert turned.bars.equals(screen(bars).bars)
    assert turned.rejected_by_rule == {"close_outside_range": 1}


def test_a_warning_is_judged_on_the_bars_that_stay(make_batch: BatchMaker) -> None:
    bars = spoil(make_batch({"A": SPAN}), 2, close=99.0)  # refused: beside its range
    assert screen(bars).warnings_by_rule == {}


def test_what_is_known_beside_the_bars_changes_what_the_rules_find(make_batch: BatchMaker) -> None:
    bars = make_batch({"A": dict.fromkeys(range(0, 3), 10.0)}).bars  # 2024-01-01 is a holiday in New York
    assert screen(bars).warnings_by_rule == {}
    assert screen(bars, around=surroundings("day", "XNYS")).warnings_by_rule == {"calendar_contradiction": 1}


def test_own_checks_refuse_and_warn_like_the_packages(make_batch: BatchMaker) -> None:
    dear = "SELECT row FROM incoming WHERE close > 10.5"
    batch = make_batch({"A": {1: 10.0, 2: 11.0}})
    refusing = screen(batch.bars, [Check("dear", "error", "because", dear, Path("dear.sql"))])
    assert refusing.rejected_by_rule == {"dear": 1}
    assert refusing.refused["rules"].to_list() == ["dear"]
    warning = screen(batch.bars, [Check("dear", "warning", "because", dear, Path("dear.sql"))])
    assert (len(warning.bars), warning.warnings_by_rule) == (2, {"dear": 1})


def test_a_check_that_fails_stops_the_ingest_with_its_name(make_batch: BatchMaker) -> None:
    with pytest.raises(DataError, match=r"^odd\.sql: Catalog Error: Table with name nothing"):
        screen(make_batch({"A": SPAN}).bars, [Check("odd", "error", "", "SELECT row FROM nothing", Path("odd.sql"))])


def with_refusal(make_batch: BatchMaker) -> Batch:
    """A day whose close lies beside its range, and one that is well."""
    return make_batch({"A": {1: 10.0, 2: 11.0}}, close=pl.when(pl.col("close") > 10.5).then(99.0).otherwise("close"))


def test_rejected_bars_are_read_from_the_snapshot_with_reason_and_source(
    make_batch: BatchMaker, tmp_path: Path
) -> None:
    store_bars(tmp_path, with_refusal(make_batch))
    found = read_rejected(open_market(tmp_path).snapshot.folder, "day")
    assert dict(found.schema) == REJECTED
    [row] = found.select("symbol", "close", "rules", "ingest", "source").rows()
    assert row == ("A", 99.0, "close_outside_range", 1, "test")
    assert read_rejected(open_market(tmp_path).snapshot.folder, "5min").is_empty()


def test_what_was_refused_on_the_way_is_no_part_of_the_digest(make_batch: BatchMaker, tmp_path: Path) -> None:
    refusing = store_bars(tmp_path / "a", with_refusal(make_batch))
    good = make_batch({"A": {1: 10.0}})
    session = with_refusal(make_batch).sessions
    without = store_bars(
        tmp_path / "b", Batch("test", None, "day", good.bars, good.instruments, good.universes, session, "")
    )
    assert refusing.rejected == 1
    assert without.rejected == 0
    assert refusing.snapshot == without.snapshot


def test_a_snapshot_of_an_older_version_has_no_rejected_bars(make_batch: BatchMaker, tmp_path: Path) -> None:
    store_bars(tmp_path, with_refusal(make_batch))
    folder = open_market(tmp_path).snapshot.folder
    (folder / REJECTED_FILE).unlink()
    assert read_rejected(folder, "day").equals(pl.DataFrame(schema=REJECTED))
