"""The largest numbers that a user may give: settings, options and arguments take their upper bounds from here.

A bound lies far above any use and below what no machine can do: 25 digits after `topk:` are a slip of the hand, and end
in one line instead of an overflow inside a library.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from annotated_types import Le

LARGEST_SEED = 2**63 - 1
"""Seeds fit into 64 bits with a sign: those of PyTorch, NumPy and a Parquet file of integers."""

LARGEST_CLIP = 1e6
"""Bound of normalised values, in standard deviations: as good as none."""

LEAST_LOOKBACK = 3
"""Bars of a window without which there is no spread to scale it by."""

MOST_BARS = 100_000
"""Bars of a window or a horizon: 400 years of days, or two years of minutes of a stock exchange."""

MOST_SESSIONS = 100_000
"""Sessions that a figure looks back on or a rule waits for: 400 years of days."""

MOST_SYMBOLS = 1_000_000
"""Symbols, or rows of a printed table: more than all exchanges list together."""

MOST_SAMPLES = 100_000
"""Sample paths per symbol of one forecast: more do not fit into memory."""

MOST_PATH_BARS = 100_000_000
"""Forecast bars of all symbols and paths together: 5 GB."""

MOST_BARS_PER_SYMBOL = 10_000_000
"""Samples x horizon of a recipe: what a symbol needs while its paths are scored."""

HOTTEST = 100.0
"""Sampling temperature from which on all tokens are equally likely."""

MOST_TOKENS = 2**20
"""Tokens of top-k sampling: more than any tokenizer has."""

MOST_EPOCHS = 10_000
"""Passes over the training windows, or epochs between two events."""

MOST_STEPS = 10**9
"""Optimiser steps, or windows of an epoch."""

MOST_WINDOWS = 65_536
"""Windows of one pass through the network."""

MOST_BARS_COUNTED = 10**12
"""Bars of a whole store, for limits of a count."""

MOST_SHARES = 10**9
"""Shares of a board lot."""

MOST_MONEY = 10**15
"""An amount of account currency: beyond it, a float no longer holds its cents."""

MOST_GPUS = 10_000
"""GPUs of one command."""

WIDEST_FIGURE = 100.0
"""Inches of a chart."""

FIRST_YEAR, LAST_YEAR = 1800, 2199
"""Years of a bar: earlier ones are zeros of a clock or a spreadsheet, later ones a wrong unit or a placeholder."""

BarCount: TypeAlias = Annotated[int, Le(MOST_BARS)]
SessionCount: TypeAlias = Annotated[int, Le(MOST_SESSIONS)]
SymbolCount: TypeAlias = Annotated[int, Le(MOST_SYMBOLS)]
SampleCount: TypeAlias = Annotated[int, Le(MOST_SAMPLES)]
EpochCount: TypeAlias = Annotated[int, Le(MOST_EPOCHS)]
StepCount: TypeAlias = Annotated[int, Le(MOST_STEPS)]
ShareCount: TypeAlias = Annotated[int, Le(MOST_SHARES)]
Seed: TypeAlias = Annotated[int, Le(LARGEST_SEED)]
