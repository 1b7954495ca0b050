"""The fenced blocks of a Markdown page.

```sh                                   run: `kq` lines, `cd`
```sh {exit=3}                          the last `kq` line ends with code 3
```sh {.no-run}                         parsed only
```python                               run, one namespace a page
```text {.output rel=0.05 abs=0.01}     what the block before it printed; numbers may differ by that much
```yaml title="strategies/mine.yaml"    written into the page's folder, not run
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sybil import Document
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

LEXER = RawFencedCodeBlockLexer(re.compile(r"(?P<info>[^\n]*)\n"))
FLAGS = {"no-run", "output"}
OPTIONS = {"title", "rel", "abs", "exit", "hl_lines", "linenums"}
OPTION = re.compile(r'(?P<name>[a-z_]+)=(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s}"]+))')
INFO = re.compile(r'\s*(?P<language>[\w+-]*)(?P<outside>(?:\s+[a-z_]+="[^"]*")*)\s*(?:\{(?P<inside>[^}]*)\})?\s*')


class PageError(AssertionError):
    """What is wrong with a page, with its path and line."""


@dataclass(frozen=True)
class Fence:
    """A fenced block: its language, flags and options, its source, and where it stands in the text."""

    language: str
    source: str
    line: int
    """Of the opening fence, from 1."""
    start: int
    end: int
    """Of the whole block, fences included."""
    flags: frozenset[str] = frozenset()
    options: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str | None:
        return self.options.get("title")

    @property
    def runs(self) -> bool:
        return self.language in ("sh", "python") and self.title is None and "no-run" not in self.flags

    @property
    def is_output(self) -> bool:
        return "output" in self.flags

    def number(self, name: str, default: float = 0) -> float:
        return float(self.options.get(name, default))


def fences(text: str, path: str = "page") -> list[Fence]:
    """The fenced blocks of a page, in order; raises PageError for an opening line that is not known."""
    document = Document(text, path)
    found = []
    for region in sorted(LEXER(document), key=lambda region: region.start):
        line = text.count("\n", 0, region.start) + 1
        language, flags, options = read_info(region.lexemes["info"], f"{path}:{line}")
        source = str(region.lexemes["source"])
        found.append(Fence(language, source, line, region.start, region.end, flags, options))
    return found


def read_info(info: str, place: str) -> tuple[str, frozenset[str], dict[str, str]]:
    """The language, flags and options of an opening line; only what GitHub, MkDocs and Zensical render is taken."""
    parts = INFO.fullmatch(info)
    if parts is None:
        raise PageError(f'{place}: ```{info}: expected a language, title="..." and {{.flag name=value}}')
    inside = parts["inside"] or ""
    found = [*OPTION.finditer(parts["outside"] or ""), *OPTION.finditer(inside)]
    options = {one["name"]: one["quoted"] if one["quoted"] is not None else one["plain"] for one in found}
    words = OPTION.sub("", inside).split()
    flags = frozenset(word.removeprefix(".") for word in words)
    outside = {one["name"] for one in OPTION.finditer(parts["outside"] or "")} - {"title", "hl_lines", "linenums"}
    unknown = (flags - FLAGS) | (set(options) - OPTIONS) | outside | {word for word in words if word[0] != "."}
    if unknown:
        raise PageError(f"{place}: ```{info}: {', '.join(sorted(unknown))} is not known there")
    return parts["language"], flags, options


def without_fences(text: str) -> str:
    """The text with every fenced block emptied, its lines kept."""
    for fence in reversed(fences(text)):
        block = text[fence.start : fence.end]
        text = text[: fence.start] + "\n" * block.count("\n") + text[fence.end :]
    return text
