"""What report.txt and the tearsheet tell of a back-test after its headline, once for both."""

from __future__ import annotations

import math

from kronos_quant.backtest import BacktestResult
from kronos_quant.report.headline import a_year, annual
from kronos_quant.report.periods import MONTHS, half_year, month_ends, monthly_returns, rolling_figures
from kronos_quant.report.section import Section, shown
from kronos_quant.report.terms import step_of
from kronos_quant.stats.performance import sharpe_ratio
from kronos_quant.stats.selection import FEWEST_SESSIONS
from kronos_quant.validity import Examination, Legs, ReturnPart

MOST_INDUSTRIES = 10
"""Industries told, those with the largest part."""

OWN_FUNCTION = "a user's own function is not called a second time"

PAID = (
    ("commission", "commission"),
    ("taxes and fees", "levies"),
    ("slippage", "slippage"),
    ("impact", "impact"),
    ("borrowing", "borrow"),
)

LATER = (
    ("annual return", "annual_return", "{:+.2%}"),
    ("Sharpe ratio, annual", "sharpe_ratio", "{:.2f}"),
    ("maximum drawdown", "max_drawdown", "{:.2%}"),
    ("annual excess over the benchmark", "excess_annual_return", "{:+.2%}"),
    ("turnover a session", "turnover", "{:.2%}"),
    ("costs a year / account", "annual_cost", "{:.2%}"),
)

ROLLING = {
    "annual_return": ("annual return", "{:+.1%}"),
    "annual_volatility": ("annual volatility", "{:.1%}"),
    "sharpe_ratio": ("Sharpe ratio, annual", "{:.2f}"),
    "max_drawdown": ("maximum drawdown", "{:.1%}"),
    "beta": ("beta", "{:.2f}"),
}


def sections_of(result: BacktestResult, found: Examination) -> list[Section]:
    """The sections of a back-test, those that apply, in the order in which they are read."""
    made = (
        against_benchmark(result, found),
        attribution(found),
        industries(found),
        legs(result, found.legs),
        later(result, found),
        capacity(result, found),
        costs(result),
        rejections(result),
        risk_rules(result),
        rolling(result),
        months(result),
        holdings(result),
    )
    return [section for section in made if section is not None]


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
    told = (
        f"HAC standard errors, {regression.degrees} degrees of freedom; standard error of beta "
        f"{shown(regression.beta_error, '{:.3f}')}."
    )
    return Section(
        "Against the benchmark",
        () if math.isnan(regression.beta_error) else (told,),
        (annual(result.sessions_per_year), "value"),
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
        "Where the return came from", tuple(lines), ("source", a_year(found.sessions_per_year), "t", "mean exposure"),
        (*(_part(part) for part in parts.parts), total),
    )  # fmt: skip


def _part(part: ReturnPart) -> tuple[str, ...]:
    return (
        part.name,
        shown(part.annual_return, "{:+.2%}"),
        shown(part.t, "{:.1f}"),
        "" if math.isnan(part.exposure) else shown(part.exposure, "{:.2f}"),
    )


def industries(found: Examination) -> Section | None:
    """The industries with the largest part."""
    every = found.attribution.industries
    if not every:
        return None
    rest = (
        []
        if len(every) <= MOST_INDUSTRIES
        else [f"The {MOST_INDUSTRIES} largest of {len(every)}; metrics.json has all."]
    )
    return Section(
        "Industries",
        ("What each industry gave beyond the market, and its mean share of the account.", *rest),
        ("industry", a_year(found.sessions_per_year), "t", "mean share"),
        tuple(_part(part) for part in every[:MOST_INDUSTRIES]),
    )


def legs(result: BacktestResult, found: Legs | None) -> Section | None:
    """Long and short positions, each by itself."""
    if found is None:
        return None
    years = result.sessions_per_year
    rows = tuple(
        (
            name,
            shown(float(returns.mean()) * years, "{:+.2%}"),
            shown(sharpe_ratio(returns, years), "{:.2f}"),
            shown(weight, "{:+.1%}"),
        )
        for name, returns, weight in (
            ("long", found.long, found.mean_long),
            ("short", found.short, found.mean_short),
        )
    )
    line = "What was long and what was short, after their costs; the two add up to the mean return."
    return Section("Long and short", (line,), ("positions", a_year(years), "Sharpe ratio, annual", "mean share"), rows)


def later(result: BacktestResult, found: Examination) -> Section:
    """What a delay of one session, or of one bar of an intraday market, changes."""
    step = step_of(result)
    title = f"One {step} later"
    if found.delayed is None:
        own = result.strategy.strategy == "python"
        return Section(title, (f"Not told: {OWN_FUNCTION if own else f'the delay leaves no {step} to trade in'}.",))
    known = found.delayed
    rows = tuple(
        (label, shown(result.metrics[key], form), shown(known[key], form)) for label, key, form in LATER if key in known
    )
    line = f"The same strategy on the scores of one {step} earlier: an edge that is gone then was in the timing."
    return Section(title, (line,), (annual(result.sessions_per_year), "as run", title.lower()), rows)


def capacity(result: BacktestResult, found: Examination) -> Section:
    """How large an account may be."""
    title = "Capacity"
    if found.capacity is None:
        return Section(title, (f"Not told: {_no_capacity(result)}.",))
    account = f"account; {annual(found.sessions_per_year)}"
    rows = tuple(
        (
            f"{size.account:,.0f}",
            shown(size.annual_return, "{:+.2%}"),
            shown(size.annual_impact, "{:.2%}"),
            shown(size.edge, "{:+.2%}"),
        )
        for size in found.capacity.sizes
    )
    return Section(title, (found.capacity.line(),), (account, "annual return", "impact", "edge"), rows)


def _no_capacity(result: BacktestResult) -> str:
    """Why the account that a strategy bears cannot be told."""
    if result.strategy.strategy == "python":
        return OWN_FUNCTION
    if result.strategy.profile == "qlib":
        return "the profile qlib has no impact"
    if len(result.dates) < FEWEST_SESSIONS:
        return f"fewer than {FEWEST_SESSIONS} sessions"
    return "there are no volumes"


def costs(result: BacktestResult) -> Section:
    """What was paid, and to whom."""
    metrics = result.metrics
    whole, yearly = metrics["cost"], metrics["annual_cost"]
    rows = []
    for label, key in PAID:
        share = metrics[key] / whole if whole else 0.0
        rows.append((label, f"{metrics[key]:,.2f}", f"{share:.1%}", f"{share * yearly:.2%}"))
    total = ("all of it", f"{whole:,.2f}", "100.0%" if whole else "-", f"{yearly:.2%}")
    columns = ("cost", "paid", "share", f"{a_year(result.sessions_per_year)} / account")
    return Section("Costs", (), columns, (*rows, total))


def rejections(result: BacktestResult) -> Section:
    """Limits and other reasons that cut or rejected orders."""
    orders, cut = result.metrics["orders"], sum(result.rejections.values())
    line = f"{cut:,} of {orders:,.0f} orders were rejected or cut" + (f" ({cut / orders:.1%})." if cut else ".")
    rows = tuple((reason, f"{count:,}") for reason, count in result.rejections.items())
    return Section("Limits and rejections", (line,), ("reason", "orders") if rows else (), rows)


def risk_rules(result: BacktestResult) -> Section | None:
    """What each rule of the section `risk` did."""
    if not result.risk:
        return None
    rows = tuple((rule, f"{count:,}") for rule, count in result.risk.items())
    return Section(
        "Risk rules", ("Orders that each rule made, cut or kept from being made.",), ("rule", "orders"), rows
    )


def months(result: BacktestResult) -> Section:
    """Returns by the month."""
    found = monthly_returns(result.dates, result.returns)
    years = sorted({year for year, _ in found})
    rows = []
    for year in years:
        cells = [found.get((year, month)) for month in range(1, 13)]
        whole = math.prod(1 + cell for cell in cells if cell is not None) - 1
        rows.append((str(year), *("" if cell is None else f"{cell:+.1%}" for cell in cells), f"{whole:+.1%}"))
    return Section(
        "Months", ("Returns after costs.",), ("year", *MONTHS, "year's"), tuple(rows), wide=True, shaded=True
    )


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
    columns = (annual(years), "lowest", "median", "highest", "newest")
    return Section("Rolling half years", (line,), columns, tuple(rows))


def holdings(result: BacktestResult) -> Section:
    """What was held at the end of each month; what is short beside what is long where anything was."""
    one_sided = result.legs is None
    rows = tuple(
        (
            f"{end.date}",
            f"{end.symbols:,}",
            *(shown(share, "{:.1%}") for share in ((end.long,) if one_sided else (end.long, end.short))),
            ", ".join(f"{symbol} {weight:.1%}" for symbol, weight in end.largest),
        )
        for end in month_ends(result)
    )
    return Section(
        "Holdings by date",
        ("At the last session of each month; positions.parquet has every session.",),
        ("date", "symbols", *(("invested",) if one_sided else ("long", "short")), "largest"),
        rows,
        wide=True,
    )
