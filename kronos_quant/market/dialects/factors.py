"""Factors beside raw prices: in files of their own, or told by a column of adjusted closes.

| source | file or column | adjusted price |
|---|---|---|
| tushare `adj_factor`, `fund_adj` | a row a day | raw x factor |
| baostock `query_adjust_factor` | a row an ex-date: backAdjustFactor holds from it on | raw x factor |
| Sina hfq-factor | a row an ex-date | raw x factor |
| Sina qfq-factor | a row an ex-date | raw / factor |
| Yahoo, Alpha Vantage, Tiingo | Adj Close | raw x (Adj Close / Close) |
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from kronos_quant.errors import DataError, listed
from kronos_quant.market.dialects.cells import as_plain_number, usual_stamps
from kronos_quant.market.dialects.names import DAYS, EX_DATES, FIELDS, MOMENTS, find_columns
from kronos_quant.market.dialects.texts import LINE
from kronos_quant.market.symbols import canonical_column, symbol_from_filename
from kronos_quant.schema import PRICES

FACTORS: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "date": pl.Date(),
    "factor": pl.Float64(),
    "by_event": pl.Boolean(),
}
"""A factor holds from its date on, until the next one of its symbol; by_event: its dates are ex-dates, not all days."""

_PARSED = "%Y-%m-%d"


def read_factors(place: str, frame: pl.DataFrame, file: Path | None, exchange: str = "") -> pl.DataFrame:
    """The factors of one table: columns FACTORS, sorted.

    Parameters
    ----------
    place
        The table in errors.
    frame
        Its cells, with LINE or without; a date, a factor and, unless the file's name is it, a symbol.
    file
        The file whose name may contain the symbol.
    exchange
        ISO code, for codes of digits alone.

    Raises
    ------
    DataError
        For a missing column, and a cell that is no date or no factor above 0.
    """
    names = [name for name in frame.columns if name != LINE]
    [multiplies, divides, plain] = (
        find_columns(names, FIELDS[field]) for field in ("raw_factor", "dividing_factor", "factor")
    )
    days = find_columns(names, (*EX_DATES, *DAYS, *MOMENTS))
    column = next(iter((*multiplies, *divides, *plain)), None)
    if column is None or not days:
        raise DataError(f"{place}: expected a date and a factor, found {listed(names, 20)}")
    symbols = find_columns(names, FIELDS["symbol"])
    if symbols:
        symbol = canonical_column(frame[symbols[0]].cast(pl.String), exchange)
    elif file is not None:
        symbol = pl.Series([symbol_from_filename(file, exchange)]).new_from_index(0, len(frame))
    else:
        raise DataError(f"{place}: expected a column with the symbol next to the factor")
    text = usual_stamps(frame[days[0]].cast(pl.String), place).str.strip_chars().str.slice(0, 10)
    dates = text.str.replace_all(r"[/.\-]", "-").str.replace(r"^(\d{4})(\d{2})(\d{2})$", "$1-$2-$3")
    dates = dates.str.replace(r"-(\d)(-|$)", "-0$1$2").str.replace(r"-(\d)$", "-0$1").str.to_date(_PARSED, strict=False)
    values = frame.select(as_plain_number(pl.col(column).cast(pl.String))).to_series()
    wrong = dates.is_null() | (values <= 0).fill_null(True)
    if wrong.any():
        row = int(wrong.arg_true()[0])
        line = frame[LINE][row] if LINE in frame.columns else row + 1
        raise DataError(
            f"{place}: line {line}: expected a date and a factor above 0, found {frame[days[0]][row]!r} and "
            f"{frame[column][row]!r}"
        )
    factor = 1 / values if not multiplies and divides else values
    by_event = bool(find_columns(names, EX_DATES)) or not multiplies
    columns = {"symbol": symbol, "date": dates, "factor": factor, "by_event": by_event}
    found = pl.DataFrame(columns, schema=FACTORS)
    return found.unique(["symbol", "date"], keep="last", maintain_order=True).sort("symbol", "date")


def adjust(bars: pl.DataFrame, factor: pl.Expr) -> pl.DataFrame:
    """Raw bars as adjusted ones: prices times the factor, the volume divided by it; the factor beside them."""
    return bars.with_columns(factor.alias("factor")).with_columns(
        *(pl.col(price) * pl.col("factor") for price in PRICES), pl.col("volume") / pl.col("factor")
    )


def join_factors(bars: pl.DataFrame, factors: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Raw bars with the factor of their date, and how many of each symbol come before its first factor.

    bars : symbol and time; factors : FACTORS
    A bar before the first factor gets 1 where the factors are of ex-dates only, else the first one. Symbols without
    any factor keep 1.
    """
    dated = bars.with_row_index("#row").with_columns(pl.col("time").dt.date().alias("#date"))
    steps = factors.rename({"factor": "#factor"}).sort("date")
    joined = dated.sort("#date").join_asof(
        steps, left_on="#date", right_on="date", by="symbol", strategy="backward", check_sortedness=False
    )
    firsts = factors.group_by("symbol").agg(
        pl.col("date").min().alias("#since"),
        pl.col("factor").sort_by("date").first().alias("#first"),
        pl.col("by_event").any().alias("#by_event"),
    )
    joined = joined.join(firsts, on="symbol", how="left").sort("#row")
    early = joined.filter(pl.col("#factor").is_null() & pl.col("#since").is_not_null())
    lacking = early.group_by("symbol").agg(pl.len().alias("bars")).sort("symbol")
    before = pl.when("#by_event").then(1.0).otherwise(pl.col("#first"))
    filled = joined.with_columns(pl.coalesce("#factor", before, 1.0).alias("#factor"))
    return adjust(filled, pl.col("#factor")).select(bars.columns), lacking
