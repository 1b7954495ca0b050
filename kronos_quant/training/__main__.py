"""One rank of a training: `python -m kronos_quant.training RUN/job.json`.

`kq train --gpus N` starts it. On several machines, write the job with `kq train --gpus N` on one of them or run, on
each: `torchrun --nnodes M --nproc-per-node N --rdzv-backend c10d --rdzv-endpoint HOST:PORT -m kronos_quant.training
RUN/job.json`, with the workspace on a shared disk.
"""

import logging
import os
import sys
from pathlib import Path

from kronos_quant.errors import KronosQuantError
from kronos_quant.training.fit import TrainingJob, fit


def main() -> int:
    """Run the job named on the command line; returns the exit code."""
    first = os.environ.get("RANK", "0") == "0"
    logging.basicConfig(level=logging.INFO if first else logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        fit(TrainingJob.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8")))
    except KronosQuantError as error:
        if first:
            sys.stderr.write(f"error: {error}\n" + (f"hint:  {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
