"""kq train."""

from kq_cli.options import AsJson, Gpus
from kq_cli.printing import print_json, print_lines


def train(gpus: Gpus = None, as_json: AsJson = False) -> None:
    """Example: kq train --gpus 4

    Fine-tune the tokenizer, then the predictor, on the workspace's bars, from `model.base` of kq.yaml. Windows,
    splits and rates are set under `train:`; `kq config show` lists them.
    """
    from kronos_quant.jobs.train import run_training
    from kronos_quant.workspace import open_workspace

    summary = run_training(open_workspace(), gpus)
    print_json(summary.metrics | {"folder": summary.folder}) if as_json else print_lines(summary.lines())
