"""The sections of a back-test's page that show its tables: years, drawdowns, contributors, holdings and orders.

They are on the page alone; report.txt is the document of `pages.tearsheet`.
"""

from __future__ import annotations

import polars as pl

from kronos_quant.backtest import BacktestResult
from kronos_quant.display import figure_or_dash
from kronos_quant.errors import counted
from kronos_quant.report.account_tables import other_profit
from kronos_quant.report.document import Part

MOST_ROWS = 2_000
"""Of a table on a page; its Parquet file has all."""

SHOWN = 25
"""Rows that are shown at first."""

ENDS = 10
"""Contributors of each end."""

DEEPEST = 10
"""Drawdowns listed."""

CENT = 0.005
"""Money below which nothing is left over."""

YEAR_COLUMNS = (
    ("sessions", "sessions", "{:,.0f}"),
    ("return", "return", "{:+.1%}"),
    ("gross_return", "before costs", "{:+.1%}"),
    ("benchmark_return", "benchmark", "{:+.1%}"),
    ("excess_return", "excess", "{:+.1%}"),
    ("annual_volatility", "volatility, annual", "{:.1%}"),
    ("sharpe_ratio", "Sharpe ratio, annual", "{:.2f}"),
    ("max_drawdown", "maximum drawdown", "{:.1%}"),
    ("turnover", "turnover per session", "{:.1%}"),
    ("cost", "cost / account", "{:.2%}"),
)
OF_BENCHMARK = ("benchmark_return", "excess_return")


def years(table: pl.DataFrame, caveat: str = "") -> Part:
    """Figures of each calendar year. table : of `year_table`; caveat : of the result"""
    known = [one for one in YEAR_COLUMNS if one[0] not in OF_BENCHMARK or table["benchmark_return"].null_count() == 0]
    rows = tuple(
        (str(row["year"]), *(_cell(row[name], form) for name, _, form in known)) for row in table.iter_rows(named=True)
    )
    line = "Each year by itself, from the close before it; a first or last year may be a part of one (years.parquet)."
    columns = ("year", *(label for _, label, _ in known))
    lines = (line, caveat) if caveat else (line,)
    return Part("By year", lines, columns, rows, wide=True, sortable=True)


def deepest_drawdowns(table: pl.DataFrame) -> Part | None:
    """The deepest drawdowns. table : of `drawdown_table`"""
    rows = tuple(
        (
            str(row["start"]),
            str(row["trough"]),
            str(row["end"]),
            f"{row['depth']:.2%}",
            f"{row['sessions']:,}",
            f"{(row['end'] - row['start']).days + 1:,}",
            "yes" if row["recovered"] else "no",
        )
        for row in table.head(DEEPEST).iter_rows(named=True)
    )
    if not rows:
        return None
    lines = (
        "A drawdown starts at the first session below the highest value so far and ends at the last one below it "
        f"({counted(len(table), 'drawdown')} in drawdowns.parquet).",
    )
    columns = ("start", "trough", "end", "depth", "sessions", "calendar days", "recovered")
    return Part("Deepest drawdowns", lines, columns, rows, wide=True, sortable=True)


def contributors(result: BacktestResult, table: pl.DataFrame) -> list[Part]:
    """The symbols that earned and lost most, and all that were traded. table : of `contributor_table`"""
    if table.is_empty():
        return []
    count = min(ENDS, (len(table) + 1) // 2)
    best, worst = table.head(count), table.tail(min(count, len(table) - count)).reverse()
    whole = float(result.account[-1]) - result.strategy.account
    earned = (
        f"{counted(len(table), 'symbol')} traded; together {float(table['profit'].sum()):+,.2f}, after costs and with "
        "what is still held at its last price."
    )
    rest = other_profit(result)
    left = f" The account's profit of {whole:+,.2f} also holds {rest:+,.2f} that no symbol's trades paid (borrow fees)."
    paid = result.metrics["dividends"] or result.metrics["dividend_tax"]
    held = "A profit holds the symbol's dividends, less the tax on them. " if paid else ""
    lines = (earned + (left if abs(rest) >= CENT else ""), f"{held}contribution: profit / initial account.")
    columns = ("symbol", "profit", "contribution", "cost", "fills", "sessions held")
    ends = [
        Part(title, lines if title.startswith("Best") else (), columns, _profits(part), shaded=True, sortable=True)
        for title, part in (("Best contributors", best), ("Worst contributors", worst))
        if len(part)
    ]
    every = Part(
        "All contributors",
        (f"{_newest(len(table), 'largest absolute profits', 'symbol')}contributors.parquet has every symbol.",),
        ("symbol", "profit", "contribution", "bought", "sold", "held at the end", "cost", "fills", "sessions held"),
        tuple(
            (
                *(row["symbol"], f"{row['profit']:+,.2f}", f"{row['contribution']:+.2%}", f"{row['bought']:,.0f}"),
                *(f"{row['sold']:,.0f}", f"{row['value']:,.0f}", f"{row['cost']:,.2f}", f"{row['fills']:,}"),
                f"{row['sessions']:,}",
            )
            for row in _largest(table, pl.col("profit").abs()).iter_rows(named=True)
        ),
        wide=True,
        sortable=True,
        filters=(("symbol", "text"),),
        shown=SHOWN,
    )
    return [*ends, every] if len(table) > 2 * count else ends


def last_holdings(result: BacktestResult) -> Part | None:
    """What is held at the close of the last session, the largest first."""
    held = result.positions.filter(pl.col("date") == result.dates[-1])
    if held.is_empty():
        return None
    rows = tuple(
        (
            row["symbol"],
            quantity(row["shares"]),
            quantity(row["price"]),
            f"{row['value']:,.2f}",
            figure_or_dash(row["weight"], "{:.2%}"),
        )
        for row in _largest(held, pl.col("value").abs()).iter_rows(named=True)
    )
    lines = (
        f"{counted(len(held), 'holding')} at the close of {result.dates[-1]}. "
        f"{_newest(len(held), 'largest', 'holding')}positions.parquet has every session.",
    )
    columns = ("symbol", "shares", "price", "value", "weight")
    filters = (("symbol", "text"),) if len(held) > SHOWN else ()
    return Part(
        "Holdings at the end", lines, columns, rows, wide=True, sortable=True, filters=filters, shown=SHOWN
    )  # fmt: skip


def orders(result: BacktestResult) -> Part | None:
    """The newest orders, with what became of them."""
    if result.orders.is_empty():
        return None
    when = "time" if "time" in result.orders.columns else "date"
    newest = result.orders.tail(MOST_ROWS).reverse()
    rows = tuple(
        (
            str(row[when]),
            row["symbol"],
            row["side"],
            row["status"],
            row["reason"] or "",
            quantity(row["wanted_shares"]),
            quantity(row["shares"]),
            quantity(row["price"]),
            f"{row['value']:,.2f}",
            f"{row['cost'] + row['slippage'] + row['impact']:,.2f}",
        )
        for row in newest.iter_rows(named=True)
    )
    lines = (
        f"{_newest(len(result.orders), 'newest', 'order')}orders.parquet has every order, fills.parquet those that "
        "were filled. Prices and shares are raw; cost is all that was paid, slippage and impact included.",
    )
    columns = (when, "symbol", "side", "status", "reason", "wanted", "shares", "price", "value", "cost")
    filters = (("symbol", "text"), ("side", "choice"), ("status", "choice"), ("reason", "choice"))
    return Part("Orders", lines, columns, rows, wide=True, sortable=True, filters=filters, shown=SHOWN, name="orders")


def quantity(value: float | None) -> str:
    """Shares or a price as text, with as many digits as it needs.

    >>> quantity(1200.0), quantity(10.125), quantity(0.0000312), quantity(None)
    ('1,200', '10.125', '0.0000312', '-')
    """
    if value is None:
        return "-"
    digits = 0 if abs(value - round(value)) < 1e-9 * max(1.0, abs(value)) else 3 if abs(value) >= 1 else 7
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits else text


def _profits(table: pl.DataFrame) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            *(row["symbol"], f"{row['profit']:+,.2f}", f"{row['contribution']:+.2%}", f"{row['cost']:,.2f}"),
            *(f"{row['fills']:,}", f"{row['sessions']:,}"),
        )
        for row in table.iter_rows(named=True)
    )


def _largest(table: pl.DataFrame, by: pl.Expr) -> pl.DataFrame:
    return table.sort(by, "symbol", descending=[True, False]).head(MOST_ROWS)


def _newest(count: int, which: str, what: str) -> str:
    """'The newest 2,000 of 60,449 orders; ' where a table does not show all."""
    return f"The {MOST_ROWS:,} {which} of {counted(count, what)}; " if count > MOST_ROWS else ""


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else figure_or_dash(float(value), form)
