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

    Fine-tune the tokenizer, then the predictor, on the workspace's bars.

    From Qlib data: kq init mine; cd mine; kq ingest qlib DIR; kq train
    From CSV files: kq init mine; cd mine; kq ingest csv FILE --symbol HK09988
    --exchange XHKG; kq train. Or name them as `data_path` in kq.yaml, where the
    sections data: and training: of the published CSV guide work as they are.

    In kq.yaml, under model:
    `base`: a folder, a name in models/ or a Hub id; or scratch, which needs no
    weights, with `preset` (nano trains in minutes on a CPU);
    `pretraining_cutoff`: until when its pre-training data reached.

    Under train: (kq config show lists everything)
    `lookback_window`, `predict_window`: bars seen, bars to forecast;
    `train_time_range`, `val_time_range`: dates of the bars to forecast, or
    shares: `train_ratio`, `val_ratio`;
    `tokenizer_epochs`, `predictor_epochs`, `samples_per_epoch`, `batch_size`;
    `choose_by`: the validation figure whose best epoch is kept;
    `adapt`: full, {lora: 8} or {last_layers: 2}, for a small machine.

    What training starts from is scored first. After every epoch validation
    windows are forecast and decoded; the last lines say whether training made
    the forecasts better than that, and than the last close. The best pair of
    networks is checkpoints/best of the run: kq signal and kq forecast use it.

    A training that was stopped, killed or failed is gone on with by the same
    command, to the same weights as without the stop, as long as settings and
    bars are the same; else another one begins. --resume refuses to begin
    another, --fresh never goes on. Ctrl-C saves the state first.
    """
    from kronos_quant.workflows.train import prepare_training, run_training
    from kronos_quant.workspace import open_workspace_folder

    workspace = open_workspace_folder()
    print_report(prepare_training(workspace, gpus) if prepare else run_training(workspace, gpus, resume), as_json)
