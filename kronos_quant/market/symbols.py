"""One spelling per symbol: SH600000, SZ000001, BJ430047, HK09988; anything else in upper case (AAPL, BRK.B).

Full-width letters and digits are read as the plain ones, and the slash of a pair as a dash (BTC/USDT is BTC-USDT).
`symbol_fault` says what no symbol may be: it becomes a file's name, a line of a terminal and a cell of a spreadsheet.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import polars as pl

from kronos_quant.errors import ConfigError, DataError, listed
from kronos_quant.inputs import LONGEST_NAME, short_repr

EXCHANGES = {"SH": "XSHG", "SZ": "XSHE", "BJ": "BJSE", "HK": "XHKG"}
"""Prefix of a canonical symbol -> ISO 10383 code of its exchange."""

_PREFIXES = {"SH": "SH", "SS": "SH", "XSHG": "SH", "SZ": "SZ", "XSHE": "SZ", "BJ": "BJ", "BJSE": "BJ"} | {
    "HK": "HK",
    "XHKG": "HK",
    "SHSE": "SH",
    "SSE": "SH",
    "SZSE": "SZ",
}
MAINLAND = ("XSHG", "XSHE", "BJSE")
_HONG_KONG_DIGITS = 5

# First digits of a six-digit mainland code -> where it is listed (the exchanges' own code ranges). Index codes
# (SH000300) share their digits with Shenzhen shares and therefore need their prefix.
_CODE_RANGES = (
    ("SH", ("60", "68", "900", "5")),
    ("SZ", ("00", "30", "20", "15", "16", "39")),
    ("BJ", ("4", "8", "92")),
)

BENCHMARKS = ("SH000300", "SH000905", "SH000852", "SH000906", "SH000001")
"""CSI 300, 500, 1000, 800, Shanghai Composite: what `auto` looks for, in this order, each with its dividends first."""

LONGEST_SYMBOL = 64
"""Characters."""

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_PAIR = re.compile(r"([A-Za-z0-9]+)/([A-Za-z0-9]+)(?::([A-Za-z0-9]+))?")
_FIRST = re.compile(rf"[A-Za-z0-9{_HAN}^#$_]|\.(?=[A-Za-z0-9])")
_LETTER = re.compile(rf"[A-Za-z0-9{_HAN} ._^&+=#$!~@%,()\[\]-]")

_SUFFIX = re.compile(r"\.((CSV|TXT|TSV|JSON)(\.(GZ|ZST))?|PARQUET|PQ|ARROW|FEATHER|IPC)$")
_GLUED = re.compile(r"(SH|SZ|BJ|SHSE|SSE|SZSE|XSHG|XSHE)[._-]?(\d{6})|(HK)[._-]?(\d{1,5})")
_SUFFIXED = re.compile(r"(\d{6})[._-](SH|SS|SZ|BJ|XSHG|XSHE|BJSE|SHSE|SSE|SZSE)|(\d{1,5})[._-](HK|XHKG)")
# the exchanges' own code ranges: 5 and 15 to 18 are funds; 11, 12, 13, 01, 02, 10, 2 (Shanghai) and 81, 82 are bonds
_FUND = re.compile(r"SH5\d{5}|SZ1[5-8]\d{4}")
_BOND = re.compile(r"SH(?:0[12]|1\d|2\d)\d{4}|SZ1[0-4]\d{4}|BJ8[12]\d{4}")
# SH88 and SH99 are TongDaXin's numbers, SH93, SZ97 and SZ98 those of the index companies
_INDEX = re.compile(r"SH(?:000|88\d|93\d|95\d|99\d)\d{3}|SZ(?:39|97|98)\d{4}|BJ899\d{3}|[\^.].+|.*INDEX.*")

_TOTAL_RETURN = re.compile(r"(?:SH|CSI)?[.]?H(\d{5})(?:\.(?:CSI|SH))?")
"""The China Securities Index Company's numbers of indices with dividends: H00300 is that of SH000300."""
_PRICE_INDEX = re.compile(r"SH000\d{3}|SZ399\d{3}|BJ899\d{3}|\^(?!.*TR$).+|\.[A-Z].*")

_KINDS = (("index", _INDEX), ("fund", _FUND), ("bond", _BOND))


def canonical(text: str, exchange: str = "") -> str:
    """The canonical spelling of a symbol.

    exchange : ISO code of the symbol's market; digits alone are a mainland code when it is unknown or a mainland
    exchange, and a Hong Kong code when it is XHKG.

    >>> canonical("600000.SH"), canonical("700", "XHKG"), canonical("aapl")
    ('SH600000', 'HK00700', 'AAPL')
    """
    name = plain(text).upper()
    if found := _GLUED.fullmatch(name):
        return _joined(_PREFIXES[found[1] or found[3]], found[2] or found[4])
    if found := _SUFFIXED.fullmatch(name):
        return _joined(_PREFIXES[found[2] or found[4]], found[1] or found[3])
    if exchange == "XHKG" and re.fullmatch(r"\d{1,5}", name):
        return _joined("HK", name)
    if exchange in ("", *MAINLAND) and re.fullmatch(r"\d{6}", name):
        return next((prefix for prefix, starts in _CODE_RANGES if name.startswith(starts)), "") + name
    return name


def plain(text: str) -> str:
    """A spelling without spaces around it, full-width letters as plain ones, and a dash for the slash of a pair.

    >>> plain("ＳＨ６０００００"), plain("BTC/USDT"), plain("BTC/USDT:USDT")
    ('SH600000', 'BTC-USDT', 'BTC-USDT-USDT')
    """
    name = (text if text.isascii() else unicodedata.normalize("NFKC", text)).strip()
    pair = _PAIR.fullmatch(name)
    return "-".join(part for part in pair.groups() if part) if pair else name


def symbol_fault(text: str) -> str | None:
    """Why a text cannot be a symbol; None where it can.

    Letters are Latin ones or Chinese characters: others (Cyrillic, Greek, invisible ones) look like them.

    >>> symbol_fault("BRK.B"), symbol_fault("../../X"), symbol_fault("=1+1")
    (None, "contains '..'", "begins with '='")
    """
    if len(text) > LONGEST_SYMBOL:
        return f"{len(text):,} characters, at most {LONGEST_SYMBOL}"
    name = plain(text)
    if not name:
        return "it is empty"
    if ".." in name:
        return "contains '..'"
    if (odd := _LETTER.sub("", name)) != "":
        return f"contains {odd[0]!a}"
    if not _FIRST.match(name):
        return f"begins with {name[0]!r}"
    return "ends with '.'" if name.endswith(".") else None


def find_fault(
    spellings: pl.Series, fault_of: Callable[[str], str | None] = symbol_fault
) -> tuple[int, str, str] | None:
    """The first spelling of a column that cannot be a symbol: its row, itself and why; None where all can.

    >>> find_fault(pl.Series(["AAPL", "A/../B"]))
    (1, 'A/../B', "contains '..'")
    """
    faults = ((text, fault_of(text)) for text in spellings.unique(maintain_order=True).drop_nulls())
    text, fault = next(((text, fault) for text, fault in faults if fault is not None), ("", ""))
    return (int((spellings == text).arg_true()[0]), text, fault) if fault else None


def canonical_column(spellings: pl.Series, exchange: str = "") -> pl.Series:
    """`canonical` of every text of a column.

    >>> canonical_column(pl.Series(["600000.SH", "000001.SZ"])).to_list()
    ['SH600000', 'SZ000001']
    """
    distinct = spellings.unique().to_list()
    return spellings.replace_strict(distinct, [canonical(text, exchange) for text in distinct])


def symbol_from_filename(path: Path, exchange: str = "") -> str:
    """The symbol in a file's name: an exchange with a code, a full spelling, or a six-digit code; else its whole stem.

    >>> symbol_from_filename(Path("XSHG_5min_600977.csv")), symbol_from_filename(Path("HK_ali_09988_5min.csv"))
    ('SH600977', 'HK09988')
    """
    stem = _SUFFIX.sub("", path.name.upper())
    if (whole := canonical(stem, exchange)) != stem or re.fullmatch(r"(SH|SZ|BJ)\d{6}|HK\d{5}", stem):
        return whole
    tokens = re.split(r"[^A-Z0-9]+", stem)
    for token in tokens:
        if re.fullmatch(r"(SH|SZ|BJ)\d{6}|HK\d{5}", token):
            return token
    prefix = next((_PREFIXES[token] for token in tokens if token in _PREFIXES), None)
    length = r"\d{4,5}" if prefix == "HK" else r"\d{6}"
    codes = [token for token in tokens if re.fullmatch(length, token)]
    if len(codes) != 1:
        return stem
    return _joined(prefix, codes[0]) if prefix else canonical(codes[0], exchange)


def exchange_of(symbol: str, default: str = "") -> str:
    """ISO code of the exchange in a canonical symbol (XSHG, XSHE, BJSE, XHKG), else `default`."""
    if re.fullmatch(r"(SH|SZ|BJ)\d{6}|HK\d{5}", symbol):
        return EXCHANGES[symbol[:2]]
    return default


def looks_like_index(symbol: str) -> bool:
    """Whether a symbol is an index by its spelling: SH000300, SZ399006, ^GSPC, .DJI, EW_INDEX."""
    return _INDEX.fullmatch(symbol) is not None or is_total_return(symbol)


def is_total_return(symbol: str) -> bool:
    """Whether a symbol is an index with dividends by its spelling.

    >>> is_total_return("H00300.CSI"), is_total_return("SH000300")
    (True, False)
    """
    return _TOTAL_RETURN.fullmatch(symbol) is not None


def is_price_index(symbol: str) -> bool:
    """Whether a symbol is an index without dividends by its spelling; indices of unknown names are not.

    >>> is_price_index("SH000300"), is_price_index("H00300.CSI"), is_price_index("MADE")
    (True, False, False)
    """
    return _PRICE_INDEX.fullmatch(symbol) is not None


def kind_of(symbol: str) -> str:
    """What a symbol names by its code: "index", "fund" or "bond" of the mainland's ranges, else "stock".

    >>> kind_of("SH510300"), kind_of("SZ127045"), kind_of("SH000300"), kind_of("AAPL")
    ('fund', 'bond', 'index', 'stock')
    """
    if is_total_return(symbol):
        return "index"
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(symbol)), "stock")


def find_symbol(text: str, known: Collection[str], exchange: str) -> str:
    """The known symbol that a text names: SH600000, 600000.SH, sh600000 or, where only one fits, 600000.

    Parameters
    ----------
    text
        As the user gave it.
    known
        Canonical symbols.
    exchange
        ISO code of the market, "" where unknown.

    Raises
    ------
    DataError
        For an unknown symbol, with the nearest ones, and for digits that several symbols share.
    ConfigError
        For what is no text.

    Examples
    --------
    >>> find_symbol("600000", ["SH600000", "SZ000001"], "XSHG")
    'SH600000'
    """
    if not isinstance(text, str):
        raise ConfigError(f"symbol: expected a symbol such as SH600000, found {short_repr(text)}")
    name = text.strip().upper()
    sharing = [symbol for symbol in known if symbol[2:] == name] if re.fullmatch(r"\d{4,6}", name) else []
    if len(sharing) > 1:
        raise DataError(f"symbol {short_repr(text)} is ambiguous: {listed(sharing)}")
    for spelling in (name, *sharing, canonical(name, exchange), canonical(name)):
        if spelling in known:
            return spelling
    nearest = difflib.get_close_matches(canonical(name[:LONGEST_NAME]), known, n=3)
    raise DataError(
        f"unknown symbol {short_repr(text)}: not among the {len(known):,} in the market",
        hint=f"nearest: {', '.join(nearest)}" if nearest else "kq universe",
    )


def usual_benchmark(indices: Sequence[str]) -> str | None:
    """The first of BENCHMARKS among the indices of a market, with its dividends where that is there, else the only one.

    None where there is none. Raises DataError when several leave no choice.
    """
    paying = {f"SH0{number[1]}": symbol for symbol in indices if (number := _TOTAL_RETURN.fullmatch(symbol))}
    found = next((paying.get(symbol, symbol) for symbol in BENCHMARKS if symbol in indices or symbol in paying), None)
    if found is None and len(indices) > 1:
        raise DataError(
            f"benchmark auto: {len(indices)} indices, none of them {', '.join(BENCHMARKS)}: {listed(indices)}",
            hint="set `benchmark` to one of them, or to none",
        )
    return found or next(iter(indices), None)


def _joined(prefix: str, code: str) -> str:
    return prefix + (code.zfill(_HONG_KONG_DIGITS) if prefix == "HK" else code)
