"""The one table of names: what columns are called by vendors, for bars, scores and lists alike.

A name is compared in its plain form: without case, blanks, `_`, `.`, `$`, `<>`, full-width letters as plain ones, and
without a unit in brackets, which says what the numbers count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

DAYS = ("date", "trade_date", "day", "日期", "交易日", "交易日期", "trade_dt", "trddt", "trading_day", "datum", "fecha")
"""Columns of days."""
CLOCKS = ("time", "时间", "bar_time", "clock", "data")
"""Columns of a time of day beside a date, or of whole stamps; the last one is Polish for date."""
MOMENTS = (
    "timestamps",
    "timestamp",
    "datetime",
    "日期时间",
    "交易时间",
    "trade_time",
    "open_time",
    "time_key",
    "window_start",
    "gmt_time",
    "local_time",
    "unix",
    "eob",
    "bob",
    "t",
)
"""Columns of whole stamps."""

SYMBOLS = (
    "symbol",
    "code",
    "ticker",
    "instrument",
    "ts_code",
    "代码",
    "股票代码",
    "证券代码",
    "order_book_id",
    "基金代码",
    "指数代码",
    "债券代码",
    "转债代码",
    "合约代码",
    "合约",
    "品种代码",
    "股票",
    "证券",
    "stock_code",
    "sec_code",
    "secu_code",
    "security_code",
    "security",
    "wind_code",
    "s_info_windcode",
    "thscode",
    "vt_symbol",
    "stkcd",
    "indexcd",
    "con_code",
    "stock",
    "sid",
    "asset",
    "品种",
)

# of CSMAR's indices, Nasdaq, and Investing.com in German, French, Spanish, Italian, Portuguese and Chinese
_OPENS = ("opnindex", "eröffn", "ouv", "apertura", "abertura")
_HIGHS = ("hiindex", "hoch", "plus_haut", "máximo", "massimo", "máxima", "高")
_LOWS = ("loindex", "tief", "plus_bas", "mínimo", "minimo", "mínima", "低")
_CLOSES = ("clsindex", "close/last", "zuletzt", "dernier", "último", "ultimo")

FIELDS: dict[str, tuple[str, ...]] = {
    "symbol": SYMBOLS,
    "open": ("open", "开盘", "开盘价", "今开", "今开盘", "open_price", "s_dq_open", "opnprc", "otwarcie", *_OPENS, "o"),
    "high": ("high", "最高", "最高价", "high_price", "s_dq_high", "hiprc", "najwyzszy", *_HIGHS, "h"),
    "low": ("low", "最低", "最低价", "low_price", "s_dq_low", "loprc", "najnizszy", *_LOWS, "l"),
    "close": (
        "close",
        "收盘",
        "收盘价",
        "今收",
        "今收盘",
        "close_price",
        "s_dq_close",
        "clsprc",
        "zamkniecie",
        *_CLOSES,
        "c",
    ),
    "volume": (
        "volume",
        "vol",
        "成交量",
        "总手",
        "成交股数",
        "交易量",
        "成交数量",
        "总成交量",
        "s_dq_volume",
        "dnshrtrd",
        "wolumen",
        "v",
    ),
    "amount": (
        "amount",
        "amt",
        "turnover_value",
        "成交额",
        "成交金额",
        "总成交额",
        "总成交金额",
        "金额",
        "总金额",
        "money",
        "total_turnover",
        "quote_volume",
        "quote_asset_volume",
        "quote_av",
        "s_dq_amount",
        "dnvaltrd",
    ),
    "factor": ("factor",),
    "raw_factor": (
        "adj_factor",
        "复权因子",
        "后复权因子",
        "back_adjust_factor",
        "hfq_factor",
        "adjust_factor",
        "s_dq_adjfactor",
        "cum_factor",
        "ex_cum_factor",
    ),
    "dividing_factor": ("qfq_factor",),
    "adjusted_close": ("adj_close", "adjusted_close", "复权收盘价", "后复权收盘价", "s_dq_adjclose"),
    "paused": ("paused", "suspended", "停牌", "is_paused", "is_suspended"),
    "traded": ("tradestatus", "trade_status"),
    "adjust_flag": ("adjustflag", "adjust_flag"),
    "start": (
        "start",
        "start_date",
        "from",
        "in_date",
        "begin",
        "begin_date",
        "开始日期",
        "起始日期",
        "纳入日期",
        "计入日期",
        "生效日期",
        "上市日期",
        "list_date",
        "listed_date",
        "ipo_date",
    ),
    "end": (
        "end",
        "end_date",
        "to",
        "out_date",
        "结束日期",
        "截止日期",
        "剔除日期",
        "终止日期",
        "退市日期",
        "delist_date",
        "de_listed_date",
    ),
    "value": ("value", "industry", "行业", "所属行业", "行业名称", "申万行业", "industry_name"),
}
"""What a column holds -> its names, the usual one first.

factor : the prices beside it are raw x factor already; raw_factor : the prices are raw, adjusted = raw x it;
dividing_factor : adjusted = raw / it; paused : 1 is suspended; traded : 0 is suspended
"""

EX_DATES = ("divid_operate_date", "ex_date", "除权除息日", "除权日", "effective_date")
"""The day from which a factor holds, in a table of factors."""

DIVIDEND_DATES: dict[str, tuple[str, ...]] = {
    "ex_date": ("ex_date", *EX_DATES, "ex_dividend_date", "除权除息日期", "除权(息)日", "除息日"),
    "record_date": ("record_date", "divid_regist_date", "股权登记日", "登记日", "registration_date"),
    "pay_date": (
        "pay_date",
        "divid_pay_date",
        "payment_date",
        "payable_date",
        "派息日",
        "红利发放日",
        "现金红利发放日",
    ),
    "list_date": (
        "list_date",
        "listing_date",
        "div_listdate",
        "divid_stock_market_date",
        "股份到账日",
        "红股上市日",
        "送转股上市日",
        "配股上市日",
    ),
}
"""Our date of a dividend -> its names."""

PER_SHARE: dict[str, tuple[str, ...]] = {
    "cash": ("cash", "cash_div_tax", "divid_cash_ps_before_tax", "cash_before_tax", "cash_per_share", "每股派息(税前)"),
    "bonus": ("bonus", "stk_bo_rate", "divid_stocks_ps", "bonus_ratio", "每股送股"),
    "transferred": ("transferred", "stk_co_rate", "divid_reserve_to_stock_ps", "transfer_ratio", "每股转增"),
    "rights_ratio": ("rights_ratio", "每股配股"),
    "rights_price": ("rights_price", "配股价格", "配股价"),
}
PER_TEN: dict[str, tuple[str, ...]] = {
    "cash": ("派息比例", "派息", "现金分红-现金分红比例", "现金分红比例"),
    "bonus": ("送股比例", "送股", "送转股份-送转比例", "送转股份-送股比例"),
    "transferred": ("转增比例", "转增", "送转股份-转股比例", "转股比例"),
    "rights_ratio": ("配股比例", "配股方案"),
    "rights_price": (),
}
"""Our amount of a dividend -> its names, where they count it per share or per 10 shares."""

UNITS: dict[str, float] = {
    "股": 1.0,
    "份": 1.0,
    "shares": 1.0,
    "share": 1.0,
    "手": 100.0,
    "lots": 100.0,
    "lot": 100.0,
    "百股": 100.0,
    "千股": 1e3,
    "万股": 1e4,
    "万份": 1e4,
    "万手": 1e6,
    "亿股": 1e8,
    "元": 1.0,
    "人民币": 1.0,
    "人民币元": 1.0,
    "cny": 1.0,
    "rmb": 1.0,
    "yuan": 1.0,
    "港元": 1.0,
    "美元": 1.0,
    "hkd": 1.0,
    "usd": 1.0,
    "千": 1e3,
    "千元": 1e3,
    "万": 1e4,
    "万元": 1e4,
    "百万": 1e6,
    "百万元": 1e6,
    "亿": 1e8,
    "亿元": 1e8,
    "万亿": 1e12,
    "k": 1e3,
    "m": 1e6,
    "b": 1e9,
}
"""A unit in a header or behind a number -> how many shares, or how much currency, it is."""

_COUNTED = re.compile(r"_duplicated_\d+$")  # as Polars counts the second column of a name
_BRACKETED = re.compile(r"^(.*?)[\[(（]([^\])）]*)[\])）]?\s*$")
_LABELLED = re.compile(r"^(.+?)\s*\[单位\]\s*(\S+)$")  # as Wind and Choice write it, also below the name
_NUMBERED = re.compile(r"^\d+[.)]\s*")  # "1. open"
_SLASHED = re.compile(r"^(.+?)[/／]([^/]+)$")


def without_count(name: str) -> str:
    """The name that a column has in its file, where Polars counted a second one of that name."""
    return _COUNTED.sub("", name)


def split_unit(name: str) -> tuple[str, float | None]:
    """A column's name in its plain form, and how many shares or currency units one of its numbers is, where it says.

    >>> split_unit("成交量（手）"), split_unit(" Adj Close"), split_unit("<TICKVOL>")
    (('成交量', 100.0), ('adjclose', None), ('tickvol', None))
    """
    text = unicodedata.normalize("NFKC", without_count(name)).strip().strip("\"'")
    for pattern in (_LABELLED, _BRACKETED, _SLASHED):
        found = pattern.match(text)
        if found and found[1].strip():
            inner = found[2].strip().lower()
            if inner in UNITS or inner in ("%", "‰", "倍"):
                return plain_name(found[1]), UNITS.get(inner)
    return plain_name(text), None


def plain_name(name: str) -> str:
    """The form in which names are compared.

    >>> plain_name("\\ufeff$Trade_Date"), plain_name("1. open"), plain_name("换手%")
    ('tradedate', 'open', '换手')
    """
    text = unicodedata.normalize("NFKC", without_count(name)).strip().removeprefix("\ufeff").lower()
    return re.sub(r"[\s_.$<>\"'*%\-]", "", _NUMBERED.sub("", text))


def plain_names(names: Iterable[str]) -> tuple[str, ...]:
    """`plain_name` of each."""
    return tuple(plain_name(name) for name in names)


_MEANINGS = {plain: field for field, names in reversed(FIELDS.items()) for plain in plain_names(reversed(names))}
_TIMES = {*plain_names((*DAYS, *CLOCKS, *MOMENTS, *EX_DATES))}
_PAID = {
    *plain_names(name for table in (DIVIDEND_DATES, PER_SHARE, PER_TEN) for names in table.values() for name in names)
}
_ALL = {*_MEANINGS, *_TIMES, *_PAID, *plain_names(("score", "asof", "pred", "instrument"))}


def known_names(names: Sequence[str]) -> int:
    """How many of the names stand in the table, single letters aside."""
    plain = {split_unit(name)[0] for name in names}
    return sum(name in _ALL for name in plain if len(name) > 1 or {"o", "h", "l", "c"} <= plain)


def find_columns(names: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """The columns whose plain names are among `wanted`, in the order of `wanted`.

    >>> find_columns(["Close", "TS_CODE", "Symbol"], SYMBOLS)
    ['Symbol', 'TS_CODE']
    """
    order = {plain: place for place, plain in reversed(list(enumerate(plain_names(wanted))))}
    found = [(order[plain], name) for name in names if (plain := split_unit(name)[0]) in order]
    return [name for _, name in sorted(found, key=lambda pair: pair[0])]
