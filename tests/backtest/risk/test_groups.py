from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from backtest.markets import dates

from kronos_quant.backtest.risk.groups import groups_of
from kronos_quant.errors import DataError

SCHEMA = {"symbol": pl.String, "group": pl.String, "start": pl.Date, "end": pl.Date}


def spans(*rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def test_a_symbol_is_in_its_group_from_the_first_to_the_last_day_of_its_span():
    listed = spans(
        ("B", "steel", None, date(2024, 1, 2)),
        ("B", "banks", date(2024, 1, 4), None),
        ("A", "steel", None, None),
        ("Z", "paper", None, None),
    )
    found = groups_of(listed, dates(5), ["A", "B", "C"])
    assert found.names == ("banks", "steel")
    assert found.member[:, 0].tolist() == [1] * 5
    assert found.member[:, 1].tolist() == [1, 1, -1, 0, 0]
    assert found.member[:, 2].tolist() == [-1] * 5


def test_a_symbol_in_two_groups_at_once_is_refused():
    twice = spans(("A", "steel", None, date(2024, 1, 3)), ("A", "banks", date(2024, 1, 3), None))
    with pytest.raises(DataError, match="symbols in two groups at once: A"):
        groups_of(twice, dates(5), ["A"])
