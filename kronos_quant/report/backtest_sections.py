"""The sections of a back-test's report: what comes first (verdict, figures, trading), and what follows."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from kronos_quant.backtest import BacktestResult
from kronos_quant.display import figure_or_dash
from kronos_quant.errors import counted
from kronos_quant.report.document import SHOUTED, Part
from kronos_quant.report.periods import MONTHS, half_year, month_ends, monthly_returns, rolling_figures
from kronos_quant.report.terms import figure_cell, figure_rows, step_of
from kronos_quant.stats.performance import sharpe_ratio
from kronos_quant.stats.selection import FEWEST_SESSIONS
from kronos_quant.validity.attribution import ReturnPart
from kronos_quant.validity.examination import Examination, Legs

COMPARED = (
    "total_return", "annual_return", "annual_return_before_cost", "annual_volatility", "sharpe_ratio", "sortino_ratio",
    "calmar_ratio", "max_drawdown", "win_rate",
)  # fmt: skip
TRADING = ("trades", "orders", "rejected", "mean_holdings", "mean_cash", "turnover", "cost", "annual_cost")
RELATIVE = (
    "excess_annual_return", "excess_annual_return_before_cost", "information_ratio", "tracking_error", "alpha", "beta",
)  # fmt: skip
DELAYED = ("annual_return", "sharpe_ratio", "max_drawdown", "excess_annual_return", "turnover", "annual_cost")

FEW_SESSIONS = 60
"""Below this, annual figures are unreliable."""

NAME_WIDTH = 16
"""Signs of a benchmark's name at most."""

ASSUMED = re.compile(r"Up to .* of the account|[\d,]+ holdings? counts? as delisted")
"""How a note begins of holdings whose price is an assumption: `unstated_listings`, `notes.delisted`."""

TOLD = 25.0
"""Basis points a year from which on the effect of a rule is told first."""

MOST_INDUSTRIES = 10
"""Industries listed, those with the largest contribution."""

WITHOUT_SIZE = "without impact and participation"

OWN_FUNCTION = "a strategy in Python is run only once"

PAID = (
    ("commission", "commission"),
    ("taxes and fees", "levies"),
    ("slippage", "slippage"),
    ("impact", "impact"),
    ("borrowing", "borrow"),
)

ROLLING = {
    "annual_return": ("annual return", "{:+.1%}"),
    "annual_volatility": ("annual volatility", "{:.1%}"),
    "sharpe_ratio": ("Sharpe ratio, annual", "{:.2f}"),
    "max_drawdown": ("maximum drawdown", "{:.1%}"),
    "beta": ("beta", "{:.2f}"),
}


def headline_sections(result: BacktestResult, found: Examination, benchmark_name: str | None = None) -> list[Part]:
    """The sections that come first, the verdict before all."""
    made = (verdict(found), figures(result, benchmark_name, found.without_size), trading(result), delistings(result))
    return [section for section in made if section is not None]


def verdict(found: Examination) -> Part:
    """Whether the result is significant after adjusting for the number of trials, and holds at the account."""
    return Part("Significance", tuple(found.lines()), tone="verdict")


def figures(
    result: BacktestResult, benchmark_name: str | None = None, without_size: Mapping[str, float] | None = None
) -> Part:
    """The key figures, with those of a run `without_size` (impact and participation) and of the benchmark, if any."""
    rows, names, metrics = figure_rows(COMPARED, result.metrics, price_index=bool(result.caveat)), [], result.metrics
    if without_size is not None:
        names = [WITHOUT_SIZE]
        rows = figure_rows(COMPARED, result.metrics, without_size, price_index=bool(result.caveat))
    if result.benchmark_returns is not None:
        names.append((benchmark_name or "benchmark").partition(" (")[0][:NAME_WIDTH])
        other = [figure_cell(metrics, key, "benchmark_") if f"benchmark_{key}" in metrics else "" for key in COMPARED]
        rows = tuple((*row, cell) for row, cell in zip(rows, other, strict=True))
    days = counted(len(result.dates), "session")
    few = f"Annual figures are extrapolated from {days} and are unreliable."
    lines = [few] if len(result.dates) < FEW_SESSIONS else []
    if result.strategy.liquidity.by_size:
        lines.append(f"Market impact and participation are those of an account of {result.strategy.account:,.0f}.")
    lines += [result.caveat] if result.caveat else []
    return Part("Result, after costs", tuple(lines), ("figure", "portfolio", *names), rows)


def trading(result: BacktestResult) -> Part:
    """How much was traded, and at which cost."""
    line = "Turnover: (buys + sells) / account. A rejected order filled nothing."
    return Part("Trading", (line,), ("figure", "value"), figure_rows(TRADING, result.metrics))


def delistings(result: BacktestResult) -> Part | None:
    """The total return by the price at which delisted holdings are sold."""
    if not result.delisted:
        return None
    rows = tuple((f"{at:+.0%}", f"{total:+.2%}") for at, total in result.delisted.items())
    line = (
        "Total return for different values of delisting_return, the return from the last close at which delisted "
        "holdings are sold."
    )
    return Part("Delisted holdings", (line,), ("delisting_return", "total return"), rows)


def result_sections(result: BacktestResult, found: Examination) -> list[Part]:
    """The sections of a back-test, those that apply, in the order in which they are read."""
    made = (
        against_benchmark(result, found),
        attribution(found),
        industries(found),
        legs(result, found.legs),
        delay(result, found),
        capacity(result, found),
        effects(result, found),
        costs(result),
        rejections(result),
        risk_rules(result),
        rolling(result),
        months(result),
        holdings(result),
    )
    return [section for section in made if section is not None]


def against_benchmark(result: BacktestResult, found: Examination) -> Part | None:
    """Excess, information ratio, alpha and beta."""
    if found.regression is None:
        return None
    regression = found.regression
    rows = list(figure_rows(RELATIVE, result.metrics, price_index=bool(result.caveat)))
    rows.insert(5, ("alpha, t value", figure_or_dash(regression.alpha_t, "{:.1f}")))
    error = figure_or_dash(regression.beta_error, "{:.3f}")
    line = f"HAC standard errors, {regression.degrees} degrees of freedom; standard error of beta {error}."
    lines = [] if math.isnan(regression.beta_error) else [line]
    lines += [result.caveat] if result.caveat else []
    return Part("Against the benchmark", tuple(lines), ("figure", "value"), tuple(rows))


def attribution(found: Examination) -> Part:
    """Which sources the mean return came from."""
    parts = found.attribution
    lines = [
        "Mean annual return by source, not compounded. Each session, the returns of the symbols are regressed on their "
        "exposures at the previous close. Style exposures are z-scores weighted by the share of the account."
    ]
    if parts.unknown:
        lines.append(f"Not available (too few bars before the period): {', '.join(parts.unknown)}.")
    if not parts.industries:
        lines.append("No industries are known: what they contributed is in selection (kq ingest intervals industry).")
    total = ("total, after costs", figure_or_dash(parts.total, "{:+.2%}"), "", "")
    return Part(
        "Where the return came from", tuple(lines), ("source", "per year", "t", "mean exposure"),
        (*(_part(part) for part in parts.parts), total),
    )  # fmt: skip


def _part(part: ReturnPart) -> tuple[str, ...]:
    return (
        part.name,
        figure_or_dash(part.annual_return, "{:+.2%}"),
        figure_or_dash(part.t, "{:.1f}"),
        "" if math.isnan(part.exposure) else figure_or_dash(part.exposure, "{:.2f}"),
    )


def industries(found: Examination) -> Part | None:
    """The industries that contributed most."""
    every = found.attribution.industries
    if not every:
        return None
    largest = [f"The {MOST_INDUSTRIES} largest of {len(every)}; metrics.json lists all."]
    rest = largest if len(every) > MOST_INDUSTRIES else []
    return Part(
        "Industries",
        ("Contribution of each industry in excess of the market, and its mean share of the account.", *rest),
        ("industry", "per year", "t", "mean share"),
        tuple(_part(part) for part in every[:MOST_INDUSTRIES]),
    )


def legs(result: BacktestResult, found: Legs | None) -> Part | None:
    """Long and short positions, each by itself."""
    if found is None:
        return None
    years = result.sessions_per_year
    rows = tuple(
        (
            name,
            figure_or_dash(float(returns.mean()) * years, "{:+.2%}"),
            figure_or_dash(sharpe_ratio(returns, years), "{:.2f}"),
            figure_or_dash(weight, "{:+.1%}"),
        )
        for name, returns, weight in (("long", found.long, found.mean_long), ("short", found.short, found.mean_short))
    )
    line = "Long and short positions after their costs; the two add up to the mean return."
    return Part("Long and short", (line,), ("positions", "per year", "Sharpe ratio, annual", "mean share"), rows)


def delay(result: BacktestResult, found: Examination) -> Part:
    """The effect of a delay of one session, or of one bar of an intraday market."""
    step = step_of(result)
    title = f"One-{step} delay"
    if found.delayed is None:
        own = result.strategy.strategy == "python"
        return Part(title, (f"Not available: {OWN_FUNCTION if own else f'the delay leaves no {step} to trade in'}.",))
    known = (key for key in DELAYED if key in found.delayed)
    rows = figure_rows(known, result.metrics, found.delayed, price_index=bool(result.caveat))
    line = (
        f"The same strategy with scores delayed by one {step}. If the edge disappears, it depends on execution timing."
    )
    return Part(title, (line,), ("figure", "as run", "delayed"), rows)


def capacity(result: BacktestResult, found: Examination) -> Part:
    """How large an account may be."""
    title = "Capacity"
    if found.capacity is None:
        return Part(title, (f"Not available: {_no_capacity(result)}.",))
    rows = tuple(
        (
            f"{size.account:,.0f}",
            figure_or_dash(size.annual_return, "{:+.2%}"),
            figure_or_dash(size.annual_impact, "{:.2%}"),
            figure_or_dash(size.edge, "{:+.2%}"),
        )
        for size in found.capacity.sizes
    )
    lines = (found.capacity.line(), *([f"Edge: {result.caveat}"] if result.caveat else []))
    return Part(title, lines, ("account", "annual return", "impact per year", "edge per year"), rows)


def _no_capacity(result: BacktestResult) -> str:
    """Why capacity cannot be estimated."""
    if result.strategy.strategy == "python":
        return OWN_FUNCTION
    if result.strategy.profile == "qlib":
        return "the profile qlib models no market impact"
    if not result.strategy.liquidity.by_size:
        return "liquidity has neither impact nor participation, so that the size of the account has no effect"
    if len(result.dates) < FEWEST_SESSIONS:
        return f"fewer than {FEWEST_SESSIONS} sessions"
    return "the bars have no volumes"


def effects(result: BacktestResult, found: Examination) -> Part:
    """What each rule and assumption is worth."""
    title = "What each rule is worth"
    if not found.effects:
        return Part(title, (f"Not available: {_no_effects(result)}.",))
    rows = tuple(
        (effect.name, f"{effect.annual_return:+.2%}", f"{effect.basis_points:+,.0f}") for effect in found.effects
    )
    lines = ["The same strategy without one rule at a time; the annual return as run, less that without the rule."]
    if result.strategy.optimises:
        lines.append("Optimised weights: the rules of the exchange are not left out, which would optimise again.")
    return Part(title, tuple(lines), ("rule", "annual return without it", "effect, bps per year"), rows)


def _no_effects(result: BacktestResult) -> str:
    """Why no rule was left out."""
    if result.strategy.strategy == "python":
        return OWN_FUNCTION
    if result.fills.is_empty():
        return "nothing was traded"
    if result.strategy.profile == "qlib":
        return "kq parity compares the rules of the profile qlib"
    if len(result.dates) < FEWEST_SESSIONS:
        return f"fewer than {FEWEST_SESSIONS} sessions"
    return "no rule of the exchange or the strategy can be left out"


def read_first(notes: Sequence[str], found: Examination) -> tuple[str, ...]:
    """The notes of a report in the order in which they matter.

    First what makes all the rest void (NO TRADE WAS MADE), then prices of holdings that the account rests on without a
    market, then what changed the annual return, by what it is worth, then the others in the order given.
    """
    told = [effect.line() for effect in found.effects if abs(effect.basis_points) >= TOLD]
    loud = [note for note in notes if SHOUTED.match(note)]
    assumed = [note for note in notes if ASSUMED.match(note)]
    return tuple(dict.fromkeys([*loud, *assumed, *told, *notes]))


def costs(result: BacktestResult) -> Part:
    """Costs by kind."""
    metrics = result.metrics
    whole, yearly = metrics["cost"], metrics["annual_cost"]
    rows = []
    for label, key in PAID:
        share = metrics[key] / whole if whole else 0.0
        rows.append((label, f"{metrics[key]:,.2f}", f"{share:.1%}", f"{share * yearly:.2%}"))
    total = ("total", f"{whole:,.2f}", "100.0%" if whole else "-", f"{yearly:.2%}")
    columns = ("cost", "paid", "share", "per year / account")
    return Part("Costs", (), columns, (*rows, total))


def rejections(result: BacktestResult) -> Part:
    """How many orders were rejected or filled in part, and why."""
    orders, cut = len(result.orders), result.orders.filter(status="partial")
    by_reason = {str(reason): int(count) for reason, count in cut.group_by("reason").len().iter_rows()}
    rejected = sum(result.rejections.values()) - len(cut)
    line = f"Of {counted(orders, 'order')}, {rejected:,} were rejected and {len(cut):,} were filled in part"
    share = f" ({rejected / orders:.1%} and {len(cut) / orders:.1%})" if result.rejections else ""
    rows = tuple(
        (reason, f"{count - by_reason.get(reason, 0):,}", f"{by_reason.get(reason, 0):,}")
        for reason, count in result.rejections.items()
    )
    columns = ("reason", "rejected", "filled in part") if rows else ()
    return Part("Limits and rejections", (f"{line}{share}.",), columns, rows)


def risk_rules(result: BacktestResult) -> Part | None:
    """What each rule of the section `risk` did."""
    if not result.risk:
        return None
    rows = tuple((rule, f"{count:,}") for rule, count in result.risk.items())
    return Part("Risk rules", ("Orders that each rule placed, reduced or blocked.",), ("rule", "orders"), rows)


def months(result: BacktestResult) -> Part:
    """Returns by month and year, with the benchmark's years where there is one."""
    found, benchmark = monthly_returns(result.dates, result.returns), result.benchmark_returns
    others = None if benchmark is None else monthly_returns(result.dates, benchmark)
    rows = []
    for year in sorted({year for year, _ in found}):
        cells = ("" if value is None else f"{value:+.1%}" for value in (found.get((year, m)) for m in range(1, 13)))
        whole = [f"{_year(months, year):+.1%}" for months in (found, others) if months is not None]
        rows.append((str(year), *cells, *whole))
    columns = ("year", *MONTHS, "period", *([] if others is None else ["benchmark"]))
    return Part("Monthly returns", ("Returns after costs.",), columns, tuple(rows), wide=True, shaded=True)


def _year(months: dict[tuple[int, int], float], year: int) -> float:
    return math.prod(1 + value for (of, _), value in months.items() if of == year) - 1


def rolling(result: BacktestResult) -> Part | None:
    """Figures over every half year."""
    years = result.sessions_per_year
    window = half_year(years)
    found = rolling_figures(result.returns, result.benchmark_returns, window, years)
    if not found:
        return None
    rows = [
        (ROLLING[name][0], *(figure_or_dash(value, ROLLING[name][1]) for value in spread.values()))
        for name, spread in found.items()
    ]
    line = f"{len(result.dates) - window + 1:,} overlapping windows of {window} sessions."
    columns = ("figure", "lowest", "median", "highest", "latest")
    return Part("Rolling half years", (line,), columns, tuple(rows))


def holdings(result: BacktestResult) -> Part:
    """Holdings at the end of each month; long and short apart where anything was short."""
    one_sided = result.legs is None
    rows = tuple(
        (
            f"{end.date}",
            f"{end.symbols:,}",
            *(figure_or_dash(share, "{:.1%}") for share in ((end.long,) if one_sided else (end.long, end.short))),
            ", ".join(f"{symbol} {weight:.1%}" for symbol, weight in end.largest),
        )
        for end in month_ends(result)
    )
    return Part(
        "Holdings by date",
        ("At the last session of each month; positions.parquet holds every session.",),
        ("date", "symbols", *(("invested",) if one_sided else ("long", "short")), "largest"),
        rows,
        wide=True,
    )
