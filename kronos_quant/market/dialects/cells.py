"""Cells as people and programs write them -> numbers, and stamps in the usual spelling.

Numbers: 1,234.5 and 1.234,5 (where the file has a decimal comma), 1.2万, 3亿, 35手, full-width digits.
Stamps: 2024年5月27日, 27/05/2024, 05/27/2024 9:35 PM, 27-May-2024, 20240527 093500, `2009-10-15,四`, and 45439
of a spreadsheet.
"""

from __future__ import annotations

import re

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.inputs import short_repr
from kronos_quant.market.dialects.names import UNITS

MISSING = ("", "nan", "null", "none", "na", "n/a", "-", "--", "---", "—", "停牌", "#n/a", "nat")
"""How an empty cell may be written, in lower case."""

_UNIT = "|".join(sorted((unit for unit in UNITS if not unit.isascii() or len(unit) == 1), key=len, reverse=True))
_NUMBER = rf"^([+-]?(?:\d[\d,]*)?(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*((?i:{_UNIT}))?\s*(手|股|份|元)?$"
_GROUPED = r"^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?$"

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = "|".join(_MONTHS)
_YEAR_LAST = r"^\s*(\d{1,2})([/.\-])(\d{1,2})[/.\-](\d{4})(.*)$"
_SHORT_YEAR = r"^\s*(\d{1,2})/(\d{1,2})/(\d{2})((?:\s.*)?)$"
_FIRST_SHORT_YEAR = 70
_SERIAL = r"^[34567]\d{4}(?:\.\d+)?$"
_SPREADSHEET_EPOCH = 25569  # 1970-01-01 as a day of spreadsheets


def has_decimal_comma(texts: list[str], separator: str) -> bool:
    """Whether the numbers of a file have a decimal comma; texts : some cells of its prices, stripped.

    >>> has_decimal_comma(["8,15", "8,2"], ";"), has_decimal_comma(["1,234.5", "990.0"], ",")
    (True, False)
    """
    commas = [text for text in texts if "," in text]
    if not commas:
        return False
    if any(text.rfind(".") > text.rfind(",") or text.count(",") > 1 for text in commas):
        return False
    if any(re.search(r"\.\d{3},\d", text) for text in commas):
        return True
    plain_point = any(re.fullmatch(r"[+-]?\d+\.\d+", text) for text in texts)
    if any(not re.fullmatch(_GROUPED, text) for text in commas):
        return not plain_point
    return separator == ";" and not plain_point


def as_plain_number(text: pl.Expr, decimal_comma: bool = False) -> pl.Expr:
    """Texts as float64, null where a cell is missing or no number; units behind a number multiply it."""
    plain = _narrow(text).str.strip_chars().str.replace_all("，", ",")
    plain = plain.str.replace(r"^([+-]?)[$¥€£]\s*", "$1")
    for _ in range(2):  # 1'234'567, and with the blanks that no line breaks at
        plain = plain.str.replace_all(r"(\d)['’\x{a0}\x{202f}](\d{3})", "$1$2")
    if decimal_comma:
        plain = plain.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    grouped = plain.str.contains(r"^[+-]?\d{1,3}(?:,\d{3})+(?:\D.*)?$") | ~plain.str.contains(",", literal=True)
    parts = plain.str.extract_groups(_NUMBER)
    number = parts.struct.field("1").str.replace_all(",", "").cast(pl.Float64, strict=False)
    unit = parts.struct.field("2").str.to_lowercase()
    factor = unit.replace_strict(UNITS, default=1.0, return_dtype=pl.Float64)
    lots = pl.when(parts.struct.field("3") == "手").then(100.0).otherwise(1.0)
    return pl.when(grouped).then(number * factor.fill_null(1.0) * lots)


def _narrow(text: pl.Expr) -> pl.Expr:
    """Full-width digits and signs as plain ones."""
    return text.str.replace_many({chr(code + 0xFEE0): chr(code) for code in range(ord("+"), ord(":"))} | {"％": "%"})


def has_cell_units(column: pl.Series) -> bool:
    """Whether any cell of a column has its unit behind the number."""
    return bool(column.str.contains(r"\d\s*(?:[万亿千百手股份元]|[kKmMbB]$)").any())


def usual_stamps(
    stamps: pl.Series, place: str, day_first: bool | None = None, hint: str = "Write the dates as 2024-06-05."
) -> pl.Series:
    """Stamps in ISO order, for those that are written in another one; others as they are.

    day_first : whether 05/06/2024 is in June; None: as the file shows where it leaves no doubt. Raises DataError,
    naming `place`, with the hint, where it does.
    """
    if stamps.dtype != pl.String:
        return stamps
    name = stamps.name
    sample = stamps.drop_nulls()
    if sample.is_empty() or not sample.str.contains(_UNUSUAL).any():
        return stamps
    text = _narrow(pl.col(name)).str.strip_chars()
    text = text.str.replace(r"^(\d{8,17})\.0+$", "$1")
    text = text.str.replace(r"^(\d{4})年(\d{1,2})月(\d{1,2})日\s*", "$1-$2-$3 ")
    text = text.str.replace(r"(?:[,，\s(]+(?:星期|周)?|星期|周)[一二三四五六日天]\)?\s*$", "")
    text = text.str.replace(r"(\d{1,2})时(\d{1,2})分(?:(\d{1,2})秒)?$", "$1:$2:$3").str.strip_chars_end(": ")
    text = text.str.replace(r"^(\d{8})[ T]+(\d{2})(\d{2})(\d{2})?$", "$1 $2:$3:$4").str.strip_chars_end(": ")
    text = text.str.replace(r"\s+[A-Z][A-Za-z]+/[A-Za-z_/]+$", "")  # the name of a zone: the clock is local
    frame = stamps.to_frame().select(text)
    frame = _named_months(frame, name)
    frame = _short_years(frame, name)
    frame = _year_last(frame, name, place, day_first, hint)
    frame = _halves_of_days(frame, name)
    return _serials(frame[name])


_UNUSUAL = (
    rf"[年月日时一二三四五六０-９]|(?i:{_MONTH})|[/.\-]\d{{4}}(?:\D|$)|(?i:[ap]\.?m)|[上下]午"
    rf"|^\s*\d{{8}}[ T]+\d{{4,6}}\s*$|{_SERIAL}|[A-Za-z]/[A-Za-z]"
    r"|^\s*\d{8,17}\.0+\s*$|^\s*\d{1,2}/\d{1,2}/\d\d(?:\s|$)"
)


def _named_months(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """27-May-2024, May 27, 2024 and 27 May 2024."""
    text = pl.col(name)
    for pattern, year, month, day, rest in (
        (rf"^(\d{{1,2}})[\s\-/]*(?i)({_MONTH})[a-z]*[\s\-/,.]*(?-i)(\d{{4}}|\d{{2}})(.*)$", 3, 2, 1, 4),
        (rf"^(?i)({_MONTH})[a-z]*(?-i)[\s.]*(\d{{1,2}}),?\s+(\d{{4}})(.*)$", 3, 1, 2, 4),
    ):
        parts = text.str.extract_groups(pattern)
        number = (
            parts.struct.field(str(month))
            .str.to_lowercase()
            .replace_strict({word: str(place) for place, word in enumerate(_MONTHS, 1)}, default=None)
        )
        written = pl.format(
            "{}-{}-{}{}",
            _full_year(parts.struct.field(str(year))),
            number,
            *(parts.struct.field(str(i)) for i in (day, rest)),
        )
        frame = frame.with_columns(pl.coalesce(pl.when(number.is_not_null()).then(written), text).alias(name))
    return frame


def _full_year(year: pl.Expr) -> pl.Expr:
    """24 is 2024, 70 is 1970."""
    century = pl.when(year.cast(pl.Int32) < _FIRST_SHORT_YEAR).then(pl.lit("20")).otherwise(pl.lit("19"))
    return pl.when(year.str.len_bytes() == 2).then(century + year).otherwise(year)


def _short_years(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """5/27/24, where no other order is possible: some second number is above 12, and no first one."""
    parts = frame.select(pl.col(name).str.extract_groups(_SHORT_YEAR).alias("parts")).unnest("parts")
    first, second = parts["1"].cast(pl.Int32), parts["2"].cast(pl.Int32)
    if not (second > 12).any() or (first > 12).any():
        return frame
    year = _full_year(pl.col("3"))
    written = parts.select(pl.concat_str("1", pl.lit("/"), "2", pl.lit("/"), year, "4")).to_series()
    return frame.with_columns(pl.coalesce(written, pl.col(name)).alias(name))


def _year_last(frame: pl.DataFrame, name: str, place: str, day_first: bool | None, hint: str) -> pl.DataFrame:
    """27/05/2024 and 05/27/2024."""
    parts = frame.select(pl.col(name).str.extract_groups(_YEAR_LAST).alias("parts")).unnest("parts")
    if parts["1"].is_null().all():
        return frame
    first, second = parts["1"].cast(pl.Int32), parts["3"].cast(pl.Int32)
    days_lead, months_lead = bool((first > 12).any()), bool((second > 12).any())
    if day_first is None:
        dots = bool((parts["2"].drop_nulls() == ".").all())
        if days_lead == months_lead and not (dots and not days_lead):
            row = int(parts["1"].is_not_null().arg_true()[0])
            raise DataError(f"{place}: column {name}: {short_repr(frame[name][row])} may be of two days", hint=hint)
        day_first = days_lead or dots
    year, day, month = ("4", "1", "3") if day_first else ("4", "3", "1")
    written = pl.concat_str(
        [parts[year], pl.Series(["-"]), parts[month], pl.Series(["-"]), parts[day], parts["5"]], ignore_nulls=False
    )
    return frame.with_columns(pl.coalesce(pl.select(written).to_series(), pl.col(name)).alias(name))


def _halves_of_days(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """9:35 PM, 下午 2:55."""
    pattern = r"^(.*?)\s*([上下]午)?\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(?i)([ap])?\.?(m)?\.?$"
    parts = frame.select(pl.col(name).str.extract_groups(pattern).alias("parts")).unnest("parts")
    late = (parts["6"].str.to_lowercase() == "p").fill_null(False) | (parts["2"] == "下午").fill_null(False)
    early = (parts["6"].str.to_lowercase() == "a").fill_null(False) | (parts["2"] == "上午").fill_null(False)
    if not (late | early).any():
        return frame
    hour = parts["3"].cast(pl.Int32)
    turned = hour % 12 + 12 * late.cast(pl.Int32)
    hour = turned.zip_with((late & (hour <= 12)) | (early & (hour <= 12)), hour)
    clock = pl.select(
        pl.format("{} {}:{}:{}", parts["1"].str.strip_chars_end(","), hour, parts["4"], parts["5"].fill_null("00"))
    ).to_series()
    return frame.with_columns(clock.str.strip_chars().zip_with(late | early, frame[name]).alias(name))


def _serials(texts: pl.Series) -> pl.Series:
    """A spreadsheet's number of days, where all stamps are such."""
    if not texts.drop_nulls().str.contains(_SERIAL).all():
        return texts
    seconds = ((texts.cast(pl.Float64) - _SPREADSHEET_EPOCH) * 86400).round().cast(pl.Int64)
    return pl.from_epoch(seconds, time_unit="s").dt.strftime("%Y-%m-%d %H:%M:%S").alias(texts.name)
