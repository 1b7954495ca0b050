"""Weights of an index: the files that people have, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from made import store_unchecked

from kronos_quant.errors import DataError
from kronos_quant.market import BarBatch, ingest_weights, open_market
from kronos_quant.market.ingest.weights import read_weights
from kronos_quant.market.universes import OPEN_END

BatchMaker = Callable[..., BarBatch]
TUSHARE = (
    "index_code,con_code,trade_date,weight\n000300.SH,600000.SH,20240102,60\n000300.SH,000001.SZ,20240102,40.5\n"
    "000300.SH,600000.SH,20240201,100\n"
)
CSINDEX = (
    "日期Date,指数代码Index Code,成份券代码Constituent Code,权重(%)weight\n20240102,000300,600000,59.7\n"
    "20240102,000300,000001,40.3\n20240201,000300,600000,100\n"
)
PLAIN = "date,symbol,weight\n2024-01-02,SH600000,0.6\n2024-01-02,SZ000001,0.4\n2024-02-01,SH600000,1\n"


@pytest.mark.parametrize("text", [TUSHARE, CSINDEX, PLAIN])
def test_weights_hold_until_the_next_date_of_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "weights.csv"
    path.write_text(text)
    rows = read_weights(path, "XSHG").sort("symbol", "start").rows()
    assert [row[:3] for row in rows] == [
        ("SH600000", date(2024, 1, 2), date(2024, 1, 31)),
        ("SH600000", date(2024, 2, 1), OPEN_END),
        ("SZ000001", date(2024, 1, 2), date(2024, 1, 31)),
    ]
    assert [float(row[3]) for row in rows] == pytest.approx([0.6, 1.0, 0.4], abs=0.006)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,symbol\n2024-01-02,A\n", "missing columns weight; found date, symbol"),
        ("date,symbol,weight\n2024-01-02,A,0.5\n", "weights that add up to 1 or 100 on each date, found 0.5 on"),
        ("date,symbol,weight\n2024-01-02,A,-1\n", "line 2: column weight: expected a weight of at least 0, found '-1'"),
        ("date,symbol,weight\n2024-01-02,,1\n", "line 2: column symbol: expected a symbol, found '' (an empty cell)"),
        ("date,symbol,weight\nsoon,A,1\n", "line 2: column date: expected a date like 2024-06-28, found 'soon'"),
        ("date,symbol,weight\n2024-01-02,A,.5\n2024-01-02,A,.5\n", "A has more than one weight on 2024-01-02"),
        (TUSHARE + "000905.SH,600000.SH,20240301,100\n", "expected one index, found 000300.SH, 000905.SH"),
    ],
)
def test_what_is_no_table_of_weights_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "weights.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_weights(path, "XSHG")
    assert message in str(caught.value)


def test_weights_of_an_index_replace_the_stored_ones_and_no_others(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"SH600000": {1: 10.0}}))
    table = pl.DataFrame({"date": [date(2024, 1, 2)] * 2, "symbol": ["SH600000", "SZ000001"], "weight": [0.25, 0.75]})
    assert ingest_weights(tmp_path, "CSI300", table).without_bars == ("SZ000001",)
    ingest_weights(tmp_path, "csi500", table.head(1).with_columns(weight=pl.lit(1.0)))
    assert ingest_weights(tmp_path, "csi300", table).replaced == 2
    market = open_market(tmp_path)
    assert market.intervals("weights:csi300")["value"].to_list() == ["0.25", "0.75"]
    assert market.intervals("weights:csi500")["value"].to_list() == ["1.0"]
