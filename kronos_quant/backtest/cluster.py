"""The trials of a sweep on a Ray cluster: the same trials, the same figures, on more machines.

The workers need the same version of kronos-quant; panel and rules travel to them, files do not.
"""

from __future__ import annotations

import itertools
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from kronos_quant import __version__
from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.engine import benchmark_returns
from kronos_quant.backtest.inputs import BacktestInputs, facts_of
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.qlib.market import QlibFacts
from kronos_quant.backtest.rules import Rules, rules_of
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.backtest.sweep import Trial, TrialResult, group_trials, run_trials, trial_runner
from kronos_quant.children import cores, inherited_environment
from kronos_quant.errors import ConfigError, KronosQuantError
from kronos_quant.files import temporary_folder
from kronos_quant.inputs import as_text

CHUNK = 16
"""Trials per task: preparing a market takes about as long as ten of them."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no statistics of a cluster on this machine leave it
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else Ray warns of a change to come
}
"""Environment of a cluster, where the user sets nothing else."""

PATIENCE = 5.0
"""Seconds until a host that does not answer is given up."""

AHEAD = 3
"""Tasks in flight per core."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster that this process is connected to: the package, and the address that was given."""

    ray: Any
    address: str


def trial_results(inputs: BacktestInputs, trials: Sequence[Trial], cluster: Cluster | None) -> Iterator[TrialResult]:
    """The results as they arrive, from this machine or a cluster."""
    panel, facts = inputs.panel, facts_of(inputs.market)
    benchmark = None if inputs.benchmark_close is None else benchmark_returns(inputs.benchmark_close, panel)

    def rules(strategy: Strategy) -> Rules:
        return rules_of(strategy, panel, inputs.market.exchange, facts)

    if cluster is not None:
        return run_on_ray(cluster, trials, panel, rules, inputs.qlib, benchmark)
    return run_trials(trials, panel, rules, inputs.qlib, benchmark, cores())


def run_on_ray(
    cluster: Cluster,
    trials: Sequence[Trial],
    panel: Panel,
    make_rules: Callable[[Strategy], Rules],
    facts: QlibFacts | None,
    benchmark: FloatArray | None,
) -> Iterator[TrialResult]:
    """The result of each trial as it arrives, in no certain order.

    make_rules : the rules of a strategy on the panel; benchmark : f64[S], returns, or None
    Raises KronosQuantError where a worker fails, has another version of kronos-quant, or none.
    """
    ray = cluster.ray
    # Ray lends arrays read-only, which compiled functions do not take: each task unpacks a copy of its own
    shared = ray.put(pickle.dumps((panel, facts, benchmark)))
    task = ray.remote(max_retries=3)(run_chunk)
    waiting = (
        task.remote(__version__, chunk, shared, rules)
        for group in group_trials(trials)
        for rules in [ray.put(pickle.dumps(make_rules(group[0].strategy)))]
        for chunk in (group[start : start + CHUNK] for start in range(0, len(group), CHUNK))
    )
    cores = int(ray.cluster_resources().get("CPU", 1))
    under_way = list(itertools.islice(waiting, AHEAD * cores))
    while under_way:
        [first], under_way = ray.wait(under_way)
        under_way += itertools.islice(waiting, 1)
        yield from task_results(cluster, first)


def task_results(cluster: Cluster, task: Any) -> list[TrialResult]:
    """The results of a task. Raises KronosQuantError where its worker could not run it."""
    address = cluster.address
    try:
        found = cluster.ray.get(task)
    except cluster.ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        reason = str(cause).strip() or type(cause).__name__
        if isinstance(cause, ModuleNotFoundError):
            raise KronosQuantError(
                f"--ray {address}: a worker lacks a package: {cause}",
                hint=f"pip install kronos-quant=={__version__} on every node of the cluster",
            ) from None
        raise KronosQuantError(
            f"--ray {address}: a worker failed: {reason.splitlines()[-1]}",
            hint="finished trials are kept: run the same command again to resume",
        ) from error
    if isinstance(found, str):
        raise KronosQuantError(
            f"--ray {address}: a worker has kronos-quant {found}, this machine {__version__}",
            hint=f"pip install kronos-quant=={__version__} on every node of the cluster",
        )
    done: list[TrialResult] = found
    return done


def run_chunk(version: str, chunk: Sequence[Trial], shared: bytes, rules: bytes) -> list[TrialResult] | str:
    """On a worker: trials that see the market in the same way; the worker's version where it is another one."""
    if version != __version__:
        return __version__
    panel, facts, benchmark = pickle.loads(shared)  # noqa: S301 (of this very sweep)
    run = trial_runner(chunk, panel, pickle.loads(rules), facts, benchmark)  # noqa: S301
    return [run(trial) for trial in chunk]


@contextmanager
def connect_ray(address: str | None) -> Iterator[Cluster | None]:
    """A connection to a cluster; None without an address.

    address : of a cluster's head (host:port, auto), or `local` for one on this machine's cores
    Raises ConfigError where Ray is not installed and where no cluster is reached.
    """
    if address is None:
        yield None
        return
    check_ray(as_text(address, "ray"))
    with inherited_environment({**SETTINGS, **os.environ}), temporary_folder("ray") as nowhere:
        ray: Any = import_module("ray")  # of an extra: mypy must not need it
        if ray.is_initialized():  # a notebook's own, which is left as it is
            yield Cluster(ray, address)
            return
        here = {"num_cpus": cores(), "include_dashboard": False} if address == "local" else {}
        try:
            # workers would put this process's current folder first on their path, unless they are given another
            elsewhere = {"working_dir": str(nowhere)}
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", runtime_env=elsewhere, **here)
        except Exception as error:  # Ray raises no narrower one where its processes do not start
            ray.shutdown()
            raise unreachable(address, error) from None
        try:
            yield Cluster(ray, address)
        finally:
            ray.shutdown()


def check_ray(address: str) -> None:
    """Raise ConfigError where Ray is not installed, and where nothing listens at a host:port; before any long work."""
    if find_spec("ray") is None:
        raise ConfigError("--ray: the package ray is not installed", hint="pip install 'kronos-quant[ray]'")
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:
        return
    try:  # Ray itself would try for minutes
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise unreachable(address, error) from None


def unreachable(address: str, error: Exception) -> ConfigError:
    """The error for an address without a cluster."""
    reason = str(error).strip().splitlines()
    return ConfigError(
        f"--ray {address}: cannot reach a Ray cluster: {reason[0] if reason else type(error).__name__}",
        hint="`ray start --head` prints the address of a cluster; `--ray local` starts one on this machine",
    )
