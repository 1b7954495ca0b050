"""`python -m docs.stamp [PAGE ...]`: note in Chinese pages which English text they are translations of.

The digest is of the English page without its fenced blocks and its figures, which are compared themselves: printed
output that changes makes no translation stale, a changed sentence does.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from pathlib import Path

from docs.build.markdown import GENERATED

DOCS = Path(__file__).parent
README = DOCS.parent / "README.zh.md"
"""GitHub would show a front matter: its digest stands in a comment."""
FENCED = re.compile(
    r"^(?P<indent>[ \t>]*)(?P<fence>`{3,}|~{3,}).*?^(?P=indent)(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL
)
FIGURE = re.compile(r"(<!-- figure [^>]*? -->).*?(<!-- /figure -->)", re.DOTALL)
STAMP = re.compile(r"^source_sha256:.*$", re.MULTILINE)
COMMENT = re.compile(r"^<!-- source_sha256: .*? -->\n", re.MULTILINE)
FRONT_MATTER = re.compile(r"\A---\n")


def source_digest(english: str) -> str:
    """The digest of an English page that its translation holds."""
    prose = FIGURE.sub(r"\1\2", FENCED.sub("", english))
    return hashlib.sha256(prose.encode()).hexdigest()


def english_of(chinese: Path) -> Path:
    """The English page of a Chinese one."""
    if chinese.resolve() == README:
        return README.with_name("README.md")
    return DOCS / "en" / chinese.resolve().relative_to(DOCS / "zh")


def stamped(chinese: str, english: str, *, comment: bool = False) -> str:
    """The text of a Chinese page with the digest of its English page. comment : not in a front matter"""
    line = f"source_sha256: {source_digest(english)}"
    if comment:
        return f"<!-- {line} -->\n{COMMENT.sub('', chinese)}"
    if STAMP.search(chinese):
        return STAMP.sub(line, chinese, count=1)
    if FRONT_MATTER.match(chinese):
        return FRONT_MATTER.sub(f"---\n{line}\n", chinese, count=1)
    return f"---\n{line}\n---\n{chinese}"


def main(arguments: list[str] | None = None) -> int:
    """Stamp the pages that are named, or all of docs/zh; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.stamp", description=__doc__)
    parser.add_argument(
        "pages", nargs="*", type=Path, metavar="PAGE", help="Chinese pages; default: all that have a twin"
    )
    chosen = parser.parse_args(arguments).pages
    for path in chosen or (README, *sorted((DOCS / "zh").rglob("*.md"))):
        if not chosen and not (path.is_file() and english_of(path).is_file()):
            continue
        before = path.read_text(encoding="utf-8")
        if GENERATED in before:
            continue
        english = english_of(path).read_text(encoding="utf-8")
        after = stamped(before, english, comment=path.resolve() == README)
        if after != before:
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"stamped: {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
