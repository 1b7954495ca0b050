"""kq train."""

from typing import Annotated

import typer

from kq_cli.options import AsJson, Gpus
from kq_cli.printing import print_report

Resume = Annotated[
    bool | None,
    typer.Option(
        "--resume/--fresh", help="Go on with the newest unfinished run, or begin another.", show_default=False
    ),
]
Prepare = Annotated[bool, typer.Option("--prepare", help="Only write the job, for torchrun on several machines.")]


def train(gpus: Gpus = None, resume: Resume = None, prepare: Prepare = False, as_json: AsJson = False) -> None:
    """Example: kq train --gpus 4

    Fine-tune the tokenizer, then the predictor, on the workspace's bars, from `model.base` of kq.yaml. Windows,
    splits and rates are set under `train:`; `kq config show` lists them.

    A training that was stopped, killed or failed is gone on with by the same command, to the same weights as without
    the stop, as long as settings and bars are the same; else another one begins. --resume refuses to begin another,
    --fresh never goes on. Ctrl-C saves the state first.
    """
    from kronos_quant.jobs.train import prepare_training, run_training
    from kronos_quant.workspace import open_workspace

    workspace = open_workspace()
    print_report(prepare_training(workspace, gpus) if prepare else run_training(workspace, gpus, resume), as_json)
