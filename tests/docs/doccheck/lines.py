"""The `kq` lines that a page or a source file shows: in shell blocks and between backticks."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from doccheck.fences import without_fences
from doccheck.pages import Page
from doccheck.strings import texts
from doccheck.terminal import commands_of

INLINE = re.compile(r"`+(?:\$ )?(kq [^`]+)`+")
SHELLS = ("sh", "console", "bash", "shell")
OTHERS_VALUE = re.compile(r"…|\.\.\.$")
"""A line that is cut off is no line to type."""


def lines_of_page(page: Page) -> Iterator[tuple[int, str]]:
    """The `kq` lines of a page, with the line of the page that they stand on."""
    for fence in page.fences:
        if fence.language in SHELLS:
            block = re.sub(r"^\$ ", "", fence.source, flags=re.MULTILINE)
            for words in commands_of(block):
                if words[0] == "kq":
                    yield fence.line, " ".join(quoted(word) for word in words)
    yield from inline_lines(without_fences(page.text))


def quoted(word: str) -> str:
    return f"'{word}'" if re.search(r"[\s#&;|\"]", word) else word


def inline_lines(text: str, first: int = 1) -> Iterator[tuple[int, str]]:
    """The `kq` lines between backticks."""
    for found in INLINE.finditer(text):
        line = " ".join(found[1].split())
        if not OTHERS_VALUE.search(line):
            yield text.count("\n", 0, found.start()) + first, line


def lines_of_source(path: Path) -> Iterator[tuple[int, str]]:
    """The `kq` lines between backticks in a file: in the strings and comments of Python, anywhere in others."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from inline_lines(text)
        return
    for one in texts(text, ""):
        yield from ((int(one.place[1:]), line) for _, line in inline_lines(one.value))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield from ((token.start[0], line) for _, line in inline_lines(token.string))
