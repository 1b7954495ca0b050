"""The tearsheet's HTML: [[name]] is filled by us, {{name}} by quantstats."""

from __future__ import annotations

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>[[title]]</title>
<style>
body { margin: 2rem auto; max-width: 1080px; padding: 0 1rem; color: #222; font: 14px/1.45 Arial, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; font-weight: 600; overflow-wrap: anywhere; }
h3 { margin: 0 0 .6rem; font-size: 1rem; }
header { border-bottom: 1px solid #ccc; margin-bottom: 1.2rem; padding-bottom: .6rem; }
header p, header ul { margin: .3rem 0; color: #555; overflow-wrap: anywhere; }
.columns { display: grid; grid-template-columns: minmax(0, 13fr) minmax(0, 7fr); gap: 1.6rem; align-items: start; }
.plots svg { width: 100%; height: auto; margin-bottom: .4rem; }
table { width: 100%; margin-bottom: 1.8rem; border-collapse: collapse; font-size: 13px; }
th, td { padding: 3px 4px; text-align: right; }
th:first-child, td:first-child { text-align: left; }
thead th { background: #eee; }
td hr { margin: 4px 0; border: 0; border-top: 1px solid #ddd; }
.years td:nth-child(2):after, .years td:nth-child(3):after, .drawdowns td:nth-child(3):after { content: "%"; }
.drawdowns th:nth-child(2), .drawdowns td:nth-child(2) { text-align: left; }
.verdict { border-left: 4px solid #0072b2; background: #f4f7fa; padding: .6rem 1rem; margin-bottom: 1.2rem; }
.verdict p { margin: .3rem 0; }
.verdict p:first-of-type { font-weight: 600; }
.sections { columns: 2; column-gap: 1.6rem; }
.sections section { break-inside: avoid; margin-bottom: 1.6rem; overflow-x: auto; }
.sections section.wide { column-span: all; margin-top: 1.6rem; }
.sections td:first-child { white-space: nowrap; }
.sections .words { text-align: left; }
.sections p { margin: .2rem 0 .5rem; color: #555; }
.sections table { margin-bottom: 0; }
footer { border-top: 1px solid #ccc; margin-top: 1.2rem; padding-top: .6rem; color: #555; }
@media (max-width: 760px) { .columns { grid-template-columns: minmax(0, 1fr); } .sections { columns: 1; } }
</style>
</head>
<body>
<header>
<h1>[[title]]</h1>
<p>[[period]] &bull; benchmark: [[benchmark]] &bull; [[sessions_per_year]] sessions a year, risk-free rate 0,
returns after costs, compounded</p>
[[facts]]
</header>
[[verdict]]
<div class="columns">
<div class="plots">
[[plots]]
</div>
<div class="tables">
[[tables]]
</div>
</div>
<div class="sections">
[[sections]]
</div>
<footer>For research only: a back-test is no promise, and nothing here is advice. Plots, and the
tables beside them, are by quantstats; its annual figures use the sessions a year named above.</footer>
</body>
</html>
"""

ROLLING_WINDOW = 126
"""Sessions of quantstats' rolling figures: with fewer their pictures are empty."""

NAMES = (
    "returns",
    "log_returns",
    "vol_returns",
    "monthly_dist",
    "rolling_beta",
    "rolling_vol",
    "rolling_sharpe",
    "rolling_sortino",
    "dd_periods",
    "dd_plot",
    "monthly_heatmap",
    "returns_dist",
)
"""The pictures that quantstats draws; it leaves out those that need a benchmark where there is none.

Not among them: eoy_returns, whose years are mislabelled (the table has them), and daily_returns, whose bars fall to
zero at weekends.
"""


def plots(sessions: int) -> str:
    """The places of the pictures of so many returns."""
    shown = (name for name in NAMES if sessions > ROLLING_WINDOW or not name.startswith("rolling"))
    return "\n".join(f"<div>{{{{{name}}}}}</div>" for name in shown)


TABLES = """<h3>Key figures</h3>
{{metrics}}
<div class="years">{{eoy_title}}{{eoy_table}}</div>
<div class="drawdowns"><h3>Worst 10 drawdowns</h3>{{dd_info}}</div>
"""
