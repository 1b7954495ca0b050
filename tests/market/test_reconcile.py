from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from made import store_unchecked

from kronos_quant.market import BarBatch, ingest_qlib, open_market, read_history, store, store_bars
from kronos_quant.market.database import DATABASE
from kronos_quant.schema import PRICES

BatchMaker = Callable[..., BarBatch]
QlibDir = Any
SCALED = (*PRICES, "factor")


def rows(root: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(root / "db" / DATABASE) as connection:
        return connection.execute(query).fetchall()


def stored(root: Path, symbol: str, *columns: str) -> list[object]:
    frame = open_market(root).bars([symbol]).select(columns or ("close",))
    return frame.to_series().to_list() if len(frame.columns) == 1 else frame.rows()


def former_values(root: Path, symbols: list[str] | None = None) -> pl.DataFrame:
    """What the history holds of replaced bars."""
    told = read_history(open_market(root), symbols).filter(pl.col("change").is_in(["restated", "moved"]))
    return told.rename({name: name.removeprefix("old_") for name in told.columns if name.startswith("old_")})


def rescaled(batch: BarBatch, scale: float, *, volume: bool = True, symbols: tuple[str, ...] | None = None) -> BarBatch:
    """The batch as a dump that was normalised otherwise holds it: in float32, as such a dump is computed."""
    number = pl.lit(scale, dtype=pl.Float32)
    hit = pl.lit(True) if symbols is None else pl.col("symbol").is_in(symbols)
    columns = [pl.when(hit).then(pl.col(name) * number).otherwise(pl.col(name)).alias(name) for name in SCALED]
    if volume:
        columns.append(pl.when(hit).then(pl.col("volume") / number).otherwise(pl.col("volume")).alias("volume"))
    return replace(batch, bars=batch.bars.cast(pl.Schema({"volume": pl.Float32}), strict=False).with_columns(columns))


def with_factors(batch: BarBatch, factors: Mapping[int, float]) -> BarBatch:
    """The batch with the raw prices that its closes are, and these factors by day offset."""
    number = pl.col("date").dt.day().cast(pl.Int32) - 1
    factor = number.replace_strict(dict(factors), default=1.0, return_dtype=pl.Float64)
    bars = batch.bars.with_columns(factor=factor)
    bars = bars.with_columns(*(pl.col(name) * pl.col("factor") for name in PRICES), volume=100 / pl.col("factor"))
    return replace(batch, bars=bars)


DAYS = {1: 10.0, 2: 11.0, 3: 12.0, 4: 11.5}
ODD = {1: 10.37, 2: 11.03, 3: 12.77, 4: 11.59}


def test_a_changed_past_bar_is_restated_and_its_old_value_is_kept(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": DAYS, "B": DAYS}))
    report = store_unchecked(tmp_path, make_batch({"A": {**DAYS, 2: 11.2}, "B": DAYS}))
    assert (report.changed, report.restated, report.rescaled) == (1, {"A": 1}, 0)
    assert stored(tmp_path, "A") == pytest.approx([10, 11.2, 12, 11.5])
    former = former_values(tmp_path)
    assert former.select("symbol", "date", "open", "high", "close", "change", "ingest").rows() == [
        ("A", date(2024, 1, 3), 11, 12, 11, "restated", 2)
    ]
    assert former["new_close"].to_list() == pytest.approx([11.2])
    assert former["recorded"].to_list() == [value for (value,) in rows(tmp_path, "SELECT max(finished) FROM ingests")]
    assert rows(tmp_path, "SELECT restated, rescaled FROM ingests ORDER BY id") == [(0, 0), (1, 0)]
    assert "restated: 1 past bar of 1 symbol (A 1); old values: kq history SYMBOL" in report.lines()


def test_each_restatement_of_a_bar_is_kept(tmp_path: Path, make_batch: BatchMaker) -> None:
    for close in (10, 11, 12):
        store_unchecked(tmp_path, make_batch({"A": {1: close}, "B": {1: 5}}))
    assert former_values(tmp_path, ["A"])["close"].to_list() == [10, 11]
    assert former_values(tmp_path, ["B"]).is_empty()


def test_a_changed_volume_or_amount_is_restated_too(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": DAYS, "B": DAYS}))
    report = store_unchecked(tmp_path, make_batch({"A": DAYS}, volume=pl.lit(101.0)))
    assert report.restated == {"A": 4}
    report = store_unchecked(tmp_path, make_batch({"B": DAYS}, amount=pl.lit(0.0)))
    assert report.restated == {"B": 4}


def test_five_symbols_are_named_and_all_are_in_the_dictionary(tmp_path: Path, make_batch: BatchMaker) -> None:
    names = "ABCDEFG"
    store_unchecked(tmp_path, make_batch(dict.fromkeys(names, DAYS)))
    closes = {name: {1: 9.0, 2: 9.0} if name == "G" else {1: 9.0} for name in names}
    report = store_unchecked(tmp_path, make_batch(closes))
    assert report.as_dict()["restated"] == {"G": 2, "A": 1, "B": 1, "C": 1, "D": 1, "E": 1, "F": 1}
    [line] = [line for line in report.lines() if line.startswith("restated")]
    assert line == (
        "restated: 8 past bars of 7 symbols (G 2, A 1, B 1, C 1, D 1 and 2 more); old values: kq history SYMBOL"
    )


def test_a_difference_below_a_millionth_is_rounding_and_changes_nothing(tmp_path: Path, make_batch: BatchMaker) -> None:
    before = store_unchecked(tmp_path, make_batch({"A": ODD}))
    report = store_unchecked(tmp_path, make_batch({"A": ODD}, close=pl.col("close") * (1 + 5e-7)))
    assert (report.changed, report.restated, report.snapshot) == (0, {}, before.snapshot)
    report = store_unchecked(tmp_path, make_batch({"A": ODD}, close=pl.col("close") * (1 + 2e-6)))
    assert report.restated == {"A": 4}


def test_a_uniform_rescale_is_no_restatement_and_moves_no_stored_bar(tmp_path: Path, make_batch: BatchMaker) -> None:
    scales = {"A": 0.37, "B": 3.0, "C": 1.0001, "D": 1 / 10.37, "E": 0.37}
    batch = update = make_batch(dict.fromkeys(scales, ODD) | {"E": DAYS})
    before = store_unchecked(tmp_path, batch)
    for name, scale in scales.items():
        update = rescaled(update, scale, symbols=(name,))
    report = store_unchecked(tmp_path, update)
    assert (report.added, report.changed, report.restated, report.rescaled) == (0, 0, {}, 5)
    assert report.snapshot == before.snapshot
    assert former_values(tmp_path).is_empty()
    kept = rows(tmp_path, "SELECT ingest, symbol, scale, seam FROM rescales ORDER BY symbol")
    assert kept == [(2, name, pytest.approx(scale, rel=1e-6), False) for name, scale in scales.items()]
    assert "rescaled: 5 symbols in another scale, converted to the stored one" in report.lines()


def test_new_days_in_another_scale_join_the_stored_ones_in_theirs(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": ODD, "B": DAYS}))
    # the last stored day and two new ones, A four times as high as it was
    update = rescaled(make_batch({"A": {4: 11.59, 5: 11.73, 8: 11.81}, "B": {4: 11.5, 5: 11}}), 4, symbols=("A",))
    report = store_unchecked(tmp_path, update)
    assert (report.added, report.changed, report.rescaled) == (3, 0, 1)
    bars = open_market(tmp_path).bars(["A"])
    assert bars["close"].to_list() == pytest.approx([*ODD.values(), 11.73, 11.81], rel=1e-7)
    assert bars["factor"].to_list() == [1] * 6
    assert bars["volume"].to_list() == [100] * 6
    assert stored(tmp_path, "B") == [*DAYS.values(), 11]


def test_a_conversion_keeps_the_raw_price_to_half_a_float32_step(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": ODD}))
    update = rescaled(make_batch({"A": {4: 11.59, 5: 10.123457}}), 0.3)
    store_unchecked(tmp_path, update)
    bar = open_market(tmp_path).bars(["A"]).tail(1)
    given = update.bars.tail(1).cast(pl.Schema(bar.schema))
    raw, given_raw = ((frame["close"].cast(pl.Float64) / frame["factor"]).item() for frame in (bar, given))
    assert abs(raw / given_raw - 1) < 2**-24


def test_a_volume_that_has_no_scale_is_left_as_it_is(tmp_path: Path, make_batch: BatchMaker) -> None:
    batch = replace(make_batch({"A": ODD}), unadjusted_volume=("A",))
    store_unchecked(tmp_path, batch)
    update = replace(make_batch({"A": {4: 11.59, 5: 11.73}}), unadjusted_volume=("A",))
    report = store_unchecked(tmp_path, rescaled(update, 0.5, volume=False))
    assert (report.added, report.restated, report.rescaled) == (1, {}, 1)
    assert stored(tmp_path, "A", "volume") == [100] * 5


def test_a_restated_bar_within_a_rescaled_symbol_is_the_only_one_found(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": ODD}))
    report = store_unchecked(tmp_path, rescaled(make_batch({"A": {**ODD, 1: 10.5, 3: 12.5}}), 0.25))
    assert (report.restated, report.rescaled) == ({"A": 2}, 1)
    assert stored(tmp_path, "A", "close") == pytest.approx([10.5, 11.03, 12.5, 11.59], rel=1e-7)
    assert stored(tmp_path, "A", "factor") == [1] * 4


def test_a_new_dividend_that_moves_all_past_factors_is_a_rescale(tmp_path: Path, make_batch: BatchMaker) -> None:
    # adjusted backwards: the last factor is always 1, so a dividend of the new day lowers all before it
    store_unchecked(tmp_path, with_factors(make_batch({"A": DAYS}), {}))
    report = store_unchecked(tmp_path, with_factors(make_batch({"A": {**DAYS, 5: 11.2}}), dict.fromkeys(DAYS, 0.98)))
    assert (report.added, report.restated, report.rescaled) == (1, {}, 1)
    assert stored(tmp_path, "A", "factor") == pytest.approx([1, 1, 1, 1, 1 / 0.98], rel=1e-7)


@pytest.mark.parametrize("factors", [{3: 1.02, 4: 1.02}, {1: 1 / 1.02, 2: 1 / 1.02}])
def test_a_restated_dividend_is_one_restated_bar_and_the_later_ones_move_along(
    tmp_path: Path, make_batch: BatchMaker, factors: dict[int, float]
) -> None:
    store_unchecked(tmp_path, make_batch({"A": DAYS}))
    report = store_unchecked(tmp_path, with_factors(make_batch({"A": DAYS}), factors))  # whichever end is held fast
    assert (report.restated, report.changed) == ({"A": 1}, 2)
    assert stored(tmp_path, "A", "factor") == pytest.approx([1, 1, 1.02, 1.02], rel=1e-7)
    assert stored(tmp_path, "A", "close") == pytest.approx([10, 11, 12.24, 11.73], rel=1e-7)
    former = former_values(tmp_path)
    assert former.select("date", "factor", "change").rows() == [
        (date(2024, 1, 4), 1, "restated"),
        (date(2024, 1, 5), 1, "moved"),
    ]


def test_a_factor_wrong_at_one_bar_is_one_restated_bar(tmp_path: Path, make_batch: BatchMaker) -> None:
    factor = pl.when(pl.col("close") == 11).then(2.0).otherwise(1.0)
    store_unchecked(tmp_path, make_batch({"A": DAYS}, factor=factor))
    report = store_unchecked(tmp_path, make_batch({"A": DAYS}))
    assert (report.restated, report.changed) == ({"A": 1}, 1)
    assert stored(tmp_path, "A", "factor") == [1] * 4


def test_a_dividend_known_late_reaches_the_store_with_the_last_days(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": DAYS}))
    update = with_factors(make_batch({"A": {3: 12, 4: 11.5, 5: 11.4}}), {4: 1.05, 5: 1.05})
    report = store_unchecked(tmp_path, update)
    assert (report.added, report.restated, report.rescaled) == (1, {"A": 1}, 0)
    assert stored(tmp_path, "A", "factor") == pytest.approx([1, 1, 1, 1.05, 1.05], rel=1e-7)


def test_stored_bars_that_the_source_lacks_move_along_with_a_restated_factor(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    store_unchecked(tmp_path, make_batch({"A": {**DAYS, 5: 11.4}}))
    # the source ends on the 4th day and lacks the 3rd; the dividend is of the 2nd
    report = store_unchecked(tmp_path, with_factors(make_batch({"A": {1: 10, 2: 11, 4: 11.5}}), {2: 1.1, 4: 1.1}))
    assert (report.restated, report.changed) == ({"A": 1}, 2)
    assert stored(tmp_path, "A", "factor") == pytest.approx([1, 1.1, 1.1, 1.1, 1.1], rel=1e-7)
    assert stored(tmp_path, "A", "close") == pytest.approx([10, 12.1, 13.2, 12.65, 12.54], rel=1e-6)
    assert stored(tmp_path, "A", "volume") == pytest.approx([100, *[100 / 1.1] * 4], rel=1e-6)
    assert former_values(tmp_path)["change"].to_list() == ["restated", "moved", "moved", "moved"]


def test_without_a_bar_in_common_a_jump_of_the_factor_alone_is_a_new_scale(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    store_unchecked(tmp_path, make_batch({"A": ODD, "B": DAYS}))
    report = store_unchecked(tmp_path, rescaled(make_batch({"A": {5: 11.73}}), 0.25))
    assert report.rescaled == 1
    assert "no bar in common with the store, scale inferred from the jump of the factor: 1 symbol" in report.notes
    assert stored(tmp_path, "A") == pytest.approx([*ODD.values(), 11.73], rel=1e-7)
    report = store_unchecked(tmp_path, rescaled(make_batch({"B": {0: 9.9}}), 8))  # before the stored ones
    assert report.rescaled == 1
    assert stored(tmp_path, "B") == pytest.approx([9.9, *DAYS.values()], rel=1e-7)


def test_without_a_bar_in_common_a_split_and_a_dividend_stay_what_they_are(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    store_unchecked(tmp_path, make_batch({"SPLIT": DAYS, "DIVIDEND": DAYS}))
    # one share into two: the raw price halves, the factor doubles, and the adjusted close goes on
    update = with_factors(make_batch({"SPLIT": {5: 5.8}}), {5: 2.0})
    report = store_unchecked(tmp_path, update)
    assert report.rescaled == 0
    assert stored(tmp_path, "SPLIT", "close", "factor")[-1] == pytest.approx((11.6, 2))
    report = store_unchecked(tmp_path, with_factors(make_batch({"DIVIDEND": {5: 11.3}}), {5: 1.02}))
    assert stored(tmp_path, "DIVIDEND", "factor")[-1] == pytest.approx(1.02)
    assert [note for note in report.notes if "corporate actions" in note] == [
        "no bar in common with the store and the factor differs: 1 symbol; treated as corporate actions (include "
        "the last stored session in the source to be sure)"
    ]


def test_one_new_day_of_raw_bars_needs_no_bar_in_common(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": DAYS}))
    report = store_unchecked(tmp_path, make_batch({"A": {5: 12.5}, "NEW": {5: 3}}))
    assert (report.added, report.restated, report.rescaled, report.notes) == (2, {}, 0, ())
    assert stored(tmp_path, "A") == [*DAYS.values(), 12.5]


def test_many_updates_in_ever_new_scales_stay_exact_in_every_step(tmp_path: Path, make_batch: BatchMaker) -> None:
    closes = {day: 10 + 0.37 * (day % 5) for day in range(8)}
    store_unchecked(tmp_path, make_batch({"A": {0: closes[0], 1: closes[1]}}))
    for day in range(2, 8):
        update = make_batch({"A": {day - 1: closes[day - 1], day: closes[day]}})
        report = store_unchecked(tmp_path, rescaled(update, 1.7 ** (day % 7 - 3)))
        assert (report.added, report.restated) == (1, {})
    bars = open_market(tmp_path).bars(["A"]).cast(pl.Schema({"close": pl.Float64, "factor": pl.Float64}), strict=False)
    assert (bars["close"] / bars["factor"]).to_list() == pytest.approx(list(closes.values()), rel=1e-7)
    assert bars["factor"].to_list() == pytest.approx([1] * 8, rel=1e-6)
    again = store_unchecked(tmp_path, rescaled(make_batch({"A": closes}), 1 / 3))
    assert (again.restated, again.rescaled) == ({}, 1)


def test_the_last_days_of_a_qlib_directory_in_a_new_scale_are_an_update(tmp_path: Path, qlib_dir: QlibDir) -> None:
    qlib_dir.stock("sh600000", [10, 11, 12, 11.5, 11.7], factor=[0.5, 0.5, 0.6, 0.6, 0.6])
    ingest_qlib(tmp_path, qlib_dir.path)
    # normalised by another first day, and a dividend on the new one
    scaled = [value * 0.37 for value in (11.5, 11.7, 11.9)]
    update = type(qlib_dir)(tmp_path / "update").calendar(["2024-01-05", "2024-01-08", "2024-01-09"])
    spread = {"open": [value - 0.5 * 0.37 for value in scaled], "volume": [100 / 0.37] * 3}
    spread |= {"high": [value + 0.37 for value in scaled], "low": [value - 0.37 for value in scaled]}
    update.stock("sh600000", scaled, factor=[0.6 * 0.37, 0.6 * 0.37, 0.63 * 0.37], **spread)
    report = ingest_qlib(tmp_path, update.path)
    assert (report.added, report.changed, report.restated, report.rescaled) == (1, 0, {}, 1)
    assert stored(tmp_path, "SH600000") == pytest.approx([10, 11, 12, 11.5, 11.7, 11.9], rel=1e-6)
    assert stored(tmp_path, "SH600000", "factor") == pytest.approx([0.5, 0.5, 0.6, 0.6, 0.6, 0.63], rel=1e-6)
    assert stored(tmp_path, "SH600000", "volume") == pytest.approx([100] * 6, rel=1e-6)


def test_a_crash_within_the_transaction_leaves_bars_and_history_as_they_were(
    tmp_path: Path, make_batch: BatchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_unchecked(tmp_path, make_batch({"A": DAYS}))

    def crash(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(store, "_merge_lists", crash)
    with pytest.raises(SystemExit):
        store_unchecked(tmp_path, make_batch({"A": {**DAYS, 2: 11.2}}))
    assert former_values(tmp_path).is_empty()
    assert rows(tmp_path, "SELECT close FROM bars ORDER BY time") == [(10.0,), (11.0,), (12.0,), (11.5,)]


def test_a_bar_refused_now_moves_along_with_a_restated_factor(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_bars(tmp_path, make_batch({"A": DAYS}))
    update = with_factors(make_batch({"A": DAYS}), {2: 1.1, 3: 1.1, 4: 1.1})
    spoiled = update.bars.with_columns(low=pl.when(pl.col("date") == date(2024, 1, 4)).then(-1).otherwise("low"))
    report = store_bars(tmp_path, replace(update, bars=spoiled))
    assert (report.rejected, report.restated) == (1, {"A": 1})
    assert stored(tmp_path, "A") == pytest.approx([10, 12.1, 13.2, 12.65], rel=1e-6)


def test_a_bar_that_its_source_no_longer_has_is_kept_and_reported(tmp_path: Path, make_batch: BatchMaker) -> None:
    before = store_unchecked(tmp_path, make_batch({"A": DAYS, "B": DAYS}))
    lacking = {day: close for day, close in DAYS.items() if day not in (2, 3)}
    report = store_unchecked(tmp_path, make_batch({"A": lacking, "B": DAYS}))
    assert (report.vanished, report.first_vanished) == ({"A": 2}, ("A 2024-01-03", "A 2024-01-04"))
    assert (report.snapshot, stored(tmp_path, "A")) == (before.snapshot, list(DAYS.values()))
    assert (
        "no longer in the source: 2 stored bars of 1 symbol (A 2024-01-03, A 2024-01-04); kept, "
        "and recorded in the history" in report.lines()
    )
    assert read_history(open_market(tmp_path)).select("symbol", "date", "change", "ingest").rows() == [
        ("A", date(2024, 1, 3), "vanished", 2),
        ("A", date(2024, 1, 4), "vanished", 2),
    ]


def test_a_vanished_bar_is_reported_once_and_noted_when_it_returns(tmp_path: Path, make_batch: BatchMaker) -> None:
    lacking = {day: close for day, close in DAYS.items() if day != 2}
    store_unchecked(tmp_path, make_batch({"A": DAYS}))
    store_unchecked(tmp_path, make_batch({"A": lacking}))
    again = store_unchecked(tmp_path, make_batch({"A": lacking}))
    assert again.vanished == {}
    assert "still missing from the source: 1 bar that vanished earlier (kept)" in again.notes
    assert store_unchecked(tmp_path, make_batch({"A": DAYS})).notes == ()
    store_unchecked(tmp_path, make_batch({"A": lacking}))
    told = read_history(open_market(tmp_path)).select("change", "ingest").rows()
    assert told == [("vanished", 2), ("returned", 4), ("vanished", 5)]


def test_a_refused_bar_and_one_that_the_source_does_not_cover_have_not_vanished(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    store_bars(tmp_path, make_batch({"A": DAYS, "B": DAYS}))
    low = pl.when(pl.col("date") == date(2024, 1, 3)).then(-1).otherwise(pl.col("close") - 1)
    report = store_bars(tmp_path, make_batch({"A": DAYS}, low=low))
    assert (report.rejected, report.vanished) == (1, {})
    part = make_batch({"A": {2: 11, 3: 12}, "B": {1: 10, 2: 11}})
    assert store_bars(tmp_path, part).vanished == {}
    # a source that lists its sessions covers them for every symbol that it has
    report = store_bars(tmp_path, replace(part, complete=True))
    assert report.first_vanished == ("A 2024-01-02", "B 2024-01-04")
