"""Where the SQL, recipes and strategies that travel with the package lie."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def asset_dir(name: str) -> Path:
    """The folder `db`, `signals` or `strategies`: the wheel's copy, or the checkout's beside the package."""
    for folder in (_PACKAGE / "_assets" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the package was installed without its folder {name}/")
