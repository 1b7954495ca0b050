"""Every environment variable that the code reads or sets stands in the one table of them."""

import re

from made import ROOT

from kronos_quant.config.environment import VARIABLES

READ = re.compile(r"""(?:environ(?:\.get|\.setdefault|\.pop)?[\[(]|getenv\(|setenv\()["'](\w+)["']""")
CONSTANTS = re.compile(r"""(?m)^(?:ENV\w*|\w*VARIABLE|LAUNCHE[RD]) = "([A-Z_]+)"$""")
"""Names that are held in a constant."""
HUB = re.compile(r"\b(HF_[A-Z_]+)\b")
OTHERS = re.compile(r"""["']([A-Z]{3,}_NUM_THREADS)["']""")
OF_PYTEST = {"PYTEST_XDIST_WORKER", "FORCE_COLOR", "PYTHONPATH", "HOME", "COLUMNS", "TERM", "KQ_"}


def test_every_variable_in_the_code_is_in_the_table():
    code = [
        *(ROOT / "kronos_quant").rglob("*.py"),
        *(ROOT / "cli").rglob("*.py"),
        ROOT / "tests/model/test_published.py",
    ]
    found = set()
    for path in code:
        if path.name != "environment.py":
            text = path.read_text(encoding="utf-8")
            found |= {name for pattern in (READ, CONSTANTS, HUB, OTHERS) for name in pattern.findall(text)}
    assert {"KQ_DEBUG", "NO_COLOR", "DIST_BACKEND", "KQ_LAUNCHER", "WORLD_SIZE", "HF_HUB_OFFLINE"} <= found
    assert found - OF_PYTEST - {variable.name for variable in VARIABLES} == set()


def test_names_are_unique_and_meanings_are_sentences_without_a_full_stop():
    names = [variable.name for variable in VARIABLES]
    assert len(set(names)) == len(names)
    assert [variable.name for variable in VARIABLES if not variable.meaning or variable.meaning.endswith(".")] == []
