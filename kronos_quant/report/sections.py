"""What report.txt and the tearsheet tell of a back-test beside its key figures, once for both."""

from __future__ import annotations

import math
from collections.abc import Iterator

import polars as pl

from kronos_quant.backtest import BacktestResult
from kronos_quant.backtest.performance import sharpe_ratio
from kronos_quant.report.periods import MONTHS, half_year, monthly_returns, rolling_figures
from kronos_quant.report.section import Section, shown
from kronos_quant.validity import Examination, Legs
from kronos_quant.validity.attribution import Part

LARGEST = 5
"""Holdings named at the end of a month, and industries with the largest part."""

PAID = (
    ("commission", "commission"),
    ("taxes and fees", "levies"),
    ("slippage", "slippage"),
    ("impact", "impact"),
    ("borrowing", "borrow"),
)

LATER = (
    ("annual return", "annual_return", "{:+.2%}"),
    ("Sharpe ratio", "sharpe_ratio", "{:.2f}"),
    ("maximum drawdown", "max_drawdown", "{:.2%}"),
    ("annual excess over the benchmark", "excess_annual_return", "{:+.2%}"),
    ("turnover a session", "turnover", "{:.2%}"),
    ("costs a year / account", "annual_cost", "{:.2%}"),
)

ROLLING = {
    "annual_return": ("annual return", "{:+.1%}"),
    "annual_volatility": ("annual volatility", "{:.1%}"),
    "sharpe_ratio": ("Sharpe ratio", "{:.2f}"),
    "max_drawdown": ("maximum drawdown", "{:.1%}"),
    "beta": ("beta", "{:.2f}"),
}


def sections_of(result: BacktestResult, found: Examination) -> list[Section]:
    """The sections of a back-test, those that apply, in the order in which they are read."""
    made = (
        verdict(found),
        against_benchmark(result, found),
        attribution(found),
        industries(found),
        legs(result, found.legs),
        later(result, found),
        capacity(found),
        costs(result),
        rejections(result),
        rolling(result),
        months(result),
        holdings(result),
    )
    return [section for section in made if section is not None]


def verdict(found: Examination) -> Section:
    """What luck explains."""
    return Section("Is it luck?", tuple(found.luck.lines()))


def against_benchmark(result: BacktestResult, found: Examination) -> Section | None:
    """Excess, information ratio, alpha and beta."""
    if found.regression is None:
        return None
    metrics, regression = result.metrics, found.regression
    figures = (
        ("annual excess, after costs", "excess_annual_return", "{:+.2%}"),
        ("annual excess, before costs", "excess_annual_return_before_cost", "{:+.2%}"),
        ("information ratio, annual", "information_ratio", "{:.2f}"),
        ("tracking error, annual", "tracking_error", "{:.2%}"),
        ("alpha, annual", "alpha", "{:+.2%}"),
        ("beta", "beta", "{:.2f}"),
    )
    rows = [(label, shown(metrics[key], form)) for label, key, form in figures]
    rows.insert(5, ("alpha, t value", shown(regression.alpha_t, "{:.1f}")))
    line = f"t values and errors are Newey and West's, {regression.lags} lags; beta's error is "
    return Section(
        "Against the benchmark",
        (line + shown(regression.beta_error, "{:.3f}") + ".",),
        ("figure", "value"),
        tuple(rows),
    )


def attribution(found: Examination) -> Section:
    """Which sources the mean return came from."""
    parts = found.attribution
    lines = [
        "Mean return a year, not compounded, by source. In each session the returns of symbols are regressed on what "
        "was known of them at the close before; a style's exposure is in standard scores times the account's share."
    ]
    if parts.unknown:
        lines.append(f"Too few bars before the period for: {', '.join(parts.unknown)}.")
    total = ("all of it, after costs", shown(parts.total, "{:+.2%}"), "", "")
    return Section(
        "Where the return came from", tuple(lines), ("source", "a year", "t", "mean exposure"),
        (*(_part(part) for part in parts.parts), total),
    )  # fmt: skip


def _part(part: Part) -> tuple[str, ...]:
    return (
        part.name,
        shown(part.annual_return, "{:+.2%}"),
        shown(part.t, "{:.1f}"),
        "" if math.isnan(part.exposure) else f"{part.exposure:.2f}",
    )


def industries(found: Examination) -> Section | None:
    """The industries with the largest part."""
    every = found.attribution.industries
    if not every:
        return None
    rest = [] if len(every) <= LARGEST else [f"The {LARGEST} largest of {len(every)}; metrics.json has all."]
    return Section(
        "Industries",
        ("What each industry gave beyond the market, and its mean share of the account.", *rest),
        ("industry", "a year", "t", "mean share"),
        tuple(_part(part) for part in every[:LARGEST]),
    )


def legs(result: BacktestResult, found: Legs | None) -> Section | None:
    """Long and short positions, each by itself."""
    if found is None:
        return None
    years = result.sessions_per_year
    rows = tuple(
        (
            name,
            f"{float(returns.mean()) * years:+.2%}",
            shown(sharpe_ratio(returns, years), "{:.2f}"),
            f"{weight:+.1%}",
        )
        for name, returns, weight in (
            ("long", found.long, found.mean_long),
            ("short", found.short, found.mean_short),
        )
    )
    line = "What was long and what was short, after their costs; the two add up to the mean return."
    return Section("Long and short", (line,), ("positions", "a year", "Sharpe ratio", "mean share"), rows)


def later(result: BacktestResult, found: Examination) -> Section:
    """What a delay of one session, or of one bar of an intraday market, changes."""
    step = "session" if result.bars is None else "bar"
    title = f"One {step} later"
    if found.later is None:
        return Section(title, ("Not told: a user's own function is not called a second time.",))
    known = found.later
    rows = tuple(
        (label, shown(result.metrics[key], form), shown(known[key], form)) for label, key, form in LATER if key in known
    )
    line = f"The same strategy on the scores of one {step} earlier: an edge that is gone then was in the timing."
    return Section(title, (line,), ("figure", "as run", title.lower()), rows)


def capacity(found: Examination) -> Section:
    """How large an account may be."""
    title = "Capacity"
    if found.capacity is None:
        return Section(title, ("Not told: it needs volumes, the exchange's rules and a strategy that may run again.",))
    rows = tuple(
        (
            f"{size.account:,.0f}",
            f"{size.annual_return:+.2%}",
            f"{size.annual_impact:.2%}",
            f"{size.edge:+.2%}",
        )
        for size in found.capacity.sizes
    )
    return Section(title, (found.capacity.line(),), ("account", "annual return", "impact a year", "edge"), rows)


def costs(result: BacktestResult) -> Section:
    """What was paid, and to whom."""
    metrics = result.metrics
    whole, a_year = metrics["cost"], metrics["annual_cost"]
    rows = []
    for label, key in PAID:
        share = metrics[key] / whole if whole else 0.0
        rows.append((label, f"{metrics[key]:,.2f}", f"{share:.1%}", f"{share * a_year:.2%}"))
    total = ("all of it", f"{whole:,.2f}", "100.0%" if whole else "-", f"{a_year:.2%}")
    return Section("Costs", (), ("cost", "paid", "share", "a year / account"), (*rows, total))


def rejections(result: BacktestResult) -> Section:
    """Limits and other reasons that cut or rejected orders."""
    orders = result.metrics["orders"]
    line = f"{sum(result.rejections.values()):,} of {orders:,.0f} orders were rejected or cut."
    rows = tuple((reason, f"{count:,}") for reason, count in result.rejections.items())
    rows += tuple((f"made or cut by a risk rule: {rule}", f"{count:,}") for rule, count in result.risk.items())
    return Section("Limits and rejections", (line,), ("reason", "orders") if rows else (), rows)


def months(result: BacktestResult) -> Section:
    """Returns by the month."""
    found = monthly_returns(result.dates, result.returns)
    years = sorted({year for year, _ in found})
    rows = []
    for year in years:
        cells = [found.get((year, month)) for month in range(1, 13)]
        whole = math.prod(1 + cell for cell in cells if cell is not None) - 1
        rows.append((str(year), *("" if cell is None else f"{cell:+.1%}" for cell in cells), f"{whole:+.1%}"))
    return Section("Months", ("Returns after costs.",), ("year", *MONTHS, "year's"), tuple(rows), wide=True)


def rolling(result: BacktestResult) -> Section | None:
    """Figures over every half year."""
    years = result.sessions_per_year
    window = half_year(years)
    found = rolling_figures(result.returns, result.benchmark_returns, window, years)
    if not found:
        return None
    rows = []
    for one in found:
        label, form = ROLLING[one.name]
        values = (one.lowest, one.median, one.highest, one.newest)
        rows.append((label, *(shown(value, form) for value in values)))
    line = f"Every stretch of {window} sessions: {len(result.dates) - window + 1:,} of them, which overlap."
    return Section("Rolling half years", (line,), ("figure", "lowest", "median", "highest", "newest"), tuple(rows))


def holdings(result: BacktestResult) -> Section:
    """What was held at the end of each month."""
    return Section(
        "Holdings by date",
        ("At the last session of each month; positions.parquet has every session.",),
        ("date", "symbols", "invested", "largest"),
        tuple(_month_ends(result)),
        wide=True,
    )


def _month_ends(result: BacktestResult) -> Iterator[tuple[str, ...]]:
    ends = {(day.year, day.month): day for day in result.dates}
    held = result.positions.filter(pl.col("date").is_in(list(ends.values())))
    by_date = {day: frame for (day,), frame in held.group_by("date")}
    for day in ends.values():
        frame = by_date.get(day)
        if frame is None:
            yield f"{day}", "0", "0.0%", ""
            continue
        largest = frame.sort(pl.col("weight").abs(), descending=True).head(LARGEST)
        names = ", ".join(f"{symbol} {weight:.1%}" for symbol, weight in largest.select("symbol", "weight").iter_rows())
        yield f"{day}", str(len(frame)), f"{float(frame['weight'].sum()):.1%}", names
