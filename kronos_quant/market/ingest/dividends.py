"""A file, a folder or a table of dividends -> the store, from where they travel with every snapshot.

One row per symbol and ex-date; several rows of an ex-date are added up. Of the symbols in a source, what is stored from
its first to its last ex-date is replaced; other symbols and other dates stay, so that files of one symbol, of one day
and whole tables can be mixed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from kronos_quant.display import TextReport
from kronos_quant.errors import DataError, counted, listed
from kronos_quant.inputs import PathLike, Table, as_path, short_repr
from kronos_quant.market.dialects.cells import MISSING, usual_stamps
from kronos_quant.market.dialects.dividends import AFTER_TAX, CARRIED_OUT, PROGRESS, amount_columns, date_columns
from kronos_quant.market.dialects.names import FIELDS, find_columns
from kronos_quant.market.dialects.texts import LINE
from kronos_quant.market.dividends import AMOUNTS, DIVIDENDS, contradictions, store_dividends
from kronos_quant.market.ingest.columns import check_years, parse_stamps, read_numbers
from kronos_quant.market.ingest.lists import publish_list, read_cells, read_symbols
from kronos_quant.market.ingest.tables import source_files
from kronos_quant.market.reader import Market, open_market
from kronos_quant.market.symbols import symbol_from_filename

_FILES = (".csv", ".csv.gz", ".csv.zst", ".txt", ".tsv")
_A_SHARE = r"^(SH6|SZ[03]|BJ)"
"""Of these the ex-date is the session after the record date; B shares and other markets settle otherwise."""


@dataclass(frozen=True, slots=True, repr=False)
class DividendReport(TextReport):
    """What the ingest of dividends did."""

    path: str
    dividends: int
    """Ex-dates of symbols that were stored."""
    symbols: int
    first: date
    last: date
    """First and last ex-date."""
    replaced: int
    """Stored ones that were replaced."""
    planned: int
    """Rows left out: not carried out, or without an ex-date."""
    empty: int
    """Rows left out: nothing is paid, given or offered."""
    added_up: int
    """Ex-dates that several rows were added up for."""
    late: tuple[str, ...]
    """Symbol and ex-date where sessions lie between the record date and the ex-date."""
    contradicted: tuple[tuple[str, float, float], ...]
    """Symbol and ex-date, how the factor moves there, and how it should."""
    without_bars: tuple[str, ...]
    """Symbols without any stored bar."""
    snapshot: str

    def lines(self) -> list[str]:
        """The report in words, one fact per line."""
        lines = [
            f"{self.path}: {counted(self.dividends, 'dividend')} of {counted(self.symbols, 'symbol')}, "
            f"{self.first} to {self.last}; {self.replaced:,} replaced"
        ]
        left_out = [(self.planned, "not carried out or without an ex-date"), (self.empty, "without any amount")]
        if found := [f"{counted(count, 'row')} {why}" for count, why in left_out if count]:
            lines.append(f"left out: {', '.join(found)}")
        if self.added_up:
            lines.append(f"added up: {counted(self.added_up, 'ex-date')} with several rows")
        if self.late:
            lines.append(f"sessions between record date and ex-date: {listed(self.late)}")
        if self.contradicted:
            places = [
                f"{place}: factor x {found:.4f}, expected {wanted:.4f}" for place, found, wanted in self.contradicted
            ]
            lines.append(
                f"contradict the factor of the bars, kept: {counted(len(places), 'dividend')} ({listed(places)})"
            )
        if self.without_bars:
            lines.append(f"without bars: {counted(len(self.without_bars), 'symbol')} ({listed(self.without_bars)})")
        return [*lines, f"snapshot {self.snapshot[:16]}"]


@dataclass(frozen=True, slots=True)
class ReadDividends:
    """The dividends of a source (DIVIDENDS, by symbol and ex-date), and how many rows were left out or added up."""

    frame: pl.DataFrame
    planned: int
    empty: int
    added_up: int


def ingest_dividends(root: PathLike, source: PathLike | Table) -> DividendReport:
    """Read dividends into the workspace folder `root` and publish the result.

    source : a text file, a folder of them, or a table. Raises DataError for a source that cannot be read, or a
    workspace without bars; the store is unchanged then.
    """
    root = as_path(root, "root")
    market = open_market(root)
    read = read_dividends(source, market.exchange)
    frame = read.frame
    with market.connect() as bars:
        contradicted = tuple(contradictions(bars, frame))
    note = counted(len(frame), "dividend")
    published = publish_list(
        root, "dividends", source, frame, note, lambda connection: store_dividends(connection, frame)
    )
    return DividendReport(
        path=published.path,
        dividends=len(frame),
        symbols=frame["symbol"].n_unique(),
        first=min(frame["ex_date"]),
        last=max(frame["ex_date"]),
        replaced=published.replaced,
        planned=read.planned,
        empty=read.empty,
        added_up=read.added_up,
        late=tuple(_late(frame, market)),
        contradicted=contradicted,
        without_bars=published.without_bars,
        snapshot=published.snapshot,
    )


def read_dividends(source: PathLike | Table, exchange: str = "") -> ReadDividends:
    """The dividends of a file, a folder of files or a table; DataError, with line, column and value, for a bad cell.

    exchange : ISO code, for codes of digits alone
    """
    if isinstance(source, str | Path) and as_path(source, "source").is_dir():
        tables = [_read(path, exchange) for path in source_files(as_path(source, "source"), _FILES, None)]
    else:
        tables = [_read(source, exchange)]
    rows = pl.concat([frame for frame, _, _ in tables]).unique()
    if rows.is_empty():
        place = source if isinstance(source, str | Path) else "table"
        raise DataError(f"{place}: expected dividends with an ex-date and an amount, found none")
    keyed = rows.group_by("symbol", "ex_date").agg(
        pl.len().alias("rows"),
        pl.col("record_date", "pay_date", "list_date").max(),
        pl.col("cash", "bonus", "transferred", "rights_ratio").sum(),
        pl.col("rights_price").max(),
    )
    return ReadDividends(
        keyed.select(pl.col(name).cast(dtype) for name, dtype in DIVIDENDS.items()).sort("symbol", "ex_date"),
        sum(planned for _, planned, _ in tables),
        sum(empty for _, _, empty in tables),
        int((keyed["rows"] > 1).sum()),
    )


def _read(source: PathLike | Table, exchange: str) -> tuple[pl.DataFrame, int, int]:
    """The rows of one table that pay something (DIVIDENDS), and how many are plans or pay nothing."""
    place, cells = read_cells(source)
    names = [name for name in cells.columns if name != LINE]
    dates, amounts = date_columns(names), amount_columns(names)
    if "ex_date" not in dates or not amounts.keys() - {"rights_price"}:
        after = find_columns(names, AFTER_TAX)
        raise DataError(
            f"{place}: expected an ex-date and cash before tax, bonus, transferred or rights_ratio, "
            f"found {listed(names, 20)}" + (f"; {after[0]} is after tax" if after else "")
        )
    total = len(cells)
    if progress := find_columns(names, PROGRESS):
        cells = cells.filter(pl.col(progress[0]).str.strip_chars().str.starts_with(CARRIED_OUT).fill_null(False))
    if cells.is_empty():
        return pl.DataFrame(schema=DIVIDENDS), total, 0
    days = {ours: _days(place, cells, dates.get(ours)) for ours in ("ex_date", "record_date", "pay_date", "list_date")}
    numbers = read_numbers(str(place), "line", cells, {ours: column for ours, (column, _) in amounts.items()})
    columns = {ours: numbers[ours].fill_null(0.0) / shares for ours, (_, shares) in amounts.items()}
    columns |= {ours: pl.Series([0.0]).new_from_index(0, len(cells)) for ours in AMOUNTS if ours not in columns}
    symbols = _symbols(place, cells, names, exchange)
    frame = pl.DataFrame({"symbol": symbols} | days | columns).select(
        *(pl.col(name).cast(dtype) for name, dtype in DIVIDENDS.items()), cells[LINE]
    )
    _check(place, frame, {ours: column for ours, (column, _) in amounts.items()} | dates)
    dated = frame.filter(pl.col("ex_date").is_not_null())
    paying = dated.filter(pl.any_horizontal(pl.col("cash", "bonus", "transferred", "rights_ratio") > 0))
    return paying.drop(LINE), total - len(dated), len(dated) - len(paying)


def _days(place: Path | str, cells: pl.DataFrame, column: str | None) -> pl.Series:
    if column is None:
        return pl.Series([None], dtype=pl.Date).new_from_index(0, len(cells))
    text = cells[column].str.strip_chars()
    filled = text.is_not_null() & ~text.str.to_lowercase().is_in(MISSING)
    text = text.zip_with(filled, pl.Series([None], dtype=pl.String).new_from_index(0, len(text)))
    days = parse_stamps(usual_stamps(text, str(place)), None)
    wrong = (filled & days.is_null()).arg_true()
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{place}: line {cells[LINE][row]}: column {column}: expected a date like 2024-06-18 or an empty cell, "
            f"found {short_repr(text[row])}"
        )
    check_years(f"{place}: line", cells[LINE].filter(filled), text.filter(filled), days.filter(filled))
    return days.dt.date()


def _symbols(place: Path | str, cells: pl.DataFrame, names: list[str], exchange: str) -> pl.Series:
    columns = find_columns(names, FIELDS["symbol"])
    if not columns:
        if not isinstance(place, Path):
            raise DataError(f"{place}: expected a column with the symbol, found {listed(names, 20)}")
        return pl.Series([symbol_from_filename(place, exchange)]).new_from_index(0, len(cells))
    return read_symbols(place, cells, columns[0], exchange)


def _check(place: Path | str, frame: pl.DataFrame, columns: dict[str, str]) -> None:
    """Raise DataError for a negative amount, rights without a price, and a record date not before the ex-date."""
    faults: list[tuple[str, pl.Expr, str]] = [
        (name, (pl.col(name) < 0) | ~pl.col(name).is_finite(), "a number from 0") for name in AMOUNTS if name in columns
    ]
    if "rights_ratio" in columns:
        priceless = (pl.col("rights_ratio") > 0) & (pl.col("rights_price") <= 0)
        faults.append(("rights_price", priceless, "the price of the rights issue"))
    if "record_date" in columns:
        swapped = pl.col("symbol").str.contains(_A_SHARE) & (pl.col("record_date") >= pl.col("ex_date"))
        faults.append(("record_date", swapped.fill_null(False), "a day before the ex-date"))
    for name, bad, expected in faults:
        found = frame.filter(bad)
        if len(found):
            row = found.row(0, named=True)
            shown = f"{row[name]}, ex-date {row['ex_date']}" if name == "record_date" else f"{row[name]:g}"
            raise DataError(
                f"{place}: line {row[LINE]}: column {columns.get(name, name)}: expected {expected}, found {shown}"
            )


def _late(frame: pl.DataFrame, market: Market) -> Iterable[str]:
    """Symbol and ex-date of A shares where sessions lie between the record date and the ex-date."""
    sessions = pl.Series(market.sessions())
    inside = frame.filter(
        pl.col("symbol").str.contains(_A_SHARE), pl.col("record_date") >= sessions[0], pl.col("ex_date") <= sessions[-1]
    )
    steps = sessions.search_sorted(inside["ex_date"]) - sessions.search_sorted(inside["record_date"], side="right")
    for symbol, ex_date in inside.filter(steps > 0).select("symbol", "ex_date").iter_rows():
        yield f"{symbol} {ex_date}"
