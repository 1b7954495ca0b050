"""The page of `kq evaluate`: the finding in words, the pictures with how to read them, and the figures.

One file without scripts and without references; every name is escaped.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from kronos_quant.evaluation import Scorecard
from kronos_quant.evaluation.distribution import DistributionCard
from kronos_quant.evaluation.tables import shown, span, summary
from kronos_quant.files import write_text
from kronos_quant.report.scorecard import plots
from kronos_quant.report.scorecard.words import WORDS
from kronos_quant.stats.intervals import MeanInterval

_STYLE = """
:root { color-scheme: light; }
body { margin: 1.5rem auto; max-width: 1080px; padding: 0 1rem; color: #222; background: #fff;
  font: 15px/1.5 Arial, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.5rem; } h2 { margin: 2rem 0 .4rem; font-size: 1.15rem; }
h3 { margin: 1.2rem 0 .3rem; font-size: 1rem; }
header p { margin: .2rem 0; color: #5a5a5a; }
.finding { margin: 1rem 0; padding: .8rem 1rem; border-left: 6px solid #6e6e6e; background: #f3f3f3; }
.finding p { margin: .2rem 0; } .finding .headline { font-size: 1.1rem; font-weight: 600; }
.finding.edge { border-color: #009e73; background: #eaf6f1; }
.finding.doubtful { border-color: #d55e00; background: #fdf0e7; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(430px, 100%), 1fr)); gap: 1.6rem; }
figure { margin: 1rem 0 0; } figure svg { width: 100%; height: auto; display: block; }
figure.small svg { max-width: 560px; }
figcaption { color: #444; font-size: 14px; } figcaption b { color: #222; }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: 13.5px; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 8px; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 6.5rem; }
thead th { background: #eee; vertical-align: bottom; white-space: normal; overflow-wrap: normal; }
tbody tr.first td { font-weight: 600; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .3rem 1rem; font-size: 14px; }
dt { font-weight: 600; } dd { margin: 0; }
footer { border-top: 1px solid #ccc; margin-top: 2rem; padding-top: .6rem; color: #5a5a5a; font-size: 13.5px; }
@media (max-width: 620px) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Scorecard: {title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>Scorecard: {title}</h1>
{facts}
</header>
{body}
<footer>For research only: what was is no promise of what comes, and nothing here is advice. Before costs; what a
strategy would have kept of it is what <code>kq backtest</code> measures.</footer>
</body>
</html>
"""


def write_scorecard_page(path: Path, card: Scorecard, title: str, facts: Sequence[str]) -> None:
    """Write the page, whole or not at all.

    facts : lines on what was evaluated. Every text is escaped.
    """
    span_line = (
        f"{card.dates[0]} to {card.dates[-1]}, {card.clock.dates(len(card.dates))}, returns over "
        f"{card.clock.bars(card.horizon)} from close to close, members of {card.universe}, ranked by {card.score}"
    )
    page = _PAGE.format(
        title=html.escape(title),
        style=_STYLE,
        facts=_paragraphs([span_line, *facts]),
        body="\n".join(_sections(card)),
    )
    write_text(path, page)


def _sections(card: Scorecard) -> Iterator[str]:
    yield _finding(card)
    if card.notes:
        items = "".join(f"<li>{html.escape(note)}</li>" for note in card.notes)
        yield f"<h2>To know first</h2><ul>{items}</ul>"
    yield "<h2>The signal beside what it has to be better than</h2>"
    rows = summary(card)
    yield _table(rows)
    yield _terms((one.name, one.says) for one in card.cards)
    if card.signal.timing is None:
        yield _figure("The same as a picture", plots.beside_baselines(card), _beside_words(), "small")
        yield "<h2>Does it rank?</h2>"
        yield _figure("Rank IC over time", plots.ic_over_time(card), _time_words(card))
        yield _pair(
            _figure("How long it lasts", plots.decay(card), _decay_words(card)),
            _figure("What the ranks returned", plots.fifths(card), _fifths_words(card)),
        )
        yield _ranking_figures(card)
    if card.signal.distribution is not None:
        yield "<h2>Are its probabilities true?</h2>"
        yield from _probabilities(card, card.signal.distribution)
    if card.signal.timing is None:
        yield "<h2>When, and for whom?</h2>"
        yield _figure("Parts of the dates and symbols", plots.slices(card), _slices_words(card), "small")
        yield _slices(card)
    yield "<h2>The words</h2>"
    told = {"edge", *rows[0], *(column for row in _distribution_rows(card) for column in row)}
    yield _terms((word, words) for word, words in WORDS if word in told)


def _finding(card: Scorecard) -> str:
    finding = card.finding
    unknown = any(boundary.until is None for boundary in card.boundaries)
    kind = "doubtful" if card.contaminated or (finding.edge and unknown) else "edge" if finding.edge else ""
    return (
        f'<div class="finding {kind}"><p class="headline">{html.escape(finding.headline)}</p>'
        + _paragraphs([*card.explained])
        + "</div>"
    )


def _beside_words() -> str:
    return (
        "<b>How to read it:</b> dots are means, lines their 95 % intervals, the red line is chance. An interval that "
        "touches the red line could be luck. The signal is better than a baseline only where the table's column "
        "“signal ahead by” is all above 0."
    )


def _time_words(card: Scorecard) -> str:
    date = card.clock.date
    return (
        f"<b>How to read it:</b> single {date}s are noisy and below 0 often, also for a good signal. What counts is "
        f"the dashed mean, and that the shaded interval around it stays above 0. A mean made by one stretch of {date}s "
        "shows in the blue line."
    )


def _decay_words(card: Scorecard) -> str:
    ranking = card.signal.ranking
    assert ranking is not None
    known = {horizon: found.mean for horizon, found in ranking.decay.items() if found.known}
    highest = max(known, key=lambda horizon: known[horizon]) if known else None
    if highest is None:
        told = ""
    elif known[highest] <= 0:
        told = " Here it is above 0 at none of them."
    else:
        told = f" Here it is highest {card.clock.bars(highest)} ahead."
    return f"<b>How to read it:</b> the same scores against returns over more or fewer {card.clock.bar}s.{told}"


def _fifths_words(card: Scorecard) -> str:
    ranking = card.signal.ranking
    assert ranking is not None
    order = ranking.portfolios.monotonicity
    if math.isnan(order):
        told = "There are too few symbols, or too many equal scores, to make fifths."
    elif math.isclose(order, 1):
        told = "Each fifth did better than the one below it."
    else:
        told = (
            f"The order of the fifths agrees with their returns by {order:+.2f} (1 is each better than the one below)."
        )
    return f"<b>How to read it:</b> bars should rise from left to right; lines are 95 % intervals. {told}"


def _ranking_figures(card: Scorecard) -> str:
    ranking = card.signal.ranking
    assert ranking is not None
    found, order, wide = ranking.portfolios, ranking.rank_ic, ranking.newey_west
    ends = f"{wide.low:+.3f} to {wide.high:+.3f}" if math.isfinite(wide.low) else "-"
    rows = [
        ("rank IC", shown(order.mean, "{:+.3f}"), span(order)),
        (f"rank IC, interval by Newey and West ({wide.lags} lags)", shown(order.mean, "{:+.3f}"), ends),
        ("ICIR of the rank IC", shown(order.ratio, "{:+.2f}"), span(order.in_deviations(), "{:+.2f}")),
        ("IC", shown(ranking.ic.mean, "{:+.3f}"), span(ranking.ic)),
        (
            "best less worst fifth, return over the horizon",
            shown(found.long_short.mean, "{:+.3%}"),
            span(found.long_short, "{:+.3%}"),
        ),
        ("share of a fifth replaced after the horizon", shown(found.turnover, "{:.1%}"), ""),
        (
            f"share of a fifth replaced from one {card.clock.date} to the next",
            shown(found.daily_turnover, "{:.1%}"),
            "",
        ),
        (
            f"rank correlation of the scores with those of the {card.clock.date} before",
            shown(found.rank_persistence, "{:+.2f}"),
            "",
        ),
        ("break-even cost, best less worst fifth, basis points a trade", shown(found.break_even_bps, "{:.1f}"), ""),
        ("break-even cost, best fifth alone against the mean", shown(found.break_even_long_bps, "{:.1f}"), ""),
        (
            f"{card.clock.date}s needed to tell such a rank IC from 0 (chance 80 %)",
            "-" if ranking.dates_needed is None else f"{ranking.dates_needed:,}",
            "",
        ),
    ]
    table = [{"figure": name, "value": value, "95 % interval": interval} for name, value, interval in rows]
    return "<h3>The ranking in figures</h3>" + _table(table, marked=False)


def _probabilities(card: Scorecard, own: DistributionCard) -> Iterator[str]:
    said = {
        one.name: one.distribution for one in card.cards if one.distribution is not None and one.distribution.coverage
    }
    pictures = []
    if own.coverage:
        pictures.append(_figure("Do the intervals hold what they claim?", plots.coverage(said), _coverage_words(own)))
    if own.reliability.count.any():
        words = _reliability_words(own)
        pictures.append(_figure("Does it rise as often as it says?", plots.reliability(own), words))
    yield _pair(*pictures)
    fallen = _figure("Where outcomes fell", plots.pit(own), _pit_words(own), "small")
    if len(own.by_bar) > 1:
        picture = plots.coverage_by_bar(said, card.clock.bar)
        yield _pair(fallen, _figure("Do they hold on the way to the horizon?", picture, _by_bar_words()))
    else:
        yield fallen
    yield _table(list(_distribution_rows(card)))


def _coverage_words(own: DistributionCard) -> str:
    nominal, found = max(own.coverage.items())
    gap = found.mean - nominal
    if not found.known:
        told = "there are too few dates to say whether that is what it claims"
    elif found.low <= nominal <= found.high:
        told = "as claimed, within the error of this measurement"
    else:
        told = "too few: it is surer than it may be" if gap < 0 else "too many: it is less sure than it could be"
    return (
        "<b>How to read it:</b> on the dashed line, intervals hold what they claim; below it the forecast is too sure "
        f"of itself. Its {nominal * 100:.0f} % interval held {found.mean * 100:.1f} %: {told}."
    )


def _by_bar_words() -> str:
    return (
        "<b>How to read it:</b> the intervals of every bar up to the horizon should hold 90 % (dashed). Where a recipe "
        "is calibrated, each bar is by its own past outcomes."
    )


def _reliability_words(own: DistributionCard) -> str:
    return (
        "<b>How to read it:</b> of the forecasts that gave a rise 60 %, 60 % should have risen: dots on the dashed "
        "line. Larger dots hold more forecasts. A flat row of dots means that the probability says nothing. Brier "
        f"score {own.brier:.4f}; always saying 50 % scores 0.2500, and smaller is better."
    )


def _pit_words(own: DistributionCard) -> str:
    return (
        "<b>How to read it:</b> a true forecast is flat at 1. High ends are outcomes beyond what it held possible (too "
        "sure), a high middle is too unsure, a slope is a bias. Largest distance from a true forecast "
        f"(Kolmogorov and Smirnov): {(own.exact or own).ks:.3f}; no p-value, for the symbols of a date move together. "
        f"Measured from {own.measured_from}."
    )


def _distribution_rows(card: Scorecard) -> Iterator[dict[str, str]]:
    exact = any(one.distribution is not None and one.distribution.exact for one in card.cards)
    for one in card.cards:
        said = one.distribution
        if said is not None:
            yield {
                "": one.name,
                "CRPS": shown(said.crps.mean, "{:.6f}"),
                **({"CRPS, exact": _exact(said)} if exact else {}),
                "CRPS saved against the band": span(one.crps_gain, "{:+.1%}"),
                **{f"{level:.0%} holds": _held(said, level) for level in card.signal_intervals},
                "KS": shown(said.ks, "{:.3f}"),
                "Brier": shown(said.brier, "{:.4f}"),
                "MAE": shown(said.errors.mae, "{:.5f}"),
                "MSE": shown(said.errors.mse, "{:.3g}"),
                "R²": shown(said.errors.r2, "{:+.4f}"),
                "R² against no change": shown(said.errors.r2_against_last_close, "{:+.4f}"),
                "correlation": shown(said.errors.correlation, "{:+.3f}"),
                "direction right": shown(said.errors.directional_accuracy, "{:.1%}"),
            }


def _exact(said: DistributionCard) -> str:
    return "-" if said.exact is None else shown(said.exact.crps.mean, "{:.6f}")


def _held(said: DistributionCard, level: float) -> str:
    found = said.coverage.get(level)
    return "-" if found is None else shown(found.mean, "{:.1%}")


def _slices_words(card: Scorecard) -> str:
    return (
        "<b>How to read it:</b> an edge that is there in one part only may be luck: of ten parts without any, at least "
        "one lies wholly above or below 0 in 4 of 10 cases. Open dots have too few dates for an interval. Turbulent is "
        f"a market whose last 20 {card.clock.bar}s moved more than usual in the 250 before; known at the time."
    )


def _slices(card: Scorecard) -> str:
    return _table(
        [
            {
                "part": f"{part.kind}: {part.label}",
                "rank IC": shown(part.rank_ic.mean, "{:+.3f}"),
                "95 % interval": _interval(part.rank_ic),
                "dates": f"{part.rank_ic.dates:,}",
            }
            for part in card.slices
        ],
        marked=False,
    )


def _interval(found: MeanInterval) -> str:
    return span(found) if found.known else "too few dates to say"


def _paragraphs(lines: Iterable[str]) -> str:
    return "\n".join(f"<p>{html.escape(line[:1].upper() + line[1:])}</p>" for line in lines)


def _figure(title: str, picture: str, words: str, size: str = "") -> str:
    """`size` "small" keeps a picture from filling a wide page."""
    return f'<figure class="{size}"><h3>{html.escape(title)}</h3>{picture}<figcaption>{words}</figcaption></figure>'


def _pair(*figures: str) -> str:
    return f'<div class="pair">{"".join(figures)}</div>'


def _terms(terms: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(told)}</dd>" for name, told in terms)
    return f"<dl>{rows}</dl>"


def _table(rows: Sequence[Mapping[str, str]], *, marked: bool = True) -> str:
    """A table of mappings with the same keys; `marked` sets the first row off."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    body = "".join(
        f"<tr{' class=first' if marked and place == 0 else ''}>"
        + "".join(f"<td>{html.escape(value)}</td>" for value in row.values())
        + "</tr>"
        for place, row in enumerate(rows)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
