"""Tiny jobs for the tests of this folder, and processes to fit them in."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from kronos_quant.config import ModelConfig
from kronos_quant.market import open_market
from kronos_quant.model import load_pair
from kronos_quant.training import TrainingJob, fit, load_data
from kronos_quant.workspace import WorkspaceFolder

FIT = sys.modules[fit.__module__]


def job_in(workspace: WorkspaceFolder, name: str = "run", base: Path | None = None, **changes: object) -> TrainingJob:
    """A job in the folder `name`, of one tokenizer and two predictor epochs of four steps.

    base : the pair that it starts from; None: from scratch
    """
    folder = workspace.root / name
    folder.mkdir()
    quick = {"tokenizer_learning_rate": 4e-3, "predictor_learning_rate": 3e-3, "validation_windows": 48,
             "decoded_windows": 24, "decoded_samples": 4}  # fmt: skip
    values = workspace.config.train.model_dump() | quick | changes
    return TrainingJob(
        root=workspace.root,
        folder=folder,
        freq=None,
        universe="all",
        snapshot=open_market(workspace.root).snapshot.digest,
        device="cpu",
        models=workspace.models,
        model=ModelConfig(base="scratch", preset="nano") if base is None else ModelConfig(base=str(base)),
        train=type(workspace.config.train).model_validate(values),
    )


def fit_in_two_processes(job: TrainingJob) -> None:
    """Fit a job in two forked processes that meet over gloo, as ranks of a launch do; they start no interpreter.

    Bars and windows are read once, here: a forked process must not start the readers' threads.
    """
    market = open_market(job.root, job.freq)
    data = load_data(market, job.train, job.universe)
    assert data.train_scale is not None
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]

    def work(rank: int) -> None:
        os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_ADDR": "localhost",
                       "MASTER_PORT": str(port)}  # fmt: skip
        torch.set_num_threads(1)
        FIT.open_market, FIT.load_data = lambda root, freq: market, lambda market, config, universe: data
        fit(job)

    children = [forked(lambda rank=rank: work(rank)) for rank in range(2)]
    assert [exit_code(child) for child in children] == [0, 0]


def forked(work: Callable[[], object]) -> int:
    """Run `work` in a forked process; returns its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def exit_code(child: int) -> int:
    """The exit code of a forked process, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """All weights of a pair."""
    pair = load_pair(folder)
    named = {"t": pair.tokenizer.state_dict(), "p": pair.predictor.state_dict()}
    return {f"{part}.{name}": value for part, state in named.items() for name, value in state.items()}


def left(folder: Path) -> dict[str, bytes]:
    """The bytes of everything that a run left and that must not depend on interruptions."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("card.json", "speed.json") and path.parts[len(folder.parts)] != "state"
    }
