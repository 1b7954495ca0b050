"""The scripts of interactive pages: Apache ECharts, as published, and our own that draws, sorts and filters.

Each stands once in a page, which needs no network. The page's policy (Content-Security-Policy) names the digests of
these two, so that a browser runs nothing else, whatever a page may hold.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from markupsafe import Markup

from kronos_quant.readers import read_text

LIBRARY = "echarts/echarts.min.js"
OWN = "page.js"

LIBRARY_VERSION = "6.1.0"
"""Of Apache ECharts in assets/echarts."""


def library_script() -> Markup:
    """Apache ECharts, whole."""
    return _asset(LIBRARY)


def page_script() -> Markup:
    """Our own script."""
    return _asset(OWN)


def script_policy(scripts: Sequence[str]) -> str:
    """The policy of a page that runs these scripts and no others, and asks no other computer for anything.

    >>> script_policy([])
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'none'"
    """
    allowed = " ".join(f"'sha256-{script_digest(script)}'" for script in scripts) or "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"


def script_digest(script: str) -> str:
    """SHA-256 of a script as a policy names it, in base64."""
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


@cache
def _asset(name: str) -> Markup:
    return Markup(read_text(Path(__file__).parent / "assets" / name))  # noqa: S704 (a file of this package)
