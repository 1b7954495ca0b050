"""The page of `kq evaluate`: the verdict in words, charts with how to read them, figures, and a glossary."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kronos_quant import charts
from kronos_quant.display import figure_or_dash
from kronos_quant.evaluation.cards import RankingCard
from kronos_quant.evaluation.distribution import DistributionCard
from kronos_quant.evaluation.scorecard import Scorecard
from kronos_quant.evaluation.tables import span, summary
from kronos_quant.report.document import Document, Part, Picture, capitalised, make_picture, small_picture
from kronos_quant.report.glossary import GLOSSARY
from kronos_quant.stats.intervals import CONFIDENCE, MeanInterval

FOOTER = "Before costs; kq backtest measures what a strategy keeps after them."


def write_scorecard_page(path: Path, card: Scorecard, title: str, facts: Sequence[str]) -> None:
    """Write the page, whole or not at all. facts : lines on what was evaluated"""
    scorecard_document(card, title, facts).write_page(path)


def scorecard_document(card: Scorecard, title: str, facts: Sequence[str]) -> Document:
    """The evaluation of a signal as a document."""
    scope = (
        f"{card.dates[0]} to {card.dates[-1]}, {card.clock.dates(len(card.dates))}. Returns over "
        f"{card.clock.bars(card.horizon)}, close to close. Universe: {card.universe}. Score column: {card.score}."
    )
    sections = tuple(_sections(card))
    return Document(
        f"Scorecard: {title}", capitalised([scope, *facts]), capitalised(card.notes), sections, footer=FOOTER
    )


def _sections(card: Scorecard) -> Iterator[Part]:
    rows = summary(card.cards)
    distributions = list(_distribution_rows(card))
    ranking = card.signal.ranking if card.signal.timing is None else None
    yield _verdict(card)
    contenders = tuple((one.name, one.description) for one in card.cards if one.description)
    versus = (small_picture("Rank IC", charts.interval_figure(_rank_ics(card)), VERSUS),) if ranking is not None else ()
    yield _table_section("Signal versus baselines", rows, first=1, pictures=versus, facts=contenders)
    if ranking is not None:
        yield Part("Ranking", pictures=tuple(_ranking_pictures(card, ranking)), wide=True)
        yield _ranking_figures(card, ranking)
    if card.signal.distribution is not None:
        pictures = tuple(_calibration_pictures(card, card.signal.distribution))
        yield _table_section("Calibration", distributions, first=1, pictures=pictures)
    if ranking is not None:
        yield _slices(card)
    used = {"edge", *rows[0], *(column for row in distributions for column in row)}
    yield Part("Glossary", facts=tuple((word, text) for word, text in GLOSSARY if word in used), wide=True)


def _verdict(card: Scorecard) -> Part:
    finding = card.finding
    unknown = any(boundary.until is None for boundary in card.boundaries)
    doubtful = card.contaminated or (finding.edge and unknown)
    tone = "doubtful" if doubtful else "good" if finding.edge else "verdict"
    return Part("", (finding.headline, *capitalised(card.explained)), tone=tone)


def _table_section(
    title: str,
    rows: Sequence[Mapping[str, str]],
    *,
    first: int = 0,
    pictures: tuple[Picture, ...] = (),
    facts: tuple[tuple[str, str], ...] = (),
    sentences: tuple[str, ...] = (),
) -> Part:
    """A section with a table of mappings that have the same keys."""
    cells = tuple(tuple(row.values()) for row in rows)
    return Part(title, sentences, tuple(rows[0]), cells, facts, pictures, wide=True, first=first)


VERSUS = (
    "dots are means, lines their 95% CI, the red line is 0. A mean whose interval contains 0 is not significant. "
    "The signal is better than a baseline only where the column “signal minus baseline” is entirely above 0."
)


def _rank_ics(card: Scorecard) -> list[tuple[str, MeanInterval]]:
    return [(one.name, one.ranking.rank_ic) for one in card.cards if one.ranking is not None]


def _ranking_pictures(card: Scorecard, ranking: RankingCard) -> Iterator[Picture]:
    unit = card.clock.date
    yield make_picture(
        "Rank IC over time",
        lambda width: charts.rank_ic_figure(card.times, ranking.rank_ic_by_date, ranking.rank_ic, unit, width),
        f"single {unit}s are noisy and often below 0, also for a good signal. What counts is the dashed mean, and that "
        "the shaded interval around it stays above 0. The blue line shows whether one period accounts for the result.",
    )
    decay = charts.decay_figure(ranking.decay, card.horizon, card.clock.bar)
    yield small_picture("Rank IC by horizon", decay, _decay_reading(card, ranking))
    quintiles = charts.quintile_figure(ranking.portfolios.groups, card.clock.bars(card.horizon))
    yield small_picture("Return by quintile", quintiles, _quintile_reading(ranking))


def _decay_reading(card: Scorecard, ranking: RankingCard) -> str:
    known = {horizon: found.mean for horizon, found in ranking.decay.items() if found.known}
    highest = max(known, key=lambda horizon: known[horizon]) if known else None
    if highest is None:
        result = ""
    elif known[highest] <= 0:
        result = " Here it is above 0 at none of them."
    else:
        result = f" Here it is highest at {card.clock.bars(highest)}."
    return f"the same scores against returns over more or fewer {card.clock.bar}s.{result}"


def _quintile_reading(ranking: RankingCard) -> str:
    order = ranking.portfolios.monotonicity
    if math.isnan(order):
        result = "There are too few symbols, or too many equal scores, to form quintiles."
    elif math.isclose(order, 1):
        result = "Each quintile did better than the one below it."
    else:
        result = (
            f"The order of the quintiles agrees with their returns by {order:+.2f} (1: each better than the one below)."
        )
    return f"bars should rise from left to right; lines are 95% CI. {result}"


def _ranking_figures(card: Scorecard, ranking: RankingCard) -> Part:
    found, order, wide, date = ranking.portfolios, ranking.rank_ic, ranking.newey_west, card.clock.date
    ends = f"{wide.low:+.3f} to {wide.high:+.3f}" if math.isfinite(wide.low) else "-"
    needed = "-" if ranking.dates_needed is None else f"{ranking.dates_needed:,}"
    persistence = f"rank correlation of the scores with those of the previous {date}"
    daily = f"share of a quintile replaced from one {date} to the next"
    rows = (
        ("rank IC", figure_or_dash(order.mean, "{:+.3f}"), span(order)),
        (f"rank IC, Newey-West CI ({wide.lags} lags)", figure_or_dash(order.mean, "{:+.3f}"), ends),
        ("ICIR of the rank IC", figure_or_dash(order.ratio, "{:+.2f}"), span(order.in_deviations(), "{:+.2f}")),
        ("IC", figure_or_dash(ranking.ic.mean, "{:+.3f}"), span(ranking.ic)),
        (
            "top minus bottom quintile, return over the horizon",
            figure_or_dash(found.long_short.mean, "{:+.3%}"),
            span(found.long_short, "{:+.3%}"),
        ),
        ("share of a quintile replaced after the horizon", figure_or_dash(found.turnover, "{:.1%}"), ""),
        (daily, figure_or_dash(found.daily_turnover, "{:.1%}"), ""),
        (persistence, figure_or_dash(found.rank_persistence, "{:+.2f}"), ""),
        (
            "break-even cost of the long-short quintile portfolio, bps per trade",
            figure_or_dash(found.break_even_bps, "{:.1f}"),
            "",
        ),
        (
            "break-even cost of the top quintile versus the mean, bps per trade",
            figure_or_dash(found.break_even_long_bps, "{:.1f}"),
            "",
        ),
        (f"{date}s needed to detect this rank IC (80% power)", needed, ""),
    )
    return Part("Ranking in figures", (), ("figure", "value", "95% CI"), rows, wide=True)


def _calibration_pictures(card: Scorecard, own: DistributionCard) -> Iterator[Picture]:
    contenders = {
        one.name: one.distribution for one in card.cards if one.distribution is not None and one.distribution.coverage
    }
    if own.coverage:
        coverage = charts.coverage_figure({name: one.coverage for name, one in contenders.items()})
        yield small_picture("Interval coverage", coverage, _coverage_reading(own))
    found = own.reliability
    if found.count.any():
        reliability = charts.reliability_figure(found.forecast, found.rose, found.count)
        yield small_picture("Probability of a rise", reliability, _reliability_reading(own))
    exact = own.exact or own
    yield small_picture("PIT histogram", charts.pit_figure(exact.pit, exact.edges), _pit_reading(own))
    if len(own.by_bar) > 1:
        shares = {name: [interval.mean for interval in one.by_bar] for name, one in contenders.items()}
        figure = charts.coverage_by_bar_figure(shares, card.clock.bar)
        yield small_picture("Interval coverage by bar", figure, BY_BAR)


BY_BAR = (
    "the intervals of every bar up to the horizon should cover 90% (dashed). In a calibrated recipe, each bar is "
    "calibrated by its own past outcomes."
)


def _coverage_reading(own: DistributionCard) -> str:
    nominal, found = max(own.coverage.items())
    if not found.known:
        result = "too few dates for a conclusion"
    elif found.low <= nominal <= found.high:
        result = "no significant difference"
    elif found.mean < nominal:
        result = "under-coverage: intervals are too narrow"
    else:
        result = "over-coverage: intervals are too wide"
    return (
        "on the dashed line, intervals cover what they claim; below it the forecast is overconfident. The "
        f"{nominal * 100:.0f}% interval covered {found.mean * 100:.1f}%: {result}."
    )


def _reliability_reading(own: DistributionCard) -> str:
    return (
        "of the forecasts with a 60% probability of a rise, 60% should have risen: dots on the dashed line. "
        "Larger dots hold more forecasts. A flat row of dots means that the probability carries no information. "
        f"Brier score {own.brier:.4f}; a constant 50% scores 0.2500, and smaller is better."
    )


def _pit_reading(own: DistributionCard) -> str:
    return (
        "a calibrated forecast is flat at 1. High ends: outcomes outside the forecast's range, which is too narrow. A "
        "high middle: the range is too wide. A slope: a bias. Largest distance from calibration (Kolmogorov-Smirnov): "
        f"{(own.exact or own).ks:.3f}; no p-value, because symbols move together within a date. "
        f"Measured from {own.measured_from}."
    )


def _distribution_rows(card: Scorecard) -> Iterator[dict[str, str]]:
    exact = any(one.distribution is not None and one.distribution.exact for one in card.cards)
    for one in card.cards:
        found = one.distribution
        if found is not None:
            crps = "-" if found.exact is None else figure_or_dash(found.exact.crps.mean, "{:.6f}")
            yield {
                "": one.name,
                "CRPS": figure_or_dash(found.crps.mean, "{:.6f}"),
                **({"CRPS, exact": crps} if exact else {}),
                "CRPS improvement over volatility band": span(one.crps_gain, "{:+.1%}"),
                **{f"{level * 100:.0f}% coverage": _covered(found, level) for level in card.signal_intervals},
                "KS": figure_or_dash(found.ks, "{:.3f}"),
                "Brier": figure_or_dash(found.brier, "{:.4f}"),
                "MAE": figure_or_dash(found.errors.mae, "{:.5f}"),
                "MSE": figure_or_dash(found.errors.mse, "{:.3g}"),
                "R²": figure_or_dash(found.errors.r2, "{:+.4f}"),
                "R² versus last price": figure_or_dash(found.errors.r2_against_last_close, "{:+.4f}"),
                "correlation": figure_or_dash(found.errors.correlation, "{:+.3f}"),
                "hit rate": figure_or_dash(found.errors.directional_accuracy, "{:.1%}"),
            }


def _covered(found: DistributionCard, level: float) -> str:
    coverage = found.coverage.get(level)
    return "-" if coverage is None else figure_or_dash(coverage.mean, "{:.1%}")


def _slices(card: Scorecard) -> Part:
    parts = [(f"{part.kind}: {part.label}", part.rank_ic) for part in card.slices]
    drawn = [(name, found) for name, found in parts if found.dates]
    reading = (
        "an edge in a single group may be chance. With ten groups and no edge, the chance that at least one interval "
        f"excludes 0 is {(1 - CONFIDENCE**10) * 100:.0f}%. Open dots have too few dates for an interval. Turbulent: "
        f"over the last 20 {card.clock.bar}s the market moved more than usual in the previous 250; known at the time."
    )
    picture = make_picture(
        "Rank IC by group", lambda width: charts.interval_figure(drawn, marked=False, width=width), reading
    )
    rows = [
        {
            "group": name,
            "rank IC": figure_or_dash(found.mean, "{:+.3f}"),
            "95% CI": span(found) if found.known else "(too few dates)",
            "dates": f"{found.dates:,}",
        }
        for name, found in parts
    ]
    return _table_section("By period and group", rows, pictures=(picture,))
