# ---
# title: First steps in Python
# description: A market, a model, a forecast and a back-test from a script.
# workspace: demo
# ---

# %% [markdown]
# # First steps in Python
#
# At the end of this page you have read bars, forecast a symbol, evaluated scores and run a back-test from Python. It starts in
# the folder of `kq demo`.

# %%
import polars as pl

import kronos_quant as kq

ws = kq.open(".")
bars = ws.bars(start="2024-01-01")
print(bars.columns)

# %% [markdown]
# Anything that looks like a date, a path or a table is accepted: ISO text or `datetime.date`, `str` or `Path`, Polars, pandas
# or Arrow.
#
# ## Forecast

# %%
forecast = ws.forecast("MADE0001", horizon=5)
print(forecast.summary())
figure = forecast.plot()

# %% [markdown]
# ## Signals and their worth

# %%
signals = ws.signals("default", start="2025-05-27")
print(signals.best(5))
card = ws.evaluate("default")
print(card.summary())

# %% [markdown]
# ## Back-test

# %%
result = ws.backtest("topk")
print(result.summary())

# %% [markdown]
# The same without a workspace, from tables:

# %%
scores = bars.select("date", "symbol", score=-pl.col("close").pct_change(5).over("symbol")).drop_nulls()
reversal = kq.backtest(bars, scores, topk=20, n_drop=4, exchange="XNYS", account=1_000_000)
print(reversal.metrics["sharpe_ratio"])

# %% [markdown]
# Errors are one class with a hint:

# %%
try:
    ws.bars("NOSUCH")
except kq.KronosQuantError as error:
    print(error)

# %% [markdown]
# Next: [notebooks](../howto/notebooks.md), and the [API](../reference/api/index.md).
