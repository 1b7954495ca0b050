"""Paths and files that a page names: of the repository, or made by the page."""

from __future__ import annotations

import re

from made import ROOT

from doccheck.inputs import INPUTS
from doccheck.pages import DOCS, Page

ENDINGS = "py|md|sql|yaml|yml|toml|txt|html"
PATH = re.compile(rf"(?<![\w/~.<-])((?:[\w.-]+/)+[\w-]+\.(?:{ENDINGS}))(?![\w/])")
FOLDER = re.compile(r"`((?:[\w-]+/)+)`")
FILE = re.compile(r"`([\w-]+\.(?:py|sql))`")
PLACEHOLDER = re.compile(r"NNNN|[A-Z]{3,}\.")
WORKSPACE = ("models/", "runs/", "signals/store/", "db/snapshots/", "my-research/", "kq-demo/")
"""Folders that only a workspace has; what lies in them is the reader's."""
OURS = ("kronos_quant", "cli", "db", "signals", "strategies", "tests", "docs", "benchmarks")
FOREIGN = "from"
"""Pages for those who come from elsewhere name the files there."""
QLIB = {"calendars/", "instruments/", "features/"}


def named_paths(page: Page) -> set[str]:
    """What looks like a path: with a folder and a known ending anywhere, a folder or a file of code in backticks."""
    text = re.sub(r"\]\([^)\n]*\)", "]", page.body)  # the targets of links are checked as links
    found = {path for pattern in (PATH, FOLDER, FILE) for path in pattern.findall(text)}
    return {path for path in found if not PLACEHOLDER.search(path)}


def made_by(page: Page) -> set[str]:
    """Files that the blocks of a page write, or say that they do."""
    titles = {fence.title for fence in page.fences if fence.title is not None}
    code = "\n".join(fence.source for fence in page.fences)
    return titles | set(re.findall(rf"[\w./-]+\.(?:{ENDINGS})", code))


def missing_paths(page: Page) -> set[str]:
    """Paths that neither the repository has nor the page makes."""
    bases = (ROOT, ROOT / "kronos_quant", ROOT / "cli", DOCS, page.path.parent)
    made = {one.removeprefix("./") for one in made_by(page)} | {
        name for path in made_by(page) for name in [path.rpartition("/")[2]]
    }
    return {
        path
        for path in named_paths(page)
        if path not in made | QLIB
        and not path.startswith((*WORKSPACE, *INPUTS))
        and (path.split("/")[0] in OURS or page.path.parent.name != FOREIGN)
        and not any((base / path).exists() for base in bases)
        and ("/" in path or not any(ROOT.glob(f"[!.]*/**/{path}")))
    }
