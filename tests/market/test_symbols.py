from __future__ import annotations

from pathlib import Path

import pytest

from kronos_quant.market.symbols import canonical, exchange_of, looks_like_index, symbol_from_filename


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SH600000", "SH600000"),
        ("sh600000", "SH600000"),
        ("600000.SH", "SH600000"),
        ("600000.ss", "SH600000"),
        ("600000.XSHG", "SH600000"),
        ("sh.600000", "SH600000"),
        (" 000001.SZ ", "SZ000001"),
        ("430047.BJ", "BJ430047"),
        ("9988.HK", "HK09988"),
        ("HK700", "HK00700"),
        ("aapl", "AAPL"),
        ("brk.b", "BRK.B"),
        ("BJ", "BJ"),
        ("HK", "HK"),
    ],
)
def test_every_spelling_finds_the_same_symbol(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("600000", "SH600000"),
        ("688001", "SH688001"),
        ("000001", "SZ000001"),
        ("300750", "SZ300750"),
        ("830799", "BJ830799"),
        ("920002", "BJ920002"),
        ("700001", "700001"),
    ],
)
def test_six_digits_alone_are_read_by_the_exchanges_code_ranges(code: str, expected: str) -> None:
    assert canonical(code) == expected


def test_digits_are_read_by_the_exchange_where_it_is_known() -> None:
    assert canonical("9988", "XHKG") == "HK09988"
    assert canonical("600000", "XSHG") == "SH600000"
    assert canonical("005930", "XNYS") == "005930"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("XSHG_5min_600977_seedform.csv", "SH600977"),
        ("XSHG_5min_600977.csv", "SH600977"),
        ("HK_ali_09988_kline_5min_all.csv", "HK09988"),
        ("600000.SH.csv", "SH600000"),
        ("sh600000.csv.gz", "SH600000"),
        ("bars-sz000001-day.CSV", "SZ000001"),
        ("600000.csv", "SH600000"),
        ("600000_5min_20240618.csv", "SH600000"),
        ("SZ_000001.csv", "SZ000001"),
        ("aapl.csv", "AAPL"),
        ("brk.b.csv", "BRK.B"),
        ("prices_2024.csv", "PRICES_2024"),
    ],
)
def test_a_file_name_tells_its_symbol(name: str, expected: str) -> None:
    assert symbol_from_filename(Path("folder") / name) == expected


def test_the_spelling_tells_the_exchange_or_the_default_stands() -> None:
    symbols = ("SH600000", "SZ000001", "BJ430047", "HK09988")
    assert [exchange_of(symbol) for symbol in symbols] == ["XSHG", "XSHE", "BJSE", "XHKG"]
    assert exchange_of("AAPL") == ""
    assert exchange_of("AAPL", "XNYS") == "XNYS"
    assert exchange_of("SH600000", "XNYS") == "XSHG"


def test_index_spellings_are_known_and_shares_are_none() -> None:
    assert all(map(looks_like_index, ("SH000300", "SZ399006", "BJ899050", "^GSPC", ".DJI", "EW_INDEX")))
    assert not any(map(looks_like_index, ("SZ000300", "SH600000", "AAPL", "BRK.B")))
