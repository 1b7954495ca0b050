"""The shipped rules: each finds its fault, and nothing in bars that are well."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import polars as pl
import pytest
from made import SHARED, make_bars, weekdays

from kronos_quant import schema
from kronos_quant.market.quality.check_tables import CheckContext, number_rows
from kronos_quant.market.quality.checks import iter_checks, offenders, screen
from kronos_quant.market.sessions import sessions_between

SESSIONS = weekdays(60, date(2022, 1, 3))
DAY = SESSIONS[30]
SHIPPED = list(iter_checks())
ERRORS = [check for check in SHIPPED if check.severity == "error"]
CALENDAR = [check for check in SHIPPED if check.name in ("outside_session", "calendar_contradiction")]
WARNINGS = [check for check in SHIPPED if check.severity == "warning"]

Places = set[tuple[str, date]]
Spoil = Callable[[pl.DataFrame], pl.DataFrame]


def broken(bars: pl.DataFrame, around: CheckContext) -> dict[str, Places]:
    """(symbol, date) by rule, errors and warnings, as an ingest and a check after it see them."""
    screened = screen(bars, ERRORS, around)
    found: dict[str, Places] = {}
    for rules, symbol, day in screened.refused.select("rules", "symbol", "date").rows():
        for rule in rules.split(", "):
            found.setdefault(rule, set()).add((symbol, day))
    numbered = number_rows(screened.bars)
    for rule, rows in offenders(numbered, WARNINGS, around).items():
        found[rule] = set(numbered[rows.to_list()].select("symbol", "date").rows())
    return found


def broken_by(rule: str, bars: pl.DataFrame, around: CheckContext) -> Places:
    """(symbol, date) of the bars, which break no other rule of severity error, that break this one."""
    numbered = number_rows(bars)
    rows = offenders(numbered, [check for check in SHIPPED if check.name == rule], around)
    return set(numbered[rows[rule].to_list()].select("symbol", "date").rows()) if rows else set()


def made(*symbols: str, seed: int = 0) -> pl.DataFrame:
    return make_bars(list(symbols or ("AAA", "BBB")), SESSIONS, seed)


def day_of(symbol: str, clocks: list[str], day: str = "2022-01-04") -> pl.DataFrame:
    """Intraday bars of one day, all alike."""
    times = [datetime.fromisoformat(f"{day} {clock}") for clock in clocks]
    bars = pl.concat([made(symbol).head(1)] * len(times))
    return bars.with_columns(date=pl.lit(times[0].date()), time=pl.Series(times, dtype=pl.Datetime("us")))


def change(where: pl.Expr, **values: object) -> Spoil:
    """Give columns of the bars that `where` names other values, all from the old ones."""
    changed = {name: pl.when(where).then(value).otherwise(name) for name, value in values.items()}
    return lambda bars: bars.with_columns(**changed).cast(schema.BARS)  # type: ignore[arg-type]


def scaled(where: pl.Expr, ratio: float, *names: str) -> Spoil:
    return change(where, **{name: pl.col(name) * ratio for name in names})


AAA = pl.col("symbol") == "AAA"
HERE = AAA & (pl.col("date") == DAY)
SINCE = AAA & (pl.col("date") >= DAY)
DATA_ONLY = CheckContext("day", "", SESSIONS)


def test_bars_that_are_well_break_no_rule() -> None:
    assert broken(make_bars([f"S{i}" for i in range(60)], SESSIONS), DATA_ONLY) == {}


FAULTS: list[tuple[str, Spoil]] = [
    ("missing_key", change(HERE, symbol=pl.lit(None))),
    ("missing_price", change(HERE, open=pl.lit(None))),
    ("infinite_value", change(HERE, volume=pl.lit(float("inf")))),
    ("price_not_positive", change(HERE, low=pl.lit(0.0))),
    ("high_below_low", change(HERE, high=pl.col("low") * 0.9)),
    ("close_outside_range", change(HERE, close=pl.col("high") * 1.0001)),
    ("open_outside_range", change(HERE, open=pl.col("low") * 0.9999)),
    ("negative_volume", change(HERE, volume=pl.lit(-1.0))),
    ("factor_not_positive", change(HERE, factor=pl.lit(0.0))),
    ("implausible_size", change(HERE, factor=pl.lit(1e12))),
    ("implausible_size", change(HERE, volume=pl.lit(1e17))),
    ("zero_volume_move", change(HERE, volume=pl.lit(0.0), amount=pl.lit(0.0))),
    ("price_jump", scaled(HERE, 1.6, *schema.PRICES)),
    ("amount_mismatch", scaled(HERE, 1.2, "amount")),
    ("amount_mismatch", scaled(HERE, 0.0, "amount")),
    ("factor_jump", scaled(HERE, 1.5, "factor")),
    ("unadjusted_split", scaled(SINCE, 1 / 2, *schema.PRICES)),
    ("unadjusted_split", scaled(SINCE, 2 / 3, *schema.PRICES)),
    ("unadjusted_split", scaled(SINCE, 10, *schema.PRICES)),
    ("range_outlier", scaled(HERE, 1.5, "high")),
    ("range_outlier", scaled(HERE, 0.5, "low")),
    ("volume_outlier", scaled(HERE, 3000, "volume", "amount")),
    ("volume_outlier", scaled(HERE, 1 / 3000, "volume", "amount")),
    ("volume_unit_change", scaled(SINCE, 100, "volume")),
    ("volume_unit_change", scaled(SINCE, 1 / 100, "volume")),
]


def test_each_rule_finds_its_fault_and_nothing_in_the_bars_that_are_well() -> None:
    names = [f"F{number:02}" for number in range(len(FAULTS))]
    spoiled = [
        spoil(made("AAA", seed=number)).with_columns(pl.col("symbol").replace("AAA", name))
        for number, (name, (_, spoil)) in enumerate(zip(names, FAULTS, strict=True))
    ]
    found = broken(pl.concat([*spoiled, made("BBB")]), DATA_ONLY)
    for name, (rule, _) in zip(names, FAULTS, strict=True):
        assert (None if rule == "missing_key" else name, DAY) in found[rule], (name, rule)
    assert not any(symbol == "BBB" for places in found.values() for symbol, _ in places)


def test_a_duplicate_is_one_bar_too_many() -> None:
    bars = made()
    twice = pl.concat([bars, bars.filter(HERE)])
    assert broken(twice, DATA_ONLY) == {"duplicate_bar": {("AAA", DAY)}}


@pytest.mark.parametrize("ratio", [1 / 2, 1 / 3, 2 / 3, 1 / 5, 1 / 10, 2.0])
def test_a_split_whose_volume_moves_inversely_is_found_and_one_with_its_factor_is_none(ratio: float) -> None:
    split = scaled(SINCE, 1 / ratio, "volume")(scaled(SINCE, ratio, *schema.PRICES)(made()))
    assert broken_by("unadjusted_split", split, DATA_ONLY) == {("AAA", DAY)}
    # raw price = price / factor halves and the factor doubles: the adjusted price knows nothing of it
    adjusted = scaled(SINCE, 1 / ratio, "factor")(made())
    assert broken_by("unadjusted_split", adjusted, DATA_ONLY) == set()


def test_a_crash_with_its_volume_and_a_spike_are_no_splits() -> None:
    crash = scaled(HERE, 20, "volume", "amount")(scaled(SINCE, 1 / 2, *schema.PRICES, "amount")(made()))
    assert broken(crash, DATA_ONLY).keys() == {"price_jump"}
    spike = scaled(HERE, 1 / 2, *schema.PRICES, "amount")(made())
    assert broken(spike, DATA_ONLY) == {"price_jump": {("AAA", DAY), ("AAA", SESSIONS[31])}}


def test_a_jump_within_the_limit_passes_and_one_beyond_it_does_not() -> None:
    flat = {name: pl.lit(10.0) for name in schema.PRICES}

    def jumped(symbol: str, close: float, day: date = DAY) -> Places:
        bars = made(symbol, "SZ000001").with_columns(**flat).with_columns(volume=pl.lit(0.0), amount=pl.lit(0.0))
        here = (pl.col("symbol") == symbol) & (pl.col("date") >= day)
        return broken_by("price_jump", change(here, **dict.fromkeys(schema.PRICES, pl.lit(close)))(bars), DATA_ONLY)

    assert jumped("SH600000", 11.00) == set()
    assert jumped("SH600000", 11.20) == {("SH600000", DAY)}
    assert jumped("SH600000", 8.80) == {("SH600000", DAY)}
    assert jumped("SZ300001", 11.90) == set()  # ChiNext: 20% since 2020-08-24
    assert jumped("SZ300001", 12.50) == {("SZ300001", DAY)}
    assert jumped("AAPL", 13.90) == set()  # no limit there, and below 40%
    assert jumped("AAPL", 14.10) == {("AAPL", DAY)}


def test_the_first_sessions_of_a_listing_are_free_as_its_board_and_day_say() -> None:
    bars = made("SH600000", "SH601000", "SZ301000")
    flat = {name: pl.lit(10.0) for name in schema.PRICES}
    bars = bars.with_columns(**flat).with_columns(volume=pl.lit(0.0), amount=pl.lit(0.0))
    rose = change(pl.col("date") >= SESSIONS[12], **dict.fromkeys(schema.PRICES, pl.lit(13.0)))(bars)
    late = rose.filter((pl.col("symbol") == "SH600000") | (pl.col("date") >= SESSIONS[10]))
    # in 2022 five sessions on ChiNext, one on the main boards
    assert broken_by("price_jump", late, DATA_ONLY) == {("SH600000", SESSIONS[12]), ("SH601000", SESSIONS[12])}


def test_within_a_day_only_the_40_percent_count() -> None:
    bars = made("SH600000").head(3).with_columns(**{name: pl.lit(10.0) for name in schema.PRICES})
    times = [datetime(2022, 1, 4, 9, 35), datetime(2022, 1, 4, 9, 40), datetime(2022, 1, 4, 9, 45)]
    bars = bars.with_columns(date=pl.lit(date(2022, 1, 4)), time=pl.Series(times, dtype=pl.Datetime("us")))
    prices = dict.fromkeys(schema.PRICES, pl.Series([9.0, 11.0, 16.0]))
    jumped = bars.with_columns(**prices).cast(schema.BARS)  # type: ignore[arg-type]
    assert len(broken_by("price_jump", jumped, CheckContext("5min"))) == 1


def test_indices_and_symbols_without_any_volume_may_move_without_it() -> None:
    bars = made("EW_INDEX", "EURUSD", "AAA")
    silent = change(pl.col("symbol") != "AAA", volume=pl.lit(0.0), amount=pl.lit(0.0))(bars)
    assert broken(silent, DATA_ONLY) == {}


@pytest.mark.parametrize(("copies", "found"), [(3, 0), (4, 4), (9, 9)])
def test_a_run_of_five_equal_bars_is_stale(copies: int, found: int) -> None:
    stale = AAA & pl.col("date").is_between(SESSIONS[31], SESSIONS[30 + copies])
    values = {name: pl.col(name).filter(HERE).first() for name in schema.FEATURES}
    places = broken_by("stale_run", change(stale, **values)(made()), DATA_ONLY)
    assert places == {("AAA", day) for day in SESSIONS[31 : 31 + found]}


@pytest.mark.parametrize(
    ("symbol", "exchange", "missing", "found"),
    [
        ("AAPL", "XNYS", 5, False),
        ("AAPL", "XNYS", 6, True),
        ("AAPL", "", 20, False),
        ("AAPL", "", 21, True),
        ("SH600000", "", 25, False),
        ("SH600000", "", 26, True),
        ("HK00700", "", 26, False),
        ("BTC", "24/7", 1, True),
    ],
)
def test_sessions_missing_beyond_a_suspension_are_told_at_the_bar_after(
    symbol: str, exchange: str, missing: int, found: bool
) -> None:
    calendar = {"SH": "XSHG", "HK": "XHKG"}.get(symbol[:2], exchange or "XNYS")
    sessions = sessions_between(calendar, date(2022, 1, 3), date(2022, 4, 8))
    bars = make_bars([symbol], sessions)
    hole = bars.filter(~pl.col("date").is_in(sessions[10 : 10 + missing]))
    places = broken_by("missing_sessions", hole, CheckContext("day", exchange, sessions))
    assert places == ({(symbol, sessions[10 + missing])} if found else set())


def test_a_day_and_an_hour_without_trading_are_outside_the_session() -> None:
    saturday = DAY + timedelta(days=5 - DAY.weekday())
    extra = made("SH600000").filter(pl.col("date") == DAY).with_columns(date=pl.lit(saturday))
    extra = extra.with_columns(time=pl.col("date").cast(pl.Datetime("us")))
    bars = pl.concat([made("SH600000").filter(pl.col("date").is_in([SESSIONS[1], SESSIONS[59]])), extra])
    places = broken_by("outside_session", bars, CheckContext("day"))
    assert places == {("SH600000", saturday)}


@pytest.mark.parametrize(
    ("clock", "outside"),
    [("09:30", True), ("09:35", False), ("11:30", False), ("12:00", True), ("13:05", False), ("15:05", True)],
)
def test_an_intraday_bar_ends_within_the_trading_hours(clock: str, outside: bool) -> None:
    bars = day_of("SH600000", [clock, "10:00", "15:00"])
    found = screen(bars, CALENDAR, CheckContext("5min"))
    assert found.rejected_by_rule == ({"outside_session": 1} if outside and clock != "09:30" else {})
    # at the opening without one at 11:30: stamped at its start, as the source's others surely are
    assert found.warnings_by_rule.get("calendar_contradiction", 0) == (clock == "09:30")


def on_tick(symbol: str, factor: float = 0.37) -> pl.DataFrame:
    """Bars whose raw prices are whole hundredths."""
    raw = {name: pl.col(name).cast(pl.Float64).round(2) * factor for name in schema.PRICES}
    return made(symbol).with_columns(**raw, factor=pl.lit(factor)).cast(schema.BARS)  # type: ignore[arg-type]


def off_tick(bars: pl.DataFrame) -> Places:
    return broken_by("off_tick", bars, DATA_ONLY)


def test_a_price_off_the_tick_that_all_others_keep_is_told() -> None:
    assert off_tick(on_tick("SH600000")) == set()
    here = pl.col("date") == DAY
    for name in (*schema.PRICES, "factor"):
        assert off_tick(scaled(here, 1 + 1e-6, name)(on_tick("SH600000"))) == {("SH600000", DAY)}
        assert off_tick(scaled(here, 1 + 1e-7, name)(on_tick("SH600000"))) == set()


def test_a_symbol_with_a_factor_of_another_is_told_where_all_others_keep_the_tick() -> None:
    names = [f"SH6000{i:02d}" for i in range(25)]
    market = pl.concat([on_tick(name) for name in names])
    strange = change(pl.col("symbol") == names[3], factor=pl.lit(0.3712345))(market)
    assert {symbol for symbol, _ in off_tick(strange)} == {names[3]}
    few = strange.filter(pl.col("symbol").is_in(names[:10]))
    assert off_tick(few) == set()


def test_prices_that_keep_no_tick_are_left_alone() -> None:
    here = scaled(pl.col("date") == DAY, 1.001, *schema.PRICES)
    assert off_tick(here(made("SH600000"))) == set()  # adjusted, without a factor
    assert off_tick(here(on_tick("AAPL", 1))) == set()  # no tick is known there
    assert off_tick(here(on_tick("SH000300", 1))) == set()  # an index has none


def test_units_of_volume_and_amount_do_not_matter_and_raw_volume_does_not_either() -> None:
    lots = scaled(AAA, 1 / 100, "volume")(made())
    assert broken(lots, DATA_ONLY) == {}
    thousands = scaled(AAA, 1 / 1000, "amount")(made())
    assert broken(thousands, DATA_ONLY) == {}
    # prices adjusted by a factor that halves, volume the shares really traded: amount / volume is the raw price
    factor = pl.when(pl.col("date") < DAY).then(0.5).otherwise(1.0)
    raw = made().with_columns(amount=pl.col("amount") / factor, factor=factor).cast(schema.BARS)  # type: ignore[arg-type]
    assert broken(raw, DATA_ONLY) == {}


def test_a_symbol_without_amounts_has_none_that_could_mismatch() -> None:
    assert broken(scaled(AAA, 0, "amount")(made()), DATA_ONLY) == {}


def test_a_factor_that_changes_while_the_raw_price_stays_is_told() -> None:
    doubled = scaled(SINCE, 2, "factor", *schema.PRICES, "amount")(made())
    assert broken(doubled, DATA_ONLY) == {"factor_jump": {("AAA", DAY)}, "price_jump": {("AAA", DAY)}}


def test_a_dividend_and_a_split_that_stay_are_no_jumps() -> None:
    split = scaled(AAA & (pl.col("date") >= SESSIONS[40]), 2, "factor")(scaled(SINCE, 1.01, "factor")(made()))
    assert broken_by("factor_jump", split, DATA_ONLY) == set()


def test_one_days_frenzy_is_no_change_of_the_unit() -> None:
    assert broken(scaled(HERE, 100, "volume", "amount")(made()), DATA_ONLY) == {}


def test_in_real_bars_the_rules_find_planted_faults_and_few_others() -> None:
    source = SHARED / "data" / "sp500_5yr.parquet"
    if not source.exists():
        pytest.skip("needs the five years of S&P 500 bars in ../shared")
    names = ["AAPL", "ABT", "ADM", "AEP", "BA", "BEN", "CAT", "CVX", "DIS", "DUK"]
    real = pl.read_parquet(source).filter(pl.col("symbol").is_in(names)).with_columns(pl.col("date").cast(pl.Date))
    bars = (
        real.with_columns(
            time=pl.col("date").cast(pl.Datetime("us")),
            amount=pl.col("volume") * (pl.col("high") + pl.col("low")) / 2,
            factor=1.0,
        )
        .select(list(schema.BARS))
        .cast(schema.BARS)  # type: ignore[arg-type]
        .sort("symbol", "time")
    )
    york = CheckContext("day", "XNYS")
    assert broken(bars, york) == {}
    day = date(2015, 6, 10)
    here, since = pl.col("date") == day, pl.col("date") >= day
    faults: dict[str, tuple[str, Spoil]] = {
        "AAPL": ("unadjusted_split", scaled((pl.col("symbol") == "AAPL") & since, 1 / 3, *schema.PRICES)),
        "ABT": ("volume_unit_change", scaled((pl.col("symbol") == "ABT") & since, 1 / 100, "volume")),
        "ADM": ("factor_jump", scaled((pl.col("symbol") == "ADM") & here, 1.2, "factor")),
        "AEP": ("high_below_low", change((pl.col("symbol") == "AEP") & here, high=pl.col("low") * 0.99)),
        "BA": ("zero_volume_move", scaled((pl.col("symbol") == "BA") & here, 0, "volume", "amount")),
        "BEN": ("price_jump", scaled((pl.col("symbol") == "BEN") & here, 1.7, *schema.PRICES)),
        "CAT": ("amount_mismatch", scaled((pl.col("symbol") == "CAT") & here, 0.5, "amount")),
    }
    for _, spoil in faults.values():
        bars = spoil(bars)
    hole = (pl.col("symbol") == "CVX") & pl.col("date").is_between(date(2015, 5, 27), date(2015, 6, 9))
    found = broken(bars.filter(~hole), york)
    assert all((symbol, day) in found[rule] for symbol, (rule, _) in faults.items())
    assert found["missing_sessions"] == {("CVX", day)}
    assert not any(symbol in ("DIS", "DUK") for places in found.values() for symbol, _ in places)
