"""Links between pages: the file exists, and so does the heading. Anchors are those of MkDocs' table of contents."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from doccheck.fences import without_fences
from doccheck.pages import Page

LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
PICTURE = re.compile(r"<(?:img|a)[^>]*\b(?:src|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$", re.MULTILINE)
EXPLICIT = re.compile(r"\s*\{[^}]*#([\w-]+)[^}]*\}\s*$")
ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
CODE = re.compile(r"(`+)(?:.+?)\1", re.DOTALL)


def links(page: Page) -> Iterator[tuple[int, str]]:
    """The targets of the links and pictures of a page, with their lines."""
    text = CODE.sub(lambda code: " " * len(code[0]), without_fences(page.text))
    for pattern in (LINK, PICTURE):
        for found in pattern.finditer(text):
            yield text.count("\n", 0, found.start()) + 1, found[1]


def headings(text: str) -> list[str]:
    """The headings of a page as they stand, without what is in fenced blocks."""
    return [found[2] for found in HEADING.finditer(without_fences(text))]


def anchors(text: str) -> set[str]:
    """The anchors that a page has."""
    found: set[str] = set(ANCHOR.findall(without_fences(text)))
    for heading in headings(text):
        explicit = EXPLICIT.search(heading)
        found.add(explicit[1] if explicit else unique(slug(plain(heading)), found))
    return found


def plain(heading: str) -> str:
    """A heading without its Markdown."""
    return re.sub(r"[`*]", "", re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading))


def slug(heading: str) -> str:
    """The anchor of a heading as the `toc` extension makes it."""
    ascii_only = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_only).strip().lower())


def unique(name: str, taken: set[str]) -> str:
    """The name, or the first of name_1, name_2, ... that is free; Chinese headings have none, and are counted."""
    number = 0
    candidate = name
    while candidate in taken or not candidate:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def broken_links(page: Page) -> list[str]:
    """What is wrong with the links of a page: place, target, reason."""
    wrong = []
    for line, target in links(page):
        if re.match(r"[a-z][a-z+.-]*:", target):
            continue
        file, _, anchor = unquote(target).partition("#")
        path = (page.path.parent / file).resolve() if file else page.path
        if file and not path.exists():
            wrong.append(f"{page.name}:{line}: {target}: no such file")
        elif anchor and path.suffix == ".md" and anchor not in anchors(read(path, page)):
            wrong.append(f"{page.name}:{line}: {target}: no such heading")
    return wrong


def read(path: Path, page: Page) -> str:
    return page.text if path == page.path else path.read_text(encoding="utf-8")
