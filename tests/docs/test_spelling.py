"""codespell finds nothing; docs/words.txt has the words that it takes for misspelt ones, one a line."""

import subprocess
import sys

from doccheck.pages import DOCS, pages
from made import HANG_SECONDS, ROOT


def misspelt(*paths: str) -> str:
    words = ["--ignore-words", str(DOCS / "words.txt"), "--skip", "*.json,*.html,*.css,*.min.js"]
    command = [sys.executable, "-m", "codespell_lib", *words, *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
    assert done.stderr == ""
    return done.stdout


def test_nothing_is_misspelt():
    outside = [str(page.path) for page in pages() if not page.path.is_relative_to(DOCS)]
    assert misspelt("docs", "kronos_quant", "cli", "benchmarks/README.md", "CHANGELOG.md", *outside) == ""


def test_a_misspelt_word_is_found(tmp_path):
    (tmp_path / "page.md").write_text("The adress of a symbol.\n")
    assert "adress ==> address" in misspelt(str(tmp_path / "page.md"))
