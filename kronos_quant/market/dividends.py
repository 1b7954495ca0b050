"""Dividends: cash, new shares and rights by ex-date, what they make of a price, and the store's table of them."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import polars as pl

from kronos_quant.market.database import statement

DIVIDENDS: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "ex_date": pl.Date(),
    "record_date": pl.Date(),
    "pay_date": pl.Date(),
    "list_date": pl.Date(),
    "cash": pl.Float64(),
    "bonus": pl.Float64(),
    "transferred": pl.Float64(),
    "rights_ratio": pl.Float64(),
    "rights_price": pl.Float64(),
}
"""Per share, in the currency; dates but the ex-date may be null: record unknown, paid and listed on the ex-date."""

AMOUNTS = ("cash", "bonus", "transferred", "rights_ratio", "rights_price")

_TICK = 0.01
_SLACK = 1e-3  # relative: the amounts that vendors round, and float32


def reference_price(close: float, cash: float, shares: float, rights_ratio: float, rights_price: float) -> float:
    """The ex-rights reference price: what the close before is worth on the ex-date, per share held then.

    Parameters
    ----------
    close
        Raw close before the ex-date.
    cash, shares
        Per share: cash before tax, and new shares that cost nothing.
    rights_ratio, rights_price
        Shares per share that may be bought, and at which price.

    >>> reference_price(10.0, 0.5, 0.9, 0.0, 0.0)
    5.0
    """
    return (close - cash + rights_ratio * rights_price) / (1 + shares + rights_ratio)


def store_dividends(connection: duckdb.DuckDBPyConnection, dividends: pl.DataFrame) -> int:
    """Store dividends (DIVIDENDS); return how many stored ones they replace.

    connection : in a transaction of the caller
    """
    connection.register("incoming_dividends", dividends.select(list(DIVIDENDS)).to_arrow())
    removed = connection.execute(statement("replace_dividends")).fetchall()
    connection.execute("INSERT INTO dividends SELECT * FROM incoming_dividends")
    return len(removed)


def contradictions(bars: duckdb.DuckDBPyConnection, dividends: pl.DataFrame) -> Iterator[tuple[str, float, float]]:
    """The ex-dates on which the bars' factor does not move as the dividends say: symbol and date, found, expected.

    bars : of `Market.connect`; dividends : DIVIDENDS. Symbols whose factor never changes are left out, as are ex-dates
    between which a symbol has no bar.
    """
    bars.register("incoming_dividends", dividends.select(list(DIVIDENDS)).to_arrow())
    moved = {symbol for (symbol,) in bars.sql("SELECT DISTINCT symbol FROM corporate_actions").fetchall()}
    found = bars.sql(statement("check_dividends")).pl()
    alone = found.filter(pl.len().over("symbol", "before_time") == 1, pl.col("symbol").is_in(sorted(moved)))
    for row in alone.iter_rows(named=True):
        amounts = (row["cash"], row["shares"], row["rights_ratio"], row["rights_price"])
        reference = reference_price(row["close_before"], *amounts)
        expected = row["close_before"] / reference if reference > 0 else float("inf")
        if not abs(row["found"] / expected - 1) <= _SLACK + _TICK / max(reference, _TICK):
            yield f"{row['symbol']} {row['ex_date']}", row["found"], expected
