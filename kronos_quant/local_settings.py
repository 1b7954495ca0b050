"""Files of the current folder that libraries take for their settings: in a workspace they have no effect.

numba reads .numba_config.yaml, which may name a folder of compiled code to run, and matplotlib reads matplotlibrc,
which may name a module to draw with. Both look into the current folder when they are imported.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parent
_READERS = {".numba_config.yaml": "numba.core.config", "matplotlibrc": "matplotlib"}
"""File of the current folder -> the module that reads it."""


def ignore_local_settings() -> None:
    """Where such files lie in the current folder, import their readers while another folder is the current one."""
    readers = {name: module for name, module in _READERS.items() if os.path.lexists(name)}
    if not readers:
        return
    here = os.open(".", os.O_RDONLY) if hasattr(os, "fchdir") else Path.cwd()
    os.chdir(_PACKAGE)
    try:
        for name, module in readers.items():
            loaded: Any = importlib.import_module(module)
            if hasattr(loaded, "_config_fname"):  # numba looks again whenever it compiles
                loaded._config_fname = str(_PACKAGE / name)
    finally:
        os.chdir(here)
        if isinstance(here, int):
            os.close(here)
