"""No file of a workspace runs or changes anything unasked: commands that start processes, in a folder full of traps.

Each trap is named like a module of the standard library or of a package that is used, or like a file of settings that
some library takes from the current folder, and leaves a mark when it is run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from made import ROOT, write_scores

from kronos_quant import children
from kronos_quant.workspace import WorkspaceFolder, open_workspace_folder

PACKAGES = [
    "kronos_quant",
    "kq_cli",
    "loky",
    "numba",
    "numpy",
    "torch",
    "polars",
    "duckdb",
    "typer",
    "pandas",
    "pyarrow",
    "yaml",
    "vectorbt",
    "qlib",
    "quantstats",
    "matplotlib",
    "ray",
    "safetensors",
    "filelock",
    "psutil",
    "cloudpickle",
    "joblib",
    "exchange_calendars",
    "pydantic",
    "scipy",
    "rich",
    "IPython",
    "plotly",
    "sitecustomize",
    "usercustomize",
    "planted_backend",
    "planted_pth",
]
SETTINGS = {
    "matplotlibrc": "backend: module://planted_backend\n",
    ".numba_config.yaml": "cache_dir: planted_cache\ndisable_jit: 1\nthreading_layer: planted\n",
    ".env": "KQ_TRAIN__SEED=99\n",
    "x.pth": "import planted_pth\n",
    "pyvenv.cfg": "home = planted\n",
    ".comet.config": "[comet]\n",
    "setup.cfg": "[numba]\n",
}
HANG_SECONDS = 900
OURS = {"kq.yaml", "db", "signals", "strategies", "models", "runs", ".kq", "scores.csv", "checks.html"}
"""What commands open in a workspace; what is written aside begins with .partial-."""
# Loaded by every Python that a command starts: the folder lies on PYTHONPATH, outside of the workspace.
WATCHER = """
import os, sys
root, log = {root!r} + os.sep, os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
known = set()

def note(what):
    if what not in known:
        known.add(what)
        os.write(log, (what + chr(10)).encode(errors="replace"))

def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        path, caller = os.path.abspath(os.fsdecode(arguments[0])), sys._getframe().f_back
        # shutil.rmtree opens what lies in an open folder, which is not told
        if path.startswith(root) and not (caller and caller.f_code.co_name.startswith("_rmtree")):
            note(path[len(root):].split(os.sep)[0])
    elif event == "import" and any(not os.path.isabs(place) for place in arguments[2] or ()):
        note("the current folder, for " + arguments[0])

sys.addaudithook(watch)
"""


@dataclass(frozen=True)
class TrappedFolder:
    """A workspace with the traps, and where they leave their marks."""

    root: Path
    marks: Path
    opened: Path
    """Lists what was opened in the workspace by Python, and imports that look into it."""

    def run(self, *arguments: str, **environment: str) -> str:
        """Run `kq` as its script does; nothing of the folder may have run. Returns what it printed."""
        return self.check([sys.executable, self.script("from kq_cli.app import main; main()"), *arguments], environment)

    def script(self, code: str) -> str:
        """A script elsewhere: without -P, which a process would hand on to some that it starts."""
        path = self.marks.parent / "scripts" / "script.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        return str(path)

    def check(self, command: list[str], environment: dict[str, str] | None = None) -> str:
        """Run a command in the folder; it must succeed, and no trap may have been stepped on."""
        library = os.pathsep.join((str(self.opened.parent), str(ROOT), str(ROOT / "cli")))
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": library, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        assert [path.name for path in self.marks.iterdir()] == []
        assert not (self.root / "planted_cache").exists()
        assert done.returncode == 0, done.stderr
        opened = {name for name in self.opened.read_text().splitlines() if not name.startswith(".partial-")}
        assert opened <= OURS
        return done.stdout


def plant(root: Path, marks: Path) -> TrappedFolder:
    marks.mkdir()
    names = [
        *(name for name in sys.stdlib_module_names if name != "__main__"),
        *PACKAGES,
        "planted_backend",
        "planted_pth",
    ]
    for name in names:
        (root / f"{name}.py").write_text(f"open({str(marks / name)!r}, 'w').close()\n")
    for name, text in SETTINGS.items():
        (root / name).write_text(text)
    opened = marks.with_name("watcher") / "opened.txt"
    opened.parent.mkdir()
    opened.touch()
    opened.with_name("sitecustomize.py").write_text(WATCHER.format(root=str(root), log=str(opened)))
    return TrappedFolder(root, marks, opened)


@pytest.fixture
def trapped(market_workspace: WorkspaceFolder, tmp_path: Path) -> TrappedFolder:
    """A workspace with bars, traps included."""
    return plant(market_workspace.root, tmp_path / "marks")


@pytest.fixture
def trapped_model(trained_workspace: WorkspaceFolder, tmp_path: Path) -> TrappedFolder:
    """A workspace with a trained model, traps included."""
    return plant(trained_workspace.root, tmp_path / "marks")


def test_the_traps_work(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    folder.mkdir()
    trapped = plant(folder, tmp_path / "marks")
    subprocess.run([sys.executable, "-c", "import loky, queue"], cwd=folder, capture_output=True, check=False)
    assert {path.name for path in trapped.marks.iterdir()} & {"loky", "queue", "sitecustomize"}
    for path in trapped.marks.iterdir():
        path.unlink()
    code = "import sys; open('setup.cfg').close(); sys.path.append(''); import wave"
    with pytest.raises(AssertionError):
        trapped.check([sys.executable, "-P", "-c", code])
    assert {"setup.cfg", "the current folder, for wave"} <= {*trapped.opened.read_text().splitlines()}


POOL = """
import os
from kronos_quant.children import process_pool
if __name__ == "__main__":
    with process_pool(2, os.getcwd, ()) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()
"""


def test_a_pool_of_processes_runs_nothing_of_the_folder(trapped: TrappedFolder, tmp_path: Path) -> None:
    trapped.check([sys.executable, trapped.script(POOL)])


def test_code_of_the_package_in_a_process_of_its_own_runs_nothing_of_the_folder(
    trapped: TrappedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trapped.root)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("", ".", str(ROOT))))
    process = children.start_python(
        "import queue, loky, json, numba, matplotlib; print(numba.config.DISABLE_JIT)", stdout=-1
    )
    printed, _ = process.communicate()
    assert (process.returncode, printed.split(), list(trapped.marks.iterdir())) == (0, [b"0"], [])


def test_the_environment_of_this_process_is_as_before(trapped: TrappedFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ".")
    before = dict(os.environ)
    with children.inherited_environment({"OMP_NUM_THREADS": "1"}):
        assert (os.environ["PYTHONSAFEPATH"], os.environ["OMP_NUM_THREADS"]) == ("1", "1")
        assert "PYTHONPATH" not in os.environ
    assert dict(os.environ) == before


def test_git_runs_no_program_that_a_repository_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "mark"
    git = ["git", "-C", str(tmp_path / "w")]
    subprocess.run(["git", "init", "-q", str(tmp_path / "w")], check=True)
    subprocess.run([*git, "config", "core.fsmonitor", f"touch {mark}"], check=True)
    (tmp_path / "w" / "file").write_text("")
    subprocess.run([*git, "add", "file"], check=True, capture_output=True)
    (tmp_path / "w" / ".gitattributes").write_text("* filter=own")
    subprocess.run([*git, "config", "filter.own.clean", f"touch {mark}; cat"], check=True)
    subprocess.run([*git, "config", "filter.own.required", "true"], check=True)
    os.utime(tmp_path / "w" / "file", (1, 1))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    mark.unlink(missing_ok=True)
    assert children.run_git(tmp_path / "w", "status", "--porcelain", "--untracked-files=no") == "A  file"
    assert not mark.exists()
    assert children.run_git(tmp_path / "nowhere", "status") == ""


@pytest.mark.slow
def test_a_script_that_lies_elsewhere_runs_nothing_of_the_folder(trapped: TrappedFolder, tmp_path: Path) -> None:
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text("import kronos_quant as kq\nprint(kq.open('.').backtest('own').title)\n")
    write_own_strategy(trapped)
    trapped.check([sys.executable, str(script)])


def write_own_strategy(trapped: TrappedFolder) -> None:
    write_scores(open_workspace_folder(trapped.root), "scores.csv", 30)
    text = "scores: scores.csv\ntopk: 4\nn_drop: 1\nhold_thresh: 2\naccount: 1_000_000\n"
    (trapped.root / "strategies" / "own.yaml").write_text(text)


@pytest.mark.slow
def test_the_commands_that_start_processes_run_nothing_of_the_folder(trapped_model: TrappedFolder) -> None:
    from kronos_quant.market import open_market

    trapped = trapped_model
    start = str(open_market(trapped.root).sessions()[-9])
    trapped.run("signal", "--start", start, "--gpus", "0", LOKY_MAX_CPU_COUNT="2")
    write_own_strategy(trapped)
    (trapped.root / "db" / "checks").mkdir(exist_ok=True)
    (trapped.root / "db" / "checks" / "own.sql").write_text(
        "-- warning: mine.\nSELECT row FROM incoming WHERE row < 3\n"
    )
    grid = ["--grid", "topk=3,4"]
    for arguments in (
        ["signal", "list"],
        ["backtest", "strategies/own.yaml"],
        ["sweep", "strategies/own.yaml", *grid],
        ["sweep", "strategies/own.yaml", "--grid", "topk=2,3", "--ray", "local"],
        ["parity", "strategies/own.yaml"],
        ["evaluate"],
        ["forecast", "MADE0001"],
        ["check", "--html", "checks.html"],
        ["backtest", "strategies/own.yaml"],
        ["runs"],
        ["train"],
    ):
        trapped.run(*arguments)
    trapped.run("compare", *(path.name for path in trapped.root.glob("runs/backtest/[0-9]*")))
    # doctor finds something to do, which is a code of its own
    script = trapped.script("from kq_cli.app import main; main()")
    subprocess.run([sys.executable, script, "doctor"], cwd=trapped.root, check=False)
    assert not list(trapped.marks.iterdir())


@pytest.mark.slow
def test_the_first_backtest_of_a_machine_runs_nothing_of_the_folder(trapped: TrappedFolder, tmp_path: Path) -> None:
    write_own_strategy(trapped)
    trapped.run("backtest", "strategies/own.yaml", NUMBA_CACHE_DIR=str(tmp_path / "numba"))
    assert any((tmp_path / "numba").rglob("*.nbi"))


@pytest.mark.slow
def test_the_ranks_of_a_training_run_nothing_of_the_folder(trapped: TrappedFolder) -> None:
    trapped.run("train", "--prepare", "--gpus", "0")
    [job] = [path for path in trapped.root.glob("runs/train/*/job.json") if not (path.parent / "metrics.json").exists()]
    code = (
        "from kronos_quant.training import launch; import sys; from pathlib import Path; launch(Path(sys.argv[1]), 2)"
    )
    trapped.check([sys.executable, trapped.script(f"if __name__ == '__main__':\n    {code}"), str(job)])
