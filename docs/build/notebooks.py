"""Pages made of notebooks: percent scripts in docs/notebooks, which `make notebooks` turns into .ipynb files."""

from __future__ import annotations

from pathlib import Path

import jupytext
import yaml

from docs.build.markdown import page

FOLDER = Path(__file__).parents[1] / "notebooks"


def pages() -> dict[str, str]:
    """A page en/tutorial/<name>.md for each notebook; its header is the page's, its first line the title."""
    return {f"en/tutorial/{path.stem}.md": notebook_page(path) for path in sorted(FOLDER.glob("*.py"))}


def notebook_page(path: Path) -> str:
    """The page of a percent script: text cells as they are, code cells as fences."""
    header, *cells = jupytext.read(path).cells
    meta = yaml.safe_load(header.source.strip("-\n"))
    blocks = [f"```python\n{cell.source}\n```" if cell.cell_type == "code" else cell.source for cell in cells]
    blocks[0] = blocks[0].removeprefix(f"# {meta['title']}").lstrip()
    return page(meta.pop("title"), meta.pop("description"), *blocks, **meta)
