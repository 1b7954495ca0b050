"""kq train."""

from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson, Gpus
from kq_cli.printing import print_report

Resume = Annotated[
    bool | None,
    typer.Option("--resume/--fresh", help="Require a run to resume, or always start a new one.", show_default=False),
]
Prepare = Annotated[bool, typer.Option("--prepare", help="Only write the job, for torchrun on several machines.")]


def train(gpus: Gpus = None, resume: Resume = None, prepare: Prepare = False, as_json: AsJson = False) -> None:
    """Example: kq train --gpus 4

    Fine-tune the tokenizer, then the predictor, on the workspace's bars.

    - From Qlib data: kq init mine; cd mine; kq ingest qlib DIR; kq train
    - From CSV files: kq init mine; cd mine; kq ingest csv FILE --symbol HK09988
    --exchange XHKG; kq train. Or set `data_path` in kq.yaml; the sections data: and
    training: of the published CSV guide work unchanged.

    Settings in kq.yaml under model: (kq config show lists all)
    - `base`: a folder, a name in models/ or a Hub id; or scratch, which needs no
    weights, with `preset` (nano trains in minutes on a CPU)
    - `pretraining_cutoff`: last date of its pre-training data

    Settings under train:
    - `lookback_window`, `predict_window`: bars seen, bars to forecast
    - `train_time_range`, `val_time_range`: dates of the bars to forecast; or shares
    of the bars (`train_ratio`, `val_ratio`)
    - `tokenizer_epochs`, `predictor_epochs`, `samples_per_epoch`, `batch_size`
    - `choose_by`: the validation figure whose best epoch is kept
    - `adapt`: full, {lora: 8} or {last_layers: 2}, for a small machine

    The starting model is evaluated first. After each epoch, forecasts on
    validation windows are evaluated; the final lines compare the trained model
    with the starting model and with the last close. The best pair of networks
    is checkpoints/best of the run: kq signal and kq forecast use it.

    Run the same command to resume an interrupted training; the final weights
    are identical to an uninterrupted run if settings and bars are unchanged.
    Otherwise a new run starts.
    - --resume: fail instead of starting a new run
    - --fresh: always start a new run
    - Ctrl-C saves the state first
    """
    if prepare:
        from kronos_quant.workflows.train import prepare_training

        print_report(prepare_training(kq.open().folder, gpus), as_json)
    else:
        print_report(kq.open().train(gpus, resume=resume), as_json)
