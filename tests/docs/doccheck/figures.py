"""Figures in prose: between marks, and those of benchmarks/figures.json.

rank IC <!-- figure demo_rank_ic -->0.104<!-- /figure -->
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from made import ROOT

from doccheck.pages import Page

FIGURES = ROOT / "benchmarks" / "figures.json"
FIELDS = {"value", "unit", "command", "commit", "machine"}
MARKED = re.compile(r"(<!-- figure (?P<name>[^>]*?) -->)(?P<value>.*?)(<!-- /figure -->)", re.DOTALL)
MARK = re.compile(r"<!-- /?figure\b")


def known_figures() -> dict[str, dict[str, Any]]:
    """Name -> value (as pages show it), unit, the command that measured it, at which commit, on which machine."""
    return dict(json.loads(FIGURES.read_text(encoding="utf-8")))


def wrong_figures(page: Page, known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is wrong with the marked figures of a page."""
    wrong = []
    for found in MARKED.finditer(page.text):
        place = f"{page.name}:{page.text.count(chr(10), 0, found.start()) + 1}"
        name, shown = found["name"], found["value"]
        if name not in known:
            wrong.append(f"{place}: figure {name}: not in benchmarks/figures.json")
        elif shown != str(known[name]["value"]):
            wrong.append(f"{place}: figure {name}: shows {shown}, measured {known[name]['value']} (make docs-accept)")
    if len(MARK.findall(page.text)) != 2 * len(MARKED.findall(page.text)):
        wrong.append(f"{page.name}: a figure's mark without its other mark")
    return wrong


def filled(text: str, known: Mapping[str, Mapping[str, Any]]) -> str:
    """The text with every marked figure that is known filled in."""

    def value(found: re.Match[str]) -> str:
        figure = known.get(found["name"])
        return found[0] if figure is None else f"{found[1]}{figure['value']}{found[4]}"

    return MARKED.sub(value, text)
