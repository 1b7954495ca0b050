"""What a test sees of an HTML page."""

import json
import re
from html.parser import HTMLParser

from kronos_quant.report.scripts import library_script, page_script, script_policy

SCRIPT = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)


class Reader(HTMLParser):
    """Tags, what they point to, and the words of a page; style sheets and pictures have none.

    tables : (heading of its section, rows of cells) of each table; handlers : attributes that would run something
    listed : the items of lists; marked : text by the class of the element that holds it
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.handlers: list[str] = []
        self.words: list[str] = []
        self.tables: list[tuple[str, list[list[str]]]] = []
        self.headings: list[str] = []
        self.classes: list[str] = []
        self.listed: list[str] = []
        self._inside: str | None = None
        self._section = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [str(value) for name, value in attrs if name in ("src", "href", "xlink:href", "onload")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.classes += [str(value) for name, value in attrs if name == "class" and value]
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")
            if tag != "h3":
                self._section = len(self.headings) - 1
        elif tag == "table":
            self.tables.append((self.headings[self._section] if self.headings else "", []))
        elif tag == "tr" and self.tables:
            self.tables[-1][1].append([])
        elif tag in ("td", "th") and self.tables:
            self.tables[-1][1][-1].append("")
        elif tag == "li":
            self.listed.append("")
        if tag in ("h1", "h2", "h3", "td", "th", "li"):
            self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script" and self.cdata_elem:
            return
        self.words.append(data)
        if self._inside in ("h1", "h2", "h3"):
            self.headings[-1] += data
        elif self._inside in ("td", "th"):
            self.tables[-1][1][-1][-1] += data
        elif self._inside == "li":
            self.listed[-1] += data

    def table(self, heading: str) -> dict[str, list[str]]:
        """The rows of the table under a heading, by their first cell."""
        rows = next(rows for name, rows in self.tables if name == heading)
        return {row[0]: row[1:] for row in rows}

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def assert_self_contained(page: str, files: tuple[str, ...] = ()) -> Reader:
    """Nothing in the page asks another computer for anything or runs anything but our scripts; the page as it is read.

    files : of its folder, that it may link to
    """
    read = Reader(page)
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")
    assert_only_our_scripts(page)
    page = SCRIPT.sub("", page)
    assert not re.search(r"https?://|@import", page)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(read.tags)
    assert read.handlers == []
    references = [*read.references, *re.findall(r"url\(([^)]*)\)", page)]
    assert all(reference.startswith(("#", "data:image/")) or reference in files for reference in references)
    assert not re.search(r"\b(nan|inf|None|NaN)%?\b", re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", page, flags=re.S))
    return read


def assert_only_our_scripts(page: str) -> None:
    """The scripts are ours, whole, and named by the page's policy; all others are data."""
    assert re.findall(r"<script(?! type=\"application/json\">)[^>]*>", page) == ["<script>"] * page.count("<script>")
    ours = [text for tag, text in re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL) if not tag]
    assert ours in ([], [page_script()], [library_script(), page_script()])
    assert f'content="{script_policy(ours)}"'.replace("'", "&#39;") in page
    page_data(page)


def page_data(page: str) -> list:
    """What the page holds as JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    found = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    return [json.loads(text, parse_constant=refuse) for text in found]
