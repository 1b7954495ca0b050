"""All generated pages, and how they are written and compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from docs.build import api, commands, dialects, fields, files, glossary, notebooks, rules, schemas
from docs.build.markdown import bullets, front_matter, page

FOLDERS = ("en/reference", "schemas")
"""Folders that hold generated files only."""


def generated_pages() -> dict[str, str]:
    """Every generated file by its path in docs/."""
    made = {**commands.pages(), **fields.pages(), **files.pages(), **rules.pages(), **dialects.pages(), **api.pages()}
    pages = {f"en/reference/{name}.md": text for name, text in made.items()}
    pages["en/reference/index.md"] = index(pages)
    return (
        pages
        | glossary.pages()
        | notebooks.pages()
        | {f"schemas/{name}": text for name, text in schemas.pages().items()}
    )


def index(pages: Mapping[str, str]) -> str:
    """The first page of the reference: what each page holds."""
    listed = {}
    for path, text in pages.items():
        inner = path.removeprefix("en/reference/")
        if "/" not in inner or inner.endswith("/index.md"):
            meta = dict(line.split(": ", 1) for line in front_matter(text)[0].splitlines())
            listed[f"[{meta['title'].strip(chr(34))}]({path.removeprefix('en/reference/')})"] = meta[
                "description"
            ].strip('"')
    intro = "Every command, setting, file, column, rule and public name, written from the code of this version."
    return page("Reference", intro, intro, bullets(listed))


def different_pages(docs: Path) -> list[str]:
    """The committed files that are not what the code says, by their path in docs/."""
    wanted = generated_pages()
    there = {path.relative_to(docs).as_posix() for folder in FOLDERS for path in (docs / folder).rglob("*.*")}
    changed = {path for path, text in wanted.items() if not _holds(docs / path, text)}
    return sorted(changed | (there - set(wanted)))


def write_pages(docs: Path) -> list[str]:
    """Write what differs and remove what is no longer generated; returns the paths."""
    wanted, changed = generated_pages(), different_pages(docs)
    for path in changed:
        file = docs / path
        if path in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[path], encoding="utf-8")
        else:
            file.unlink()
    return changed


def _holds(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text
