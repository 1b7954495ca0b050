"""report.txt: a back-test in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from kronos_quant.report.section import Section, section_texts
from kronos_quant.report.terms import Term, labelled

WIDTH = 100
LABEL = 15


def report_text(title: str, terms: Sequence[Term], sections: Sequence[Section], notes: Sequence[str] = ()) -> str:
    """What to know first, the verdict, what was run, and what came out.

    terms : of `terms_of`; sections : what was found, the first one (the verdict) before the terms
    """
    told = list(section_texts(sections, WIDTH))
    parts = [
        [f"Back-test: {title}", "For research only: a back-test is no promise, and nothing here is advice."],
        _notes(notes),
        *told[:1],
        ["What was run", *_terms(terms)],
        *told[1:],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _notes(notes: Sequence[str]) -> list[str]:
    """First, because they may change how all the rest is read."""
    if not notes:
        return []
    wrapped = (wrap(note, WIDTH - 4, initial_indent="  - ", subsequent_indent="    ") for note in notes)
    return ["To know first", *(line for lines in wrapped for line in lines)]


def _terms(terms: Sequence[Term]) -> Iterator[str]:
    for label, line in labelled(terms):
        yield from wrap(line, WIDTH, initial_indent=f"  {label:<{LABEL}}", subsequent_indent=" " * (LABEL + 2))
