"""The pages of the documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from made import ROOT

from doccheck.fences import Fence, PageError, fences

DOCS = ROOT / "docs"
OUTSIDE = ("README.md", "README.zh.md", "CONTRIBUTING.md", "AGENTS.md", "skills/kronos-quant/SKILL.md")
"""Pages outside docs/."""
GENERATED = "reference"
FRONT_MATTER = re.compile(r"\A---\n(.*?)^---\n", re.DOTALL | re.MULTILINE)
MARKER = re.compile(r"<!-- (workspace|source_sha256): ([^>]*?) -->")
"""The same of a page that GitHub would show with its front matter: README.md, README.zh.md."""


@dataclass(frozen=True)
class Page:
    """A Markdown page: its path and its text."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> Page:
        return cls(path, path.read_text(encoding="utf-8"))

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT)) if self.path.is_relative_to(ROOT) else str(self.path)

    @cached_property
    def head(self) -> dict[str, Any]:
        """The front matter, or the markers in its place."""
        found = FRONT_MATTER.match(self.text)
        head = yaml.safe_load(found[1]) if found else dict(MARKER.findall(self.text))
        if not isinstance(head, dict):
            raise PageError(f"{self.name}:1: the front matter is no mapping")
        return head

    @property
    def workspace(self) -> str | None:
        """The shared folder that its blocks run in a copy of; None: its blocks do not run."""
        return self.head.get("workspace")

    @cached_property
    def body(self) -> str:
        """The text with its front matter emptied, its lines kept."""
        found = FRONT_MATTER.match(self.text)
        return "\n" * found[0].count("\n") + self.text[found.end() :] if found else self.text

    @cached_property
    def fences(self) -> list[Fence]:
        """Its fenced blocks, at their places in `text`."""
        return fences(self.text, self.name)

    def place(self, fence: Fence) -> str:
        return f"{self.name}:{fence.line}"


def pages(language: str = "") -> list[Page]:
    """The hand-written and generated pages of a language, or of both and those outside docs/."""
    found = sorted((DOCS / language).rglob("*.md"))
    outside = [] if language else [ROOT / name for name in OUTSIDE if (ROOT / name).is_file()]
    return [Page.read(path) for path in (*outside, *found)]


def is_generated(page: Page) -> bool:
    return GENERATED in page.path.relative_to(ROOT).parts
