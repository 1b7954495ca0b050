"""One rank of a training: `python -m kronos_quant.training RUN/job.json`.

`kq train --gpus 4` starts one per GPU. On several machines that share the workspace's disk, `kq train --prepare` on one
of them writes the job and prints the command to run on each,

    PYTHONSAFEPATH=1 torchrun --nnodes M --nproc-per-node N --rdzv-backend c10d --rdzv-endpoint HOST:PORT \\
        -m kronos_quant.training RUN/job.json

The same command resumes from the newest state; `kq train --resume` afterwards writes the run's figures and loss curve.
"""

import logging
import os
import sys
from pathlib import Path

from kronos_quant.children import begin_child
from kronos_quant.errors import KronosQuantError, error_lines
from kronos_quant.readers import read_model
from kronos_quant.system import parent_id
from kronos_quant.training.fit import fit
from kronos_quant.training.job import TrainingJob
from kronos_quant.training.processes import INTERRUPTED, LAUNCHER, launched_at
from kronos_quant.unforeseen import unforeseen

LOST_PEER = ("gloo/transport", "NCCL", "Connection closed by peer", "Connection reset by peer")
"""Words in the backends' errors when a rank is gone."""


def main() -> int:
    """Run the job named on the command line; returns the exit code."""
    first = os.environ.get("RANK", "0") == "0"
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("kronos_quant").setLevel(logging.INFO if first else logging.WARNING)
    if len(sys.argv) != 2:
        sys.stderr.write("error: expected one argument, RUN/job.json\nhint:  kq train --prepare\n")
        return 2
    # torchrun does not set the variable
    begin_child(int(os.environ.get(LAUNCHER, parent_id())))
    try:
        fit(read_model(Path(sys.argv[1]), TrainingJob), launched_at())
    except KronosQuantError as error:
        return _fail(error) if first else error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, RuntimeError) and any(sign in str(error) for sign in LOST_PEER):
            sys.stderr.write("error: another rank was lost; the state is kept\n")
            return 1
        if os.environ.get("KQ_DEBUG"):
            raise
        return _fail(unforeseen(error))
    return 0


def _fail(error: KronosQuantError) -> int:
    sys.stderr.write("".join(f"{line}\n" for line in error_lines(error)))
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
