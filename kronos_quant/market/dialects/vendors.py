"""The one table of dialects: what vendors' files mean beyond the names of their columns, and how each is told.

A dialect is recognised by columns that stand together in no other, by the file's name, or by words in or around its
table. The first that fits holds. What the file itself proves (units, `units.find_units`) or the user says goes before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kronos_quant.errors import ConfigError
from kronos_quant.market.dialects.names import split_unit

RAW, ADJUSTED, UNKNOWN = "raw", "adjusted", "unknown"


@dataclass(frozen=True, slots=True)
class Dialect:
    """The files of one vendor."""

    name: str
    """As `--dialect` takes it."""
    title: str
    marks: tuple[str, ...] = ()
    """Columns that must be there, in their plain names; "a|b": one of them."""
    without: tuple[str, ...] = ()
    """Columns that must not be there."""
    file_name: str = ""
    """Pattern of the file's name without its ending, whose group `symbol` is the symbol; it must fit if `named`."""
    named: bool = False
    """Whether the dialect is told by the file's name."""
    text: str = ""
    """Pattern that a line above or below the table has to hold."""
    headless: tuple[str, ...] = ()
    """Columns of a file without a header, all of them; "-" is not read."""
    row: str = ""
    """Pattern of how the first row of a file without a header begins, its cells joined by "|"."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Name of ours -> plain name, where the table of names says something else."""
    volume: float = 1.0
    """Shares (contracts, coins) that one of its volume is, for mainland symbols."""
    amount: float = 1.0
    """Currency units that one of its amount is, for mainland symbols."""
    bonds: tuple[float, float] | None = None
    """The same of bonds, where it counts them in another way."""
    labels: str = "end"
    """What intraday stamps mark."""
    basis: str = RAW
    """RAW, ADJUSTED, or UNKNOWN where the file does not tell."""
    exchange: str = ""
    """Whose clock its stamps with an offset from UTC, and those counted since 1970, are converted to."""
    symbol: tuple[tuple[str, str], ...] = ()
    """(pattern, replacement) of its spelling of symbols."""
    note: str = ""
    """What a user should know of its numbers."""


GENERIC = Dialect("generic", "columns under their usual names", basis=UNKNOWN)

_TDX_SYMBOL = (
    (r"^0#(\d{6})$", r"SZ\1"),
    (r"^1#(\d{6})$", r"SH\1"),
    (r"^2#(\d{6})$", r"BJ\1"),
    (r"^(?:31|48|71)#(\d{5})$", r"HK\1"),
    (r"^\d{1,3}#([A-Z].*)$", r"\1"),
)
_US = r"(?P<symbol>[A-Za-z][A-Za-z0-9.\-]*)"
_BINANCE = ("time", *("open", "high", "low", "close", "volume"), *("-", "amount", "-", "-", "-", "-"))
_CANDLE = ("time", "open", "high", "low", "close", "volume")
_PAIR = r"[A-Z0-9]{2,}[_\-](?:USDT|USDC|BUSD|USD|BTC|ETH|EUR)|[A-Z0-9]{2,}(?:USDT|USDC|BUSD|FDUSD)"
_DASHED = ((r"^([A-Z0-9]+)_([A-Z0-9]+)(?:_([A-Z0-9]+))?$", r"\1-\2-\3"), (r"-$", ""))
_BINANCE_FILE = r"(?P<symbol>[A-Z0-9]+)[-_]\d+(?:s|m|h|d|w|mo)(?:-\d{4}.*)?"
_BROKER = "volume counts ticks (price changes), not lots; times are the broker's, as written"

DIALECTS: tuple[Dialect, ...] = (
    Dialect(
        "yfinance",
        "yfinance, Yahoo Finance",
        marks=("dividends", "stocksplits"),
        labels="start",
        basis=ADJUSTED,
        exchange="XNYS",
    ),
    Dialect(
        "yahoo",
        "Yahoo Finance, yfinance download",
        marks=("adjclose",),
        without=("divcash", "factor"),
        labels="start",
        exchange="XNYS",
    ),
    Dialect("yfinance_download", "yfinance download, lines of header", labels="start", basis=ADJUSTED, exchange="XNYS"),
    Dialect(
        "alphavantage",
        "Alpha Vantage",
        marks=("timestamp", "adjustedclose", "splitcoefficient"),
        file_name=rf"(?:time_series_)?(?:daily|intraday)_(?:adjusted_|\d+min_)?{_US}(?:_.*)?",
        exchange="XNYS",
    ),
    Dialect(
        "alphavantage_raw",
        "Alpha Vantage without adjustment",
        marks=("timestamp", "open", "volume"),
        file_name=rf"(?:time_series_)?(?:daily|intraday)_(?:\d+min_)?{_US}(?:_.*)?",
        named=True,
        labels="start",
        exchange="XNYS",
    ),
    Dialect("tiingo", "Tiingo", marks=("adjclose", "divcash", "splitfactor"), exchange="XNYS"),
    Dialect("polygon", "Polygon / Massive files", ("windowstart", "transactions"), labels="start", exchange="XNYS"),
    Dialect(
        "polygon_rest",
        "Polygon / Massive aggregates",
        marks=("t", "o", "h", "l", "c", "v", "vw|n"),
        labels="start",
        basis=ADJUSTED,
        exchange="XNYS",
    ),
    Dialect(
        "stooq_bulk",
        "Stooq bulk files",
        marks=("ticker", "per", "date", "time", "openint"),
        basis=ADJUSTED,
        symbol=((r"\.US$", ""),),
    ),
    Dialect(
        "stooq",
        "Stooq, one symbol",
        marks=("date|data", "close|zamkniecie"),
        file_name=r"(?P<symbol>\^[a-z0-9]+|\d+_hk|[a-z0-9\-]+(?=_[a-z]{2}_))(?:_[a-z]{2})?_[dwm5]",
        named=True,
        basis=ADJUSTED,
    ),
    Dialect(
        "metatrader5",
        "MetaTrader 5",
        marks=("tickvol",),
        columns={"volume": "tickvol"},
        file_name=r"(?P<symbol>[^_]+)_(?:M\d+|H\d+|Daily|D1|W1|MN1)(?:_\d+)*",
        labels="start",
        note=_BROKER,
    ),
    Dialect(
        "metatrader5_python",
        "MetaTrader 5, its Python package",
        marks=("tickvolume", "realvolume"),
        columns={"volume": "tickvolume"},
        labels="start",
        note=_BROKER,
    ),
    Dialect(
        "metatrader5_rows",
        "MetaTrader 5 without a header",
        headless=("time", "open", "high", "low", "close", "volume", "-", "-"),
        row=r"\d{4}\.\d\d\.\d\d \d\d:\d\d",
        file_name=r"(?P<symbol>[^_]+)_(?:M\d+|H\d+|Daily|D1|W1|MN1)(?:_\d+)*",
        labels="start",
        note=_BROKER,
    ),
    Dialect(
        "metatrader4",
        "MetaTrader 4",
        headless=("date", "time", "open", "high", "low", "close", "volume"),
        row=r"[\d.\-/]{8,10}\|\d{1,2}:\d{2}",
        file_name=r"(?:DAT_(?:MT|ASCII)_)?(?P<symbol>[A-Za-z]{3,}?[A-Za-z#.]*)(?:[_,]?(?:M?\d+|H\d+|D1))?(?:_\d+)*",
        labels="start",
        note=_BROKER,
    ),
    Dialect(
        "histdata",
        "HistData",
        headless=_CANDLE,
        row=r"\d{8} \d{6}\|",
        file_name=r"(?:DAT_(?:MT|ASCII)_)?(?P<symbol>[A-Za-z]{3,}?)(?:_M\d+)?(?:_\d+)*",
        labels="start",
        note="times are New York's winter time, as written",
    ),
    Dialect(
        "dukascopy",
        "Dukascopy",
        marks=("gmttime|localtime", "open", "volume"),
        file_name=r"(?P<symbol>[A-Za-z.]+)_(?:Candlestick|M\d|H\d|D1|\d).*",
        labels="start",
        note="volume counts millions of the base currency, as written",
    ),
    Dialect(
        "tradingview",
        "TradingView",
        marks=("time", "open", "high", "low", "close"),
        file_name=r"(?P<market>[A-Z0-9]+)(?:_DLY|_MINI)?_(?P<symbol>[^,]+), ?\w+(?:[ _]\(?\w+\)?)?",
        named=True,
        labels="start",
        basis=UNKNOWN,
    ),
    Dialect("binance", "Binance klines", marks=("opentime", "closetime"), file_name=_BINANCE_FILE, labels="start"),
    Dialect(
        "binance_archive",
        "Binance klines without a header",
        headless=_BINANCE,
        row=r"\d{13,}\|",
        file_name=_BINANCE_FILE,
        labels="start",
    ),
    Dialect(
        "freqtrade",
        "freqtrade, ccxt",
        marks=("date|timestamp|datetime|time", "open", "volume"),
        file_name=r"(?P<symbol>[A-Z0-9]+[_\-][A-Z0-9]+?(?:_[A-Z0-9]+)?)-\d+[mhdw](?:-\w+)?",
        named=True,
        labels="start",
        symbol=_DASHED,
    ),
    Dialect(
        "crypto",
        "candles of a pair, named by the file",
        marks=("timestamp|datetime|date|time|opentime", "open", "volume"),
        file_name=rf"(?P<symbol>{_PAIR})(?:[_\-]\d+(?:m|h|d|w|min))?(?:[_\-]\w+)?",
        named=True,
        labels="start",
        symbol=_DASHED,
    ),
    Dialect(
        "ccxt",
        "ccxt rows",
        headless=_CANDLE,
        row=r"\d{12,}\|",
        file_name=r"(?P<symbol>[A-Za-z0-9]+(?:[_\-][A-Z0-9]+?){0,2})(?:[_\-]\d+[mhdw])?(?:[_\-][a-z]\w*)?",
        labels="start",
        symbol=_DASHED,
    ),
    Dialect(
        "tushare",
        "tushare daily",
        marks=("tscode", "tradedate", "vol"),
        without=("oi", "tradetime"),
        volume=100.0,
        amount=1e3,
        bonds=(10.0, 1e4),
    ),
    Dialect("tushare_futures", "tushare fut_daily", marks=("tscode", "tradedate", "vol", "oi"), amount=1e4),
    Dialect("tushare_minutes", "tushare minutes", marks=("tscode", "tradetime", "vol")),
    Dialect("baostock", "baostock", marks=("code", "adjustflag")),
    Dialect("akshare_futures", "Sina futures", marks=("open", "close", "volume", "hold")),
    Dialect(
        "tongdaxin",
        "TongDaXin 通达信",
        marks=("开盘", "收盘", "成交量"),
        text=r"通达信|(?:日线|周线|分钟线?|\d+分钟)\s*(?:不复权|前复权|后复权|$)|不复权|前复权|后复权",
        basis=UNKNOWN,
        symbol=_TDX_SYMBOL,
    ),
    Dialect(
        "eastmoney_futures",
        "Eastmoney futures",
        marks=("开盘", "收盘", "成交量", "持仓量"),
        file_name=r"(?P<symbol>.+)",
    ),
    Dialect(
        "eastmoney",
        "akshare stock_zh_a_hist, Eastmoney",
        marks=("开盘", "收盘", "成交量", "成交额", "振幅", "换手率|换手"),
        volume=100.0,
        basis=UNKNOWN,
        symbol=((r"^\d{3}\.([A-Z].*)$", r"\1"), (r"^(\d{5})$", r"HK\1")),
    ),
    Dialect(
        "sina",
        "akshare stock_zh_a_daily, Sina",
        marks=("date", "volume", "outstandingshare", "turnover"),
        basis=UNKNOWN,
    ),
    Dialect(
        "tencent",
        "akshare stock_zh_a_hist_tx, Tencent",
        marks=("date", "open", "close", "volume", "turnover", "amount"),
        basis=UNKNOWN,
    ),
    Dialect(
        "tencent_old",
        "akshare stock_zh_a_hist_tx before 1.19",
        marks=("date", "open", "close", "high", "low", "amount"),
        without=("volume", "vol"),
        columns={"volume": "amount", "amount": ""},
        volume=100.0,
        basis=UNKNOWN,
        note="its column amount holds the volume in lots",
    ),
    Dialect(
        "joinquant",
        "JoinQuant get_price",
        marks=("open", "money", "highlimit|lowlimit|avg|paused|factor|preclose"),
        basis=UNKNOWN,
    ),
    Dialect("joinquant_price", "JoinQuant get_price", marks=("open", "volume", "money"), basis=UNKNOWN),
    Dialect("ricequant", "RiceQuant get_price", marks=("open", "totalturnover"), basis=UNKNOWN),
    Dialect(
        "vnpy",
        "vn.py",
        marks=("datetime", "open|openprice", "turnover", "openinterest"),
        columns={"amount": "turnover"},
        file_name=r"(?P<symbol>[A-Za-z0-9\-]+\.[A-Z]+)(?:_\w+)?",
        labels="start",
        symbol=((r"^(\d{6})\.BSE$", r"BJ\1"),),
    ),
    Dialect(
        "tongdaxin_rows",
        "TongDaXin 通达信 without a header",
        headless=("time", "open", "high", "low", "close", "volume", "amount"),
        row=r"[\d/\-]{8,10}\|\d+\.\d+\|",
        basis=UNKNOWN,
        symbol=_TDX_SYMBOL,
    ),
    Dialect(
        "tongdaxin_minutes",
        "TongDaXin 通达信 minutes without a header",
        headless=("date", "time", "open", "high", "low", "close", "volume", "amount"),
        row=r"[\d/\-]{8,10}\|\d{1,2}:?\d{2}\|",
        basis=UNKNOWN,
        symbol=_TDX_SYMBOL,
    ),
    Dialect("tongdaxin_files", "TongDaXin 通达信 .day, .lc1 and .lc5", symbol=_TDX_SYMBOL),
    Dialect("tonghuashun", "Tonghuashun 同花顺", marks=("开盘", "收盘", "总手", "金额"), basis=UNKNOWN),
    Dialect(
        "futu",
        "Futu OpenD",
        marks=("timekey", "open", "turnover"),
        columns={"amount": "turnover"},
        basis=UNKNOWN,
        symbol=((r"^US\.(.+)$", r"\1"),),
    ),
    Dialect(
        "wind_tables",
        "Wind tables",
        marks=("swindcode|sinfowindcode", "sdqopen", "sdqvolume"),
        volume=100.0,
        amount=1e3,
    ),
    Dialect("ib", "Interactive Brokers", marks=("average", "barcount"), labels="start", basis=UNKNOWN, exchange="XNYS"),
    Dialect("investing", "Investing.com", marks=("price", "open", "high", "low", "change"), columns={"close": "price"}),
    Dialect(
        "csindex",
        "China Securities Index, akshare stock_zh_index_hist_csindex",
        marks=("指数代码", "开盘", "收盘", "成交金额", "样本数量"),
        volume=1e6,
        amount=1e8,
        note="volume is read as 万手 and amount as 亿元",
    ),
    GENERIC,
)

MARKETS = {
    **dict.fromkeys(("NASDAQ", "NYSE", "AMEX", "BATS", "CBOE", "ARCA", "SP", "DJ", "TVC", "OTC"), "XNYS"),
    "SSE": "XSHG",
    "SZSE": "XSHE",
    "BSE": "BJSE",
    "HKEX": "XHKG",
}
"""TradingView's name of an exchange -> whose clock its bars have."""


def dialect_named(name: str) -> Dialect:
    """The dialect of a name. Raises ConfigError for an unknown one."""
    found = next((dialect for dialect in DIALECTS if dialect.name == name), None)
    if found is None:
        names = [dialect.name for dialect in DIALECTS]
        raise ConfigError(f"dialect: unknown {name!r}; expected auto, {', '.join(names)}")
    return found


def recognise(names: Sequence[str], stem: str, words: Sequence[str] = (), row: Sequence[str] | None = None) -> Dialect:
    """The dialect of a table: by its columns, the file's name without its ending, and the words around the table.

    row : the first row of a file that has no header

    >>> recognise(["ts_code", "trade_date", "open", "vol", "amount"], "").name
    'tushare'
    """
    plain = {split_unit(name)[0] for name in names}
    for dialect in DIALECTS[:-1]:
        if row is not None:
            if len(dialect.headless) == len(row) and re.match(dialect.row, "|".join(row)):
                return dialect
            continue
        if dialect.headless or (not dialect.marks and not dialect.text):
            continue
        if not all(set(mark.split("|")) & plain for mark in dialect.marks) or plain & set(dialect.without):
            continue
        if dialect.named and not re.fullmatch(dialect.file_name, stem):
            continue
        if dialect.text and not any(re.search(dialect.text, word) for word in words):
            continue
        return dialect
    return GENERIC
