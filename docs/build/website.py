"""The site: pages of both languages staged in one folder, built by MkDocs or Zensical, and llms.txt beside them.

Staging makes the Chinese tree whole: it gets the generated pages, its links to an English page become links into the
English site (or to the staged copy of a generated page), and what the nav lists without there being a page is left
out, or in Chinese is a link to the English page.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from docs.build.llms import write_llms
from docs.build.markdown import front_matter, page

LANGUAGES = ("en", "zh")
GENERATED = "reference"
SITE = "site"
"""Folder of the built site among the staged pages: Zensical builds nowhere else."""
ROOT_PAGES = {"changelog": "CHANGELOG.md", "contributing": "CONTRIBUTING.md"}
"""Pages that are made from a file of the repository's root."""
ENGLISH = "（英文）"
_LINK = re.compile(r"(?<=\]\()(?P<up>(?:\.\./)+)en/(?P<path>[\w/]+)\.md(?P<anchor>#[^)\s]*)?\)")
_HOME = """\
<!doctype html>
<meta charset="utf-8">
<title>kronos-quant</title>
<script>location.replace((navigator.language || "en").startsWith("zh") ? "zh/index.html" : "en/index.html")</script>
<p><a href="en/index.html">English</a> · <a href="zh/index.html">中文</a></p>
"""


def build_site(docs: Path, out: Path, builder: str = "mkdocs") -> int:
    """Build both languages into `out`; returns an exit code.

    Parameters
    ----------
    docs
        The folder docs/ of the checkout.
    out
        Replaced.
    builder
        mkdocs or zensical; has to be installed.
    """
    if importlib.util.find_spec(builder) is None:
        sys.stderr.write(f"error: {builder} is not installed\nhint:  pip install '.[docs]' -c constraints.txt\n")
        return 1
    out = out.resolve()
    staged = out.with_name(f"{out.name}.pages")
    for folder in (out, staged):
        shutil.rmtree(folder, ignore_errors=True)
    stage(docs, staged)
    try:
        for language in LANGUAGES:
            command = [sys.executable, "-m", builder, "build", "-f", str(staged / f"{language}.yml")]
            options = ["--quiet", "--strict"] if builder == "mkdocs" else ["--clean"]
            # Material's notice of its end of life is not about these pages
            environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
            done = subprocess.run([*command, *options], check=False, env=environment)  # noqa: S603 (our own command)
            if done.returncode:
                return done.returncode
        (staged / SITE).rename(out)
        if (docs / "assets").is_dir():
            shutil.copytree(docs / "assets", out / "assets")
        (out / "index.html").write_text(_HOME, encoding="utf-8")
        write_llms(staged, out)
    finally:
        shutil.rmtree(staged)
    return 0


def stage(docs: Path, staged: Path) -> None:
    """Lay the pages and configurations of both languages out in `staged`, to be built into its folder SITE."""
    for language in LANGUAGES:
        shutil.copytree(docs / language, staged / language)
    for name, file in ROOT_PAGES.items():
        text = (docs.parent / file).read_text(encoding="utf-8").partition("\n")[2]
        for language in LANGUAGES:
            (staged / language / f"{name}.md").write_text(page(name.capitalize(), f"{file}.", text), encoding="utf-8")
    shutil.copytree(docs / "en" / GENERATED, staged / "zh" / GENERATED, dirs_exist_ok=True)
    for file in (staged / "zh").rglob("*.md"):
        file.write_text(chinese_links(file.read_text(encoding="utf-8")), encoding="utf-8")
    base = yaml.safe_load((docs / "base.yml").read_text(encoding="utf-8"))
    base["plugins"]["mkdocstrings"]["handlers"]["python"]["paths"] = [str(docs.parent)]
    _write_yaml(staged / "base.yml", base)
    for language in LANGUAGES:
        settings = yaml.safe_load((docs / f"{language}.yml").read_text(encoding="utf-8"))
        settings["nav"] = nav_of(settings["nav"], staged, language)
        settings["site_dir"] = f"{SITE}/{language}"
        _write_yaml(staged / f"{language}.yml", settings)


def chinese_links(text: str) -> str:
    """A Chinese page with its links to English pages as they are in the site, marked as English.

    >>> chinese_links("[列](../../en/reference/columns.md#bars), [vectorbt](../en/from/vectorbt.md)")
    '[列](../reference/columns.md#bars)（英文）, [vectorbt](../en/from/vectorbt.html)（英文）'
    """

    def moved(link: re.Match[str]) -> str:
        anchor = link["anchor"] or ""
        if link["path"].startswith(f"{GENERATED}/"):
            return f"{link['up'].removeprefix('../')}{link['path']}.md{anchor}){ENGLISH}"
        return f"{link['up']}en/{link['path']}.html{anchor}){ENGLISH}"

    return _LINK.sub(moved, text)


def nav_of(nav: list[Any], staged: Path, language: str) -> list[Any]:
    """The entries of a nav for which there are pages: folders with their pages, missing ones as links to English."""
    kept: list[Any] = []
    for entry in nav:
        title, target = next(iter(entry.items())) if isinstance(entry, dict) else (None, entry)
        if isinstance(target, list):
            inner = nav_of(target, staged, language)
            kept += [{title: inner}] if inner else []
        elif target.endswith("/"):
            folder = staged / language / target
            files = sorted(folder.glob("*.md"), key=lambda file: (file.name != "index.md", file.name))
            kept += [{title: [f"{target}{file.name}" for file in files]}] if files else []
        elif (staged / language / target).is_file():
            kept.append(entry)
        elif (staged / "en" / target).is_file():
            meta = yaml.safe_load(front_matter((staged / "en" / target).read_text(encoding="utf-8"))[0]) or {}
            link = f"../en/{target.removesuffix('.md')}.html"
            kept.append({f"{title or meta.get('title', target)}{ENGLISH}": link})
    return kept


def _write_yaml(path: Path, values: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), encoding="utf-8")
