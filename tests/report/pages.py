"""What a test sees of an HTML page."""

import re
from html.parser import HTMLParser


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


def assert_self_contained(page: str) -> Reader:
    """Nothing in the page makes a browser ask anybody for anything, or run anything; the page as it is read."""
    read = Reader(page)
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")
    assert not re.search(r"https?://|@import", page)
    assert not {"link", "script", "iframe", "object", "embed", "base", "form"} & set(read.tags)
    assert read.handlers == []
    references = [*read.references, *re.findall(r"url\(([^)]*)\)", page)]
    assert all(reference.startswith(("#", "data:image/")) for reference in references)
    assert not re.search(r"\b(nan|inf|None|NaN)%?\b", re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", page, flags=re.S))
    return read
