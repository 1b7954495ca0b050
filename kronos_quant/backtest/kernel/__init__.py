"""The event loops, compiled. What they share is in `arrays`, `book`, `exchange` and `risk`; each rule has its own loop.

Everything is in adjusted units: the number of shares stays the same through splits, and dividends count as reinvested
at the ex-date's prices. These functions raise nothing: `engine` checks what it passes in. `backtest.ledger` says the
same in plain Python.
"""

import contextlib
from pathlib import Path


def forget_stale(kernels: Path) -> None:
    """Remove what numba compiled of a folder's functions before one of the files changed that they are made of.

    numba looks at a function's own file alone, and would go on calling what was inlined from another one's old text.
    """
    sources = [*kernels.glob("*.py"), kernels.parent / "codes.py"]
    newest = max(source.stat().st_mtime for source in sources)
    for index in (kernels / "__pycache__").glob("*.nbi"):
        # another process may be first; and where nothing may be removed, nothing was kept either
        with contextlib.suppress(OSError):
            if index.stat().st_mtime < newest:
                index.unlink()


forget_stale(Path(__file__).parent)
