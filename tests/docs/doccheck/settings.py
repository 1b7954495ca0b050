"""YAML of the pages against the models that read it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from doccheck.fences import PageError
from doccheck.pages import Page
from kronos_quant.backtest import Strategy
from kronos_quant.config import load_workspace_config, load_yaml
from kronos_quant.errors import ConfigError
from kronos_quant.signals import Recipe

READERS = {
    "kq.yaml": load_workspace_config,
    "signals": lambda path: load_yaml(Recipe, path),
    "strategies": lambda path: load_yaml(Strategy, path),
}
"""The reader of each file, by its name or its folder."""


def kinds_of(title: str) -> list[str]:
    """The readers that a file of this path may be for; all where the path does not say."""
    parts = Path(title).parts
    named = [kind for kind in READERS if parts and (parts[-1] == kind or kind in parts[:-1])]
    return named or list(READERS)


def check_yaml(title: str | None, text: str, place: str) -> None:
    """Raise PageError unless the model for the path, or any where there is no path, reads the text."""
    refusals = []
    for kind in kinds_of(title or ""):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "kq.yaml"
            path.write_text(text, encoding="utf-8")
            try:
                READERS[kind](path)
                return
            except ConfigError as error:
                refusals.append(f"as {kind}: {str(error).replace(folder, '')}")
    raise PageError(f"{place}: the YAML is not valid\n" + "\n".join(refusals))


def check_yaml_of(page: Page) -> None:
    """Every YAML block of a page."""
    for fence in page.fences:
        if fence.language in ("yaml", "yml"):
            check_yaml(fence.title, fence.source, page.place(fence))
