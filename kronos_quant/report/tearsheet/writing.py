"""Writes the tearsheet: what there is to say of a run, with quantstats' part, in one file that needs no network."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import BacktestResult
from kronos_quant.errors import counted
from kronos_quant.files import write_text
from kronos_quant.report.section import Section, escaped, section_html
from kronos_quant.report.tearsheet.by_quantstats import quantstats_part
from kronos_quant.report.tearsheet.page import PAGE
from kronos_quant.report.tearsheet.pictures import Picture, pictures_of
from kronos_quant.report.terms import Term, labelled, settings_of

logger = logging.getLogger(__name__)


LOUD = re.compile(r"[A-Z]{2,} [A-Z]{2,}|[A-Z]{4,}:")
"""How a note begins that changes everything: NO TRADE WAS MADE, CONTAMINATED: ..."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a page says beside quantstats' part; every text is escaped.

    title, benchmark : names, None without a benchmark; notes : sentences to know first
    headline : sections before the pictures, the first of them (the verdict) stands out; sections : those after them
    pictures : drawn already; settings : names and values
    """

    title: str
    benchmark: str | None = None
    sessions_per_year: int = 252
    notes: Sequence[str] = ()
    headline: Sequence[Section] = ()
    pictures: Sequence[Picture] = ()
    sections: Sequence[Section] = ()
    settings: Sequence[tuple[str, object]] = ()


def write_tearsheet(
    path: Path,
    result: BacktestResult,
    title: str,
    benchmark_name: str | None = None,
    *,
    terms: Sequence[Term] = (),
    notes: Sequence[str] = (),
    headline: Sequence[Section] = (),
    sections: Sequence[Section] = (),
) -> list[str]:
    """Write the page of a back-test and give back what it could not show, in plain sentences.

    terms : of `terms_of`; notes : sentences to know first; headline, sections : of `headline_of` and `sections_of`
    """
    run = Section("What was run", (), ("what", "how"), tuple(labelled(terms)))
    contents = Contents(
        title,
        benchmark_name if result.benchmark_returns is not None else None,
        result.sessions_per_year,
        notes,
        [*headline, run] if terms else headline,
        pictures_of(result, benchmark_name),
        sections,
        list(settings_of(result.strategy.model_dump(mode="json"))),
    )
    return write_page(path, result.dates, result.returns, result.benchmark_returns, contents)


def write_page(
    path: Path, dates: Sequence[date], returns: FloatArray, benchmark: FloatArray | None, contents: Contents
) -> list[str]:
    """Write a page and give back what it could not show, in plain sentences.

    returns, benchmark : f64[T], session returns as fractions; sessions without a return are left out, and a session
    without a benchmark return counts as 0 there
    """
    kept = np.isfinite(returns)
    troubles = [] if kept.all() else [f"Sessions without a return, left out of the tearsheet: {(~kept).sum()}."]
    dates = [day for day, keep in zip(dates, kept, strict=True) if keep]
    returns = returns[kept]
    if benchmark is not None:
        benchmark = np.nan_to_num(benchmark[kept], nan=0.0, posinf=0.0, neginf=0.0)
    part, missing = _by_quantstats(dates, returns, benchmark, contents)
    troubles += missing
    sections = {
        "notes": _notes([*contents.notes, *troubles]),
        "verdict": _sections(contents.headline[:1], "verdict"),
        "headline": _sections(contents.headline[1:]),
        "pictures": "\n".join(
            f"<figure>{picture.svg}<figcaption>{escaped(picture.caption)}</figcaption></figure>"
            for picture in contents.pictures
        ),
        "sections": _sections(contents.sections),
        "settings": _settings(contents.settings),
        "quantstats": part,
    }
    names = {
        "title": contents.title,
        "period": f"{dates[0]} to {dates[-1]}, {counted(len(dates), 'session')}" if dates else "no sessions",
        "benchmark": contents.benchmark or "none",
        "sessions_per_year": str(contents.sessions_per_year),
    }
    page = PAGE
    for name, text in {**{key: escaped(text) for key, text in names.items()}, **sections}.items():
        page = page.replace(f"[[{name}]]", text)
    write_text(path, page)
    return troubles


def _by_quantstats(
    dates: Sequence[date], returns: FloatArray, benchmark: FloatArray | None, contents: Contents
) -> tuple[str, list[str]]:
    """quantstats' part, as full as it can make it, and what is missing from it."""
    if len(returns) < 2 or np.ptp(returns) == 0:
        why = "returns that do not move" if len(returns) > 1 else "fewer than two returns"
        return _about(f"Nothing: quantstats can say nothing of {why}."), []
    troubles: list[str] = []
    for compared in [benchmark, None] if benchmark is not None else [None]:
        try:
            name = contents.benchmark or "Benchmark"
            part = quantstats_part(dates, returns, compared, name, contents.sessions_per_year)
            return _about(ABOUT) + part, troubles
        # quantstats fails in many ways on odd series; a report is owed all the same
        except Exception as error:
            logger.debug("quantstats: %s: %s", type(error).__name__, error)
            if compared is not None:
                troubles = [f"quantstats cannot compare these {len(returns)} returns with the benchmark."]
    return _about("Nothing: see above."), [f"quantstats cannot draw these {len(returns)} returns."]


ABOUT = (
    "By its names and definitions; the annual ones use the sessions a year named above. Where a name means the same as "
    "above, the figure is the same, or a dash where quantstats cannot tell it."
)


def _about(line: str) -> str:
    return f'<p class="about">{escaped(line)}</p>\n'


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    loud = [bool(LOUD.match(note)) for note in notes]
    items = "".join(
        f"<li{' class=loud' if grave else ''}>{escaped(note)}</li>" for note, grave in zip(notes, loud, strict=True)
    )
    kind = "notes grave" if any(loud) else "notes"
    return f'<section class="{kind}"><h3>To know first</h3><ul>{items}</ul></section>'


def _sections(sections: Sequence[Section], kind: str = "") -> str:
    return "\n".join(section_html(section, kind or ("wide" if section.wide else "")) for section in sections)


def _settings(settings: Sequence[tuple[str, object]]) -> str:
    if not settings:
        return ""
    rows = tuple((name, "-" if value is None else str(value)) for name, value in settings)
    table = section_html(Section("", (), ("setting", "value"), rows))
    return f"<details><summary>Every setting of the strategy, defaults included</summary>{table}</details>"
