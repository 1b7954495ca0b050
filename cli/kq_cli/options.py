"""Options that several commands share."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from kronos_quant.bounds import MOST_GPUS

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Device = Annotated[str, typer.Option("--device", help="Device: auto, cpu, cuda, cuda:N or mps.")]
Recipe = Annotated[str, typer.Option("--recipe", help="Recipe: its name in signals/ or its file.")]
Day = Annotated[
    datetime | None,
    typer.Option("--date", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Session; default: the newest."),
]
Start = Annotated[
    datetime | None,
    typer.Option("--start", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="First session of the range."),
]
End = Annotated[
    datetime | None,
    typer.Option(
        "--end", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Last session of the range; default: the newest."
    ),
]
Exchange = Annotated[
    str | None, typer.Option("--exchange", help="Exchange: XSHG, XNYS, XHKG or 24/7; default: from kq.yaml.")
]
Gpus = Annotated[
    int | None, typer.Option("--gpus", min=0, max=MOST_GPUS, help="Number of GPUs; 0: the CPU; default: all available.")
]
Folder = Annotated[Path, typer.Argument(help="Created if missing.")]
