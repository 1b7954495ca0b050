from __future__ import annotations

import pickle
import socket
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from backtest.markets import random_market
from polars.testing import assert_frame_equal

from kronos_quant import ConfigError, KronosQuantError, __version__
from kronos_quant.backtest import Strategy, cluster, rules_of
from kronos_quant.backtest.sweep import make_trials, run_trials
from kronos_quant.validity.trials import read_trials
from kronos_quant.workflows.sweep import run_sweep

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed (the extra `ray`)")

GRID = ["topk=1,2,3,4,5", "hold_thresh=1,2", "costs.minimum=0,5"]


@pytest.fixture(scope="module")
def address():
    """Two nodes of one core each, on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path))
        from ray.cluster_utils import Cluster

        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        nodes.add_node(num_cpus=1)
        yield nodes.address
        nodes.shutdown()


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_of_two_workers_gives_the_same_sweep_and_goes_on_with_an_interrupted_one(
    scored_workspace, address, monkeypatch
):
    here = run_sweep(scored_workspace, "own", GRID, device="cpu")
    known = read_trials(scored_workspace.runs)
    whole, calls = cluster.task_results, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(cluster, "CHUNK", 3)
    monkeypatch.setattr("kronos_quant.workflows.sweep.SAVE_EVERY", 2)
    monkeypatch.setattr(cluster, "task_results", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(scored_workspace, "own", GRID, device="cpu", ray=address)
    monkeypatch.setattr(cluster, "task_results", whole)
    there = run_sweep(scored_workspace, "own", GRID, device="cpu", ray=address)
    assert 0 < there.resumed < len(there.trials) == 20
    assert_frame_equal(there.trials, here.trials, rel_tol=1e-12)
    assert there.luck.as_dict() == pytest.approx(here.luck.as_dict(), rel=1e-9)
    # the same trials on the same signals count once, wherever they ran
    assert read_trials(scored_workspace.runs).table["trial"].sort().equals(known.table["trial"].sort())


@needs_ray
def test_an_address_at_which_nobody_listens_is_refused_at_once(scored_workspace):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--ray 127.0.0.1:{port}: cannot reach a Ray cluster") as error:
            run_sweep(scored_workspace, "own", GRID, device="cpu", ray=f"127.0.0.1:{port}")
    assert "ray start --head" in error.value.hint
    assert not (scored_workspace.runs / "sweep").exists()


@needs_ray
def test_what_is_no_address_is_refused(scored_workspace):
    with pytest.raises(ConfigError, match="--ray nonsense: cannot reach a Ray cluster: "):
        run_sweep(scored_workspace, "own", GRID, device="cpu", ray="nonsense")


def test_without_ray_the_extra_is_named(scored_workspace, monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="--ray: the package ray is not installed") as error:
        run_sweep(scored_workspace, "own", GRID, device="cpu", ray="auto")
    assert error.value.hint == "pip install 'kronos-quant[ray]'"


def trials_and_panel():
    panel, _, _ = random_market(5)
    trials, _ = make_trials(Strategy.model_validate({"topk": 4, "n_drop": 1, "account": 1e5}), {"topk": [1, 2, 3]})
    return trials, panel


def test_a_worker_runs_its_chunk_as_this_machine_would():
    trials, panel = trials_and_panel()
    rules = rules_of(trials[0].strategy, panel)
    found = cluster.run_chunk(__version__, trials, pickle.dumps((panel, None, None)), pickle.dumps(rules))
    expected = list(run_trials(trials, panel, lambda strategy: rules_of(strategy, panel), None, None, 1))
    for one, other in zip(found, expected, strict=True):
        assert one.trial == other.trial
        np.testing.assert_equal(one.figures, other.figures)
        np.testing.assert_array_equal(one.returns, other.returns)


def test_a_worker_of_another_version_says_which():
    assert cluster.run_chunk("0.0.0", [], b"", b"") == __version__


class Failing:
    """A Ray whose task ended with something."""

    class RayError(Exception):
        cause: Exception | None = None

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, ending):
        self.ending = ending

    def get(self, task):
        if isinstance(self.ending, str):
            return self.ending
        error = self.RayError(str(self.ending))
        error.cause = self.ending
        raise error


@pytest.mark.parametrize(
    ("ending", "message", "hint"),
    [
        (ModuleNotFoundError("No module named 'kronos_quant'"), "a worker lacks a package: No module", "on every node"),
        (MemoryError("first\nout of memory"), "a worker failed: out of memory", "run the same command again"),
        (MemoryError(), "a worker failed: MemoryError", "run the same command again"),
        ("0.0.1", f"a worker has kronos-quant 0.0.1, this machine {__version__}", "on every node"),
    ],
)
def test_what_goes_wrong_on_a_worker_is_one_line(ending, message, hint):
    with pytest.raises(KronosQuantError, match=message) as error:
        cluster.task_results(cluster.Cluster(Failing(ending), "auto"), None)
    assert hint in error.value.hint


def test_a_cluster_whose_processes_do_not_start_is_one_line(monkeypatch):
    def timed_out(**_):
        raise Exception("The current node timed out during startup.\nMore.")

    broken = SimpleNamespace(is_initialized=lambda: False, init=timed_out, shutdown=lambda: None)
    monkeypatch.setattr(cluster, "find_spec", lambda name: True)
    monkeypatch.setattr(cluster, "import_module", lambda name: broken)
    told = r"^--ray local: cannot reach a Ray cluster: The current node timed out during startup\.$"
    with pytest.raises(ConfigError, match=told), cluster.connect_ray("local"):
        pass


def test_no_address_is_no_cluster():
    with cluster.connect_ray(None) as found:
        assert found is None


def test_a_cluster_that_a_notebook_is_connected_to_is_left_as_it_is(monkeypatch):
    own = SimpleNamespace(is_initialized=lambda: True)
    monkeypatch.setattr(cluster, "find_spec", lambda name: True)
    monkeypatch.setattr(cluster, "import_module", lambda name: own)
    with cluster.connect_ray("auto") as found:
        assert found == cluster.Cluster(own, "auto")
