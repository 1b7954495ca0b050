"""columns.yaml and figures.yaml are read as models, and a table that differs from its description is refused."""

import re

import polars as pl
import pytest

from kronos_quant.backtest.codes import REASONS, RISKS, SIDES, STATUSES
from kronos_quant.market.history import CHANGES
from kronos_quant.schema import Figure, TableError, check_table, documents, table, table_at, tables

HOLDINGS = pl.DataFrame(
    {"date": [None], "symbol": ["AAA"], "shares": [1.0], "price": [2.0], "value": [2.0], "weight": [1.0]},
    schema_overrides={"date": pl.Date},
)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (
            HOLDINGS.drop("price", "value", "weight"),
            "backtest.positions: column price is missing, found date, symbol, shares",
        ),
        (HOLDINGS.with_columns(lot=1), "backtest.positions: column lot has no description in columns.yaml"),
        (
            HOLDINGS.with_columns(pl.col("shares").cast(pl.Int64)),
            "backtest.positions: column shares: expected Float64, found Int64",
        ),
    ],
)
def test_a_table_that_differs_from_its_description_is_named_with_the_column(frame, words):
    with pytest.raises(TableError, match=f"^{re.escape(words)}$"):
        check_table("backtest.positions", frame)


def test_the_order_of_columns_is_free_and_optional_ones_may_be_absent():
    check_table("backtest.positions", HOLDINGS.select(sorted(HOLDINGS.columns)))
    assert table("backtest.orders").column("time").optional == "intraday bars only"
    assert table("forecast.bars").column("q975").name == "q<level>"


def test_every_entry_says_what_it_is_and_ends_without_a_full_stop():
    for one in (*tables(), *documents()):
        entries = one.columns if hasattr(one, "columns") else one.figures
        assert entries
        for entry in entries:
            assert len(entry.meaning) > 3, (one.name, entry)
            assert not entry.meaning.endswith("."), (one.name, entry)


def test_names_and_places_are_unique_and_keys_are_columns():
    for group in (tables(), documents()):
        assert len({one.name for one in group}) == len(group)
    own_places = [one.file for one in tables() if not one.file.startswith("<")]
    assert len(set(own_places)) == len(own_places)
    for one in tables():
        columns = {column.name for column in one.columns}
        assert set(one.key) <= columns, one.name
        assert set(one.order) <= columns, one.name
    assert table_at("db/snapshots/800360a940626b48/sessions.day.parquet").name == "snapshot.sessions"
    assert table_at("notes/mine.parquet") is None


def test_the_codes_of_the_columns_are_those_of_the_program():
    orders = table("backtest.orders")
    words = {*REASONS.values(), *RISKS.values()} - {""}
    assert set(orders.column("reason").values) == words
    assert set(orders.column("side").values) == set(SIDES.values())
    assert set(orders.column("status").values) == set(STATUSES.values())
    assert set(table("snapshot.history").column("change").values) == set(CHANGES)


def test_a_key_stands_for_the_paths_of_its_form():
    assert Figure(key="recipe.**", meaning="settings").describes(("recipe", "asof", "every"))
    assert not Figure(key="recipe.**", meaning="settings").describes(("recipes", "asof"))
    assert not Figure(key="contenders.<name>.says", meaning="words").describes(("contenders", "says"))
