"""`python -m docs.build`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from docs.build.reference import different_pages, write_pages

DOCS = Path(__file__).parents[1]


def main() -> int:
    """Write or check the generated pages, or build the site; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.build", description="Generated pages and the site.")
    parser.add_argument("--check", action="store_true", help="exit 1 and name the pages that differ from the code")
    parser.add_argument("--site", type=Path, metavar="DIR", help="build the site of both languages into DIR")
    parser.add_argument("--with", dest="builder", default="mkdocs", help="site generator: mkdocs or zensical")
    arguments = parser.parse_args()
    if arguments.site is not None:
        from docs.build.website import build_site

        return build_site(DOCS, arguments.site, arguments.builder)
    changed = different_pages(DOCS) if arguments.check else write_pages(DOCS)
    for path in changed:
        sys.stdout.write(f"{'differs from the code' if arguments.check else 'written'}: docs/{path}\n")
    if arguments.check and changed:
        sys.stderr.write("hint:  python -m docs.build\n")
    return int(arguments.check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
