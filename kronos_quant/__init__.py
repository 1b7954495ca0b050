"""kronos-quant: event-driven quant research and back-testing around the Kronos K-line model.

Only light names live here; import what you need from the rooms (`kronos_quant.market`, `kronos_quant.model`, …).
"""

from kronos_quant.errors import CheckpointError, ConfigError, DataError, KronosQuantError

__version__ = "0.1.0"

__all__ = ["CheckpointError", "ConfigError", "DataError", "KronosQuantError", "__version__"]
