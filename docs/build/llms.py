"""For machines: llms.txt (an index), llms-full.txt (every English page), and each page's Markdown beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from docs.build.markdown import front_matter

SUMMARY = (
    "Event-driven quant research and back-testing around the Kronos K-line foundation model: ingest Qlib or CSV bars, "
    "fine-tune Kronos, compute or import signals, back-test Top-K strategies under dated exchange rules, and say "
    "whether the result is luck. Command line `kq`, Python package `kronos_quant`."
)
HEADINGS = {"en": "Pages in English", "zh": "中文页面"}
_DIRECTIVE = re.compile(r"^::: .*(?:\n(?: {4}.*|\s*$))*\n?", re.MULTILINE)


def write_llms(staged: Path, out: Path) -> None:
    """Write llms.txt, llms-full.txt and a .md beside each page of a built site.

    Parameters
    ----------
    staged
        The folder of en.yml, zh.yml and their pages, as staged for the site.
    out
        The folder of the site.
    """
    index, full = [f"# kronos-quant\n\n> {SUMMARY}\n"], [f"# kronos-quant\n\n{SUMMARY}\n"]
    for language, heading in HEADINGS.items():
        index.append(f"## {heading}\n")
        for path in page_order(staged, language):
            meta, text = read_page(staged / language / path)
            target = out / language / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            if language == "en":
                full.append(f"<!-- {path} -->\n\n{text}")
            if language == "en" or not path.startswith("reference/"):
                index.append(f"- [{meta.get('title', path)}]({language}/{path}): {meta.get('description', '')}")
        index.append("")
    (out / "llms.txt").write_text("\n".join(index), encoding="utf-8")
    (out / "llms-full.txt").write_text("\n".join(full), encoding="utf-8")


def read_page(file: Path) -> tuple[dict[str, Any], str]:
    """The front matter of a page, and its text without what only the site generator understands."""
    head, text = front_matter(file.read_text(encoding="utf-8"))
    return yaml.safe_load(head) or {}, _DIRECTIVE.sub("", text).lstrip("\n")


def page_order(staged: Path, language: str) -> list[str]:
    """The pages of a language in the order of its nav, those outside it at the end."""
    settings = yaml.safe_load((staged / f"{language}.yml").read_text(encoding="utf-8"))
    listed = [path for path in _paths(settings["nav"]) if path.endswith(".md")]
    there = sorted(file.relative_to(staged / language).as_posix() for file in (staged / language).rglob("*.md"))
    return [*listed, *(path for path in there if path not in set(listed))]


def _paths(nav: list[Any]) -> list[str]:
    found: list[str] = []
    for entry in nav:
        target = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += _paths(target) if isinstance(target, list) else [target]
    return found
