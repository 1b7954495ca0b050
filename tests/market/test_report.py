from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from kronos_quant.market import Batch, IngestReport, store_bars
from kronos_quant.market.report import by_rule

BatchMaker = Callable[..., Batch]


@pytest.fixture
def report(tmp_path: Path, make_batch: BatchMaker) -> IngestReport:
    low = pl.when(pl.col("close") == 11).then(-1).otherwise(pl.col("close"))
    return store_bars(tmp_path, make_batch({"A": {1: 10, 2: 11, 3: 20}}, low=low))


def test_the_lines_say_what_was_stored_refused_and_kept_with_a_warning(report: IngestReport) -> None:
    assert report.lines() == [
        "test: 1 symbol, 3 sessions (day), 2024-01-02 to 2024-01-04",
        "bars: 2 accepted: 2 new, 0 changed, 0 as before",
        "rejected: 1 (price_not_positive 1)",
        "kept with a warning: (price_jump 1)",
        "suspended: 1 session of listed symbols without a bar",
        f"exchange: unknown; snapshot {report.snapshot[:16]}",
    ]


def test_the_dictionary_survives_json(report: IngestReport) -> None:
    told = json.loads(json.dumps(report.as_dict()))
    assert (told["first"], told["last"], told["rejected"]) == ("2024-01-02", "2024-01-04", 1)
    assert told["rejected_by_rule"] == {"price_not_positive": 1}
    assert told["snapshot"] == report.snapshot


def test_rules_are_listed_most_frequent_first() -> None:
    assert by_rule({"b": 1, "a": 1, "c": 2000}) == " (c 2,000, a 1, b 1)"
    assert by_rule({}) == ""
