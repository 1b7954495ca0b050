"""The page of dialects: whose files are read, how each is recognised, and what columns may be called."""

from __future__ import annotations

from collections.abc import Iterator

from docs.build.markdown import code, codes, page, table
from kronos_quant.market.dialects.names import (
    CLOCKS,
    DAYS,
    DIVIDEND_DATES,
    EX_DATES,
    FIELDS,
    MOMENTS,
    PER_SHARE,
    PER_TEN,
)
from kronos_quant.market.dialects.units import PAIRS, VOLUME_NAMES
from kronos_quant.market.dialects.vendors import DIALECTS, Dialect

_VOLUMES = {1.0: "shares", 10.0: "lots of 10", 100.0: "lots of 100", 1e6: "10,000 lots of 100"}
_UNITS = {1.0: "units", 1e3: "thousands", 1e4: "ten thousands", 1e8: "hundred millions"}
_MEANINGS = {
    "symbol": "symbol",
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "amount": "traded value",
    "factor": "factor of prices that are adjusted already: adjusted = raw x factor",
    "raw_factor": "factor next to raw prices: adjusted = raw x factor",
    "dividing_factor": "factor next to raw prices: adjusted = raw / factor",
    "adjusted_close": "adjusted close next to raw prices: factor = adjusted close / close",
    "paused": "1: suspended",
    "traded": "0: suspended",
    "adjust_flag": "3: raw prices; 1, 2: adjusted",
    "start": "first day of an interval (lists)",
    "end": "last day of an interval (lists)",
    "value": "value of an interval (lists)",
}


def pages() -> dict[str, str]:
    """Page name -> text."""
    return {"dialects": dialects()}


def dialects() -> str:
    """The page of dialects and names."""
    names = [(_MEANINGS[field], codes(given)) for field, given in FIELDS.items()]
    times = [
        ("day", codes(DAYS)),
        ("moment", codes(MOMENTS)),
        ("time of day next to a day, or moment", codes(CLOCKS)),
        ("day from which a factor holds", codes(EX_DATES)),
    ]
    signatures = [(f"{amount / volume:g}", VOLUME_NAMES[volume], _UNITS[amount]) for volume, amount in PAIRS]
    return page(
        "Dialects",
        "Whose files of bars are read as they come: how each is recognised, its units, and names of columns.",
        "`kq ingest csv FILE --dry-run` shows which dialect was recognised; `--dialect NAME` names another. The first "
        "one that fits holds. What bars prove of their units goes before what a dialect says.",
        table(
            ["Name", "Files of", "Recognised by", "Volume counts", "Amount counts", "Intraday stamps", "Prices"],
            (_row(dialect) for dialect in DIALECTS),
        ),
        "## Units",
        "The median of amount / (volume x price) of a share, fund or B share. Indices and futures have no such "
        "signature.",
        table(["Near", "Volume in", "Amount in"], signatures),
        "## Names of columns",
        "Case, blanks, `_`, `.`, `$`, `<>` and full-width letters do not matter; a unit may follow in brackets. Bars, "
        "scores (`kq signal import`, `scores_file`) and lists (`kq ingest universe`, `intervals`) share these names.",
        table(["Meaning", "Names"], (*times, *names)),
        "## Dividends",
        "Columns of `kq ingest dividends`. Amounts are per share, or per 10 shares where the last column names them; "
        "cash is before tax.",
        table(["Meaning", "Names", "Names of amounts per 10 shares"], _dividend_rows()),
    )


def _dividend_rows() -> Iterator[tuple[str, str, str]]:
    for field, names in DIVIDEND_DATES.items():
        yield field, codes(names), ""
    for field, names in PER_SHARE.items():
        yield field, codes(names), codes(PER_TEN[field])


def _row(dialect: Dialect) -> tuple[object, ...]:
    volume = _VOLUMES[dialect.volume] + (f"; bonds: {_VOLUMES[dialect.bonds[0]]}" if dialect.bonds else "")
    return (
        code(dialect.name),
        dialect.title + (f"; {dialect.note}" if dialect.note else ""),
        _told_by(dialect),
        volume,
        _UNITS[dialect.amount] + (f"; bonds: {_UNITS[dialect.bonds[1]]}" if dialect.bonds else ""),
        dialect.labels,
        dialect.basis,
    )


def _told_by(dialect: Dialect) -> str:
    parts = [f"columns {', '.join(mark.replace('|', ' or ') for mark in dialect.marks)}"] if dialect.marks else []
    parts += ["the file's name"] if dialect.named else []
    parts += ["words around the table"] if dialect.text else []
    parts += [f"no header, {len(dialect.headless)} columns"] if dialect.headless else []
    return "; ".join(parts) or ("several lines of header" if dialect.name == "yfinance_download" else "nothing else")
