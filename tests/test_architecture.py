"""The direction of imports between the rooms, and what the light commands load."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from made import ROOT

ROOMS = (
    "market",
    "panel",
    "stats",
    "charts",
    "windows",
    "model",
    "training",
    "signals",
    "backtest",
    "evaluation",
    "validity",
    "report",
    "workflows",
)
"""In the order of the data: a room imports only from rooms before it."""

SHARED_ORDER = (
    "arrays",
    "bounds",
    "errors",
    "foreign_tables",
    "paths",
    "readers",
    "system",
    "children",
    "owners",
    "locks",
    "files",
    "check_sql",
    "check_process",
    "schema",
    "inputs",
    "display",
    "config",
    "own_code",
    "workspace",
    "runs",
    "unforeseen",
)
SHARED_MODULES = set(SHARED_ORDER)


@cache
def imported(file: Path) -> set[str]:
    """The parts of kronos_quant that a module imports: 'market', 'errors', …"""
    parts = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "kronos_quant" else [f"kronos_quant.{n.name}" for n in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        parts |= {name.split(".")[1] for name in names if name.startswith("kronos_quant.")}
        assert not any(name.startswith("kq_cli") for name in names) or "cli" in file.parts, f"{file} imports the CLI"
    return parts


def modules(part: str) -> list[Path]:
    folder = ROOT / "kronos_quant" / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def test_every_folder_and_module_of_the_library_has_its_place_in_the_order():
    present = {
        path.stem
        for path in (ROOT / "kronos_quant").iterdir()
        if path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    assert present == {*ROOMS, *SHARED_MODULES}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_rooms_before_it(room):
    allowed = {*ROOMS[: ROOMS.index(room) + 1], *SHARED_MODULES, "__version__"}
    for file in modules(room):
        assert imported(file) <= allowed, f"{file.relative_to(ROOT)} imports {sorted(imported(file) - allowed)}"


@pytest.mark.parametrize("part", SHARED_ORDER)
def test_what_all_rooms_share_imports_no_room(part):
    allowed = {*SHARED_ORDER[: SHARED_ORDER.index(part) + 1], "__version__"}
    for file in modules(part):
        assert imported(file) <= allowed, f"{file.relative_to(ROOT)} imports {sorted(imported(file) - allowed)}"


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return {name.split(".")[0] for name in done.stderr.split()}


HEAVY = {"torch", "vectorbt", "pandas", "polars", "numpy", "duckdb", "pydantic", "qlib", "quantstats", "matplotlib"}


@pytest.mark.parametrize(
    "code",
    [
        "import kronos_quant",
        "import sys; sys.argv = ['kq', '--help']\nfrom kq_cli.app import app\napp(standalone_mode=False)",
    ],
)
def test_importing_the_package_and_the_help_load_nothing_heavy(code):
    assert not loaded_by(code) & HEAVY


def test_no_file_and_no_function_outgrows_a_readers_head():
    for file in [*(ROOT / "kronos_quant").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]:
        text = file.read_text(encoding="utf-8")
        # the network reads top to bottom in one file
        assert text.count("\n") <= (720 if file.name == "kronos.py" else 400), file
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno is not None
                length = node.end_lineno - node.lineno + 1
                assert length <= (80 if node.name.endswith("_nb") or node.name == "train_phase" else 60), (
                    f"{file.relative_to(ROOT)}:{node.lineno} {node.name} has {length} lines"
                )


STARTERS = {"subprocess", "multiprocessing", "loky", "pty", "asyncio"}
"""Modules that start processes."""
STARTING_CALLS = {"elastic_launch", "fork", "forkpty", "system", "popen", "posix_spawn", "startfile"}
STARTING_PREFIXES = ("spawn", "exec")
MAY_START = {"children.py": STARTERS, "vectorbt_check.py": {"subprocess"}, "processes.py": {"elastic_launch"}}
"""The place that starts processes; a name of a type, and torch's launcher inside of its environment."""


def test_processes_are_started_in_one_place():
    for file in [*(ROOT / "kronos_quant").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]:
        found = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names} & STARTERS
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module.split(".")[0]} & STARTERS
            elif isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                owner = getattr(getattr(node.func, "value", None), "id", "")
                if name == "elastic_launch" or (
                    owner == "os" and (name in STARTING_CALLS or name.startswith(STARTING_PREFIXES))
                ):
                    found.add(name)
        assert found <= MAY_START.get(file.name, set()), file


OF_SOME_SYSTEMS = {"fcntl", "resource", "pwd", "grp", "termios", "msvcrt", "winreg", "_winapi", "posix"}
CALLS_OF_SOME_SYSTEMS = {
    "sched_getaffinity", "getppid", "fork", "setsid", "getpgid", "killpg", "getuid", "statvfs", "mkfifo", "fchdir",
    "chown", "nice", "wait", "waitpid", "dup2", "tzset",
}  # fmt: skip


def test_what_only_some_systems_have_is_called_in_one_module():
    for file in [*(ROOT / "kronos_quant").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]:
        if file.name == "system.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            assert not {name.split(".")[0] for name in names} & OF_SOME_SYSTEMS, file
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in ("os", "time", "signal"):
                assert node.attr not in {*CALLS_OF_SOME_SYSTEMS, "SIGKILL", "SIGHUP", "SIGALRM"}, (file, node.lineno)


READERS = re.compile(
    r"\bpl\.(read|scan)_(parquet|csv|ipc|ndjson|json|excel|database|avro)\(|\.read_(parquet|csv)\(str|\bjson\.loads?\("
    r"|\byaml\.(safe_)?load|\.read_(text|bytes)\(|\bmodel_validate_json\(|\bnp\.(fromfile|load|loadtxt|genfromtxt)\("
    r"|\bpq\.(read_table|read_pandas)\("
)
"""Calls that open or parse a file."""

READ_ELSEWHERE = {
    "system.py": ".read_text(",  # /proc, which is no file of anybody's
    "schema/tables.py": "yaml.load",  # the package's own, in a zip too
    "backtest/sweep.py": "yaml.safe_load",  # a word of the command line
    "workflows/advisories.py": "json.loads(data)",  # a member of a zip, of bounded size
    "market/readings.py": "json.loads(options)",  # a column of the database
    "report/quantstats_page.py": "json.loads(text)",  # what two processes of one run tell each other
    "workflows/licenses.py": "distribution.read_text(",  # of an installed package
}


def test_files_are_read_in_one_place():
    found = {}
    for file in [*(ROOT / "kronos_quant").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]:
        name = (
            file.relative_to(ROOT / "kronos_quant").as_posix() if ROOT / "kronos_quant" in file.parents else file.name
        )
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            call = READERS.search(line)
            if call and name != "readers.py" and "readers." not in line and READ_ELSEWHERE.get(name, "\n") not in line:
                found[f"{name}:{number}"] = line.strip()
    assert not found
