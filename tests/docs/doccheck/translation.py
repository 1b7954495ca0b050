"""A Chinese page against its English one: same blocks, headings, links and tables, and only the glossary's terms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import yaml

from doccheck.fences import Fence, without_fences
from doccheck.links import CODE, headings, links
from doccheck.pages import DOCS, Page
from docs.stamp import source_digest

FIRST_DAY = (
    "index.md",
    "install.md",
    "tutorial/first_backtest.md",
    "tutorial/own_scores.md",
    "tutorial/own_qlib.md",
    "tutorial/own_csv.md",
    "explain/ashare_rules.md",
    "from/kronos_scripts.md",
    "from/qlib.md",
    "glossary.md",
    "howto/errors.md",
    "faq.md",
)
"""Pages that are in both languages: a stale one is an error, another only a warning."""
HAN = r"[\u4e00-\u9fff]"
HALF_WIDTH = re.compile(rf"(?<={HAN})[,.;:?!()](?={HAN})|(?<={HAN})[,;:?!](?=\s|$)|(?<={HAN})\.(?=\s*$)", re.MULTILINE)
COMMENT = re.compile(r"(^|\s+)#.*$", re.MULTILINE)
TABLE_ROW = re.compile(r"^\s*\|.*\|\s*$")


def glossary() -> list[dict[str, Any]]:
    """The terms: en, zh, and the Chinese variants that are not used."""
    path = DOCS / "glossary.yml"
    return list(yaml.safe_load(path.read_text(encoding="utf-8"))) if path.is_file() else []


def differences(english: Page, chinese: Page) -> Iterator[str]:
    """What a translation lacks or has besides."""
    if chinese.head.get("source_sha256") is None:
        yield f"{chinese.name}: no source_sha256 (python -m docs.stamp)"
    yield from different_blocks(english, chinese)
    for what, ours, theirs in (
        ("headings", len(headings(english.body)), len(headings(chinese.body))),
        ("links", len(list(links(english))), len(list(links(chinese)))),
        ("tables", table_shapes(english.body), table_shapes(chinese.body)),
        ("figures", re.findall(r"<!-- figure (\S+)", english.body), re.findall(r"<!-- figure (\S+)", chinese.body)),
    ):
        if ours != theirs:
            yield f"{chinese.name}: {what}: {theirs}, the English page has {ours}"


def is_stale(english: Page, chinese: Page) -> bool:
    """Whether the English prose has changed since it was translated."""
    return chinese.head.get("source_sha256") != source_digest(english.text)


def different_blocks(english: Page, chinese: Page) -> Iterator[str]:
    """Fenced blocks that differ in more than their comments."""
    for ours, theirs in zip_longest(english.fences, chinese.fences):
        if ours is None or theirs is None:
            lacking, other = (chinese, ours) if theirs is None else (english, theirs)
            yield f"{lacking.name}: lacks the block of line {other.line} of the other page"
            return
        if code_of(ours) != code_of(theirs):
            yield f"{chinese.place(theirs)}: the block differs from the one at {english.place(ours)}"


def code_of(fence: Fence) -> tuple[Any, ...]:
    """What both languages share of a block: all but comments, and nothing of a plain text block."""
    head = (fence.language, fence.flags, fence.options)
    if fence.language == "text" and not fence.is_output:
        return head
    source = fence.source if fence.is_output else COMMENT.sub("", fence.source)
    return (*head, [line.rstrip() for line in source.splitlines()])


def table_shapes(text: str) -> list[tuple[int, int]]:
    """(rows, columns) of the tables."""
    shapes: list[tuple[int, int]] = []
    rows: list[str] = []
    for line in [*without_fences(text).splitlines(), ""]:
        if TABLE_ROW.match(line):
            rows.append(CODE.sub("", line).replace("\\|", ""))
        elif rows:
            shapes.append((len(rows), rows[0].count("|") - 1))
            rows = []
    return shapes


def prose_lines(page: Page) -> Iterator[tuple[int, str]]:
    """The lines of a page without its blocks, its code and the targets of its links."""
    text = CODE.sub("`", without_fences(page.body))
    text = re.sub(r"\]\([^)\n]*\)", "]", re.sub(r"<!--.*?-->", "", text))
    yield from enumerate(text.splitlines(), 1)


def wrong_terms(page: Page, terms: Sequence[Mapping[str, Any]]) -> list[str]:
    """Variants of a term that the glossary does not use."""
    unwanted = [(variant, term["zh"]) for term in terms for variant in term.get("not") or ()]
    return [
        f"{page.name}:{number}: {variant}: write {term}"
        for number, line in prose_lines(page)
        for variant, term in unwanted
        if variant in line
    ]


def half_width(page: Page) -> list[str]:
    """Half-width punctuation between Chinese characters, or after one at the end."""
    return [
        f"{page.name}:{number}: {line[max(0, found.start() - 8) : found.end() + 8].strip()}"
        for number, line in prose_lines(page)
        for found in HALF_WIDTH.finditer(line)
    ]
