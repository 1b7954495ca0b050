"""The glossary pages of both languages, from docs/glossary.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from docs.build.markdown import page, table

GLOSSARY = Path(__file__).parents[1] / "glossary.yml"


def pages() -> dict[str, str]:
    """Path in docs/ -> text."""
    terms: list[dict[str, Any]] = yaml.safe_load(GLOSSARY.read_text(encoding="utf-8"))
    return {"en/glossary.md": english(terms), "zh/glossary.md": chinese(terms)}


def english(terms: list[dict[str, Any]]) -> str:
    """Terms, Chinese terms, meaning, and what kq calls it."""
    rows = ((f"**{term['en']}**", term["zh"], term["says"], term.get("kq", "")) for term in terms)
    return page(
        "Glossary",
        "The terms of these pages in English and Chinese, what they mean, and what kq calls them.",
        "The terms of these pages, what they mean, and what `kq` calls them.",
        table(["Term", "Chinese", "Meaning", "In kq"], rows),
    )


def chinese(terms: list[dict[str, Any]]) -> str:
    """The same for readers of Chinese; links lead to the English reference."""
    rows = ((f"**{term['zh']}**", term["en"], term["zh_says"], _in_kq(term)) for term in terms)
    return page(
        "术语表",
        "本文档所用术语的中英文对照、含义及其在 kq 中的名称。",
        "本文档所用的术语、含义及其在 `kq` 中的名称。",
        table(["术语", "英文", "含义", "在 kq 中"], rows),
    )


def _in_kq(term: dict[str, Any]) -> str:
    words: str = term.get("zh_kq", term.get("kq", ""))
    return words.replace("](reference/", "](../en/reference/")
