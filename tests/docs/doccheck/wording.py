"""The words that no text for a reader has: docs/wording.yml, looked for in all texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from inspect import getdoc

import yaml
from made import ROOT

import kronos_quant
from doccheck.fences import without_fences
from doccheck.links import CODE
from doccheck.pages import DOCS, Page
from doccheck.strings import SOURCES, Text, texts_of_file, texts_of_template
from docs.build.api import own_members

WORDING = DOCS / "wording.yml"
STORED = {"nobody to rank"}
"""Values of metrics.json that programs know by these words."""
SETTINGS = ("kronos_quant", "signals", "strategies", "db/checks")
BLANK = r"(?:\s+(?:#|--)?\s*)"
"""Between two words: also a new line, of a comment too."""
COMMENTED = {".yaml": "#", ".sql": "--"}


@cache
def unwanted() -> list[tuple[re.Pattern[str], str]]:
    """(pattern, what to write)."""
    return [
        (re.compile(rf"(?<![\w-])(?:{one['not'].replace(' ', BLANK)})(?![\w-])", re.IGNORECASE), one["write"])
        for one in yaml.safe_load(WORDING.read_text(encoding="utf-8"))
    ]


def hits(texts: Iterable[Text]) -> list[str]:
    """Where the unwanted words stand, and what to write."""
    found = []
    for text in texts:
        for pattern, write in unwanted():
            word = pattern.search(text.value)
            if word is not None and text.value not in STORED:
                start = max(0, word.start() - 40)
                near = " ".join(text.value[start : word.end() + 40].split())
                found.append(f"{text.place_of(word.start())}: {word[0]!r} in {near!r}: write {write}")
    return found


def printed() -> Iterator[Text]:
    """The texts of the program: strings with a blank, help, templates, YAML and the comments of SQL."""
    for path in SOURCES:
        yield from (text for text in texts_of_file(path) if not text.note and " " in text.value.strip())
    for folder in SETTINGS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT)
            if path.suffix == ".html":
                yield texts_of_template(path)
            elif path.suffix in COMMENTED:
                text = path.read_text(encoding="utf-8")
                # tables of meanings as they are; of settings and checks the comments
                lines = text.splitlines()
                kept = lines if folder == "kronos_quant" else [comment_of(line, path.suffix) for line in lines]
                yield Text(str(name), "\n".join(kept), of_lines=True)


def comment_of(line: str, suffix: str) -> str:
    return line.partition(COMMENTED[suffix])[2]


def front_docstrings() -> Iterator[Text]:
    """The docstrings of the front door, which the API pages show."""
    for name in kronos_quant.__all__:
        value = getattr(kronos_quant, name)
        if isinstance(value, type) or callable(value):
            yield Text(f"{getattr(value, '__module__', name)}.{name}", getdoc(value) or "")
            for method, one in own_members(value).items() if isinstance(value, type) else ():
                if not method.startswith("_") and (isinstance(one, property) or callable(one)):
                    yield Text(f"{value.__module__}.{name}.{method}", getdoc(one) or "")


def of_page(page: Page) -> Iterator[Text]:
    """The prose of a page, and the comments in its blocks."""
    text = CODE.sub(lambda code: "`" + "\n" * code[0].count("\n"), without_fences(page.body))
    text = re.sub(r"\]\([^)\n]*\)", "]", text)
    yield Text(page.name, text, of_lines=True)
    for fence in page.fences:
        if fence.language in ("sh", "python", "yaml"):
            yield from (Text(page.place(fence), comment) for comment in re.findall(r"(?<!\S)#\s+(.*)", fence.source))
