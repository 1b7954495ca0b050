"""The tearsheet's HTML; [[name]] is filled by us."""

from __future__ import annotations

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>[[title]]</title>
<style>
:root { color-scheme: light; }
body { margin: 2rem auto; max-width: 1080px; padding: 0 1rem; color: #222; background: #fff;
  font: 14px/1.45 Arial, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; font-weight: 600; overflow-wrap: anywhere; }
h2 { margin: 2.2rem 0 .3rem; padding-top: .8rem; border-top: 1px solid #ccc; font-size: 1.2rem; }
h3 { margin: 0 0 .4rem; font-size: 1rem; }
header { margin-bottom: 1rem; }
header p, .about { margin: .3rem 0; color: #555; overflow-wrap: anywhere; }
figure { margin: 0 0 1.4rem; }
figure svg { width: 100%; height: auto; display: block; }
figcaption { color: #444; font-size: 13px; }
table { width: 100%; border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 6px; text-align: right; vertical-align: top; }
th { vertical-align: bottom; }
th:first-child, td:first-child, .words { text-align: left; }
thead th { background: #eee; }
tbody tr + tr td { border-top: 1px solid #eee; }
td hr { display: none; }
.notes, .verdict { border-left: 4px solid #e69f00; background: #fdf8ec; padding: .6rem 1rem; margin-bottom: 1rem; }
.notes ul { margin: 0; padding-left: 1.1rem; overflow-wrap: anywhere; }
.notes .loud { color: #b23c00; font-weight: 700; font-size: 1.05rem; }
.notes.grave { border-color: #d55e00; background: #fdf0e7; }
.verdict { border-color: #0072b2; background: #f4f7fa; }
.verdict p { margin: .3rem 0; }
.verdict p:first-of-type { font-weight: 600; font-size: 1.05rem; }
.sections { columns: 2; column-gap: 1.6rem; margin: 1.4rem 0 1.2rem; }
.sections section { break-inside: avoid; margin-bottom: 1.6rem; overflow-x: auto; }
.sections section.wide { column-span: all; margin-top: 1.6rem; }
.sections p { margin: .2rem 0 .5rem; color: #555; }
.sections td.words:not(:first-child), details .words { overflow-wrap: anywhere; }
.sections section.wide td:first-child { white-space: nowrap; }
details { margin: 1rem 0; } summary { cursor: pointer; font-weight: 600; }
.columns { display: grid; grid-template-columns: minmax(0, 13fr) minmax(0, 7fr); gap: 1.6rem; align-items: start; }
.columns:has(.plots:empty) { grid-template-columns: minmax(0, 34rem); }
.tables table { margin-bottom: 1.8rem; }
.years td:nth-child(2):after, .years td:nth-child(3):after, .drawdowns td:nth-child(3):after { content: "%"; }
.drawdowns th:nth-child(2), .drawdowns td:nth-child(2) { text-align: left; }
footer { border-top: 1px solid #ccc; margin-top: 1.2rem; padding-top: .6rem; color: #555; }
@media (max-width: 760px) {
  .columns { grid-template-columns: minmax(0, 1fr); } .sections { columns: 1; } body { margin-top: 1rem; }
  .wide table { font-size: 11.5px; } .wide th, .wide td { padding: 3px 2px; }
}
</style>
</head>
<body>
<header>
<h1>[[title]]</h1>
<p>[[period]] &bull; benchmark: [[benchmark]] &bull; [[sessions_per_year]] sessions a year, risk-free rate 0,
returns after costs, compounded</p>
</header>
[[notes]]
[[verdict]]
<div class="sections">
[[headline]]
</div>
[[pictures]]
<div class="sections">
[[sections]]
</div>
[[settings]]
<h2>The same returns by quantstats</h2>
[[quantstats]]
<footer>For research only: a back-test is no promise, and nothing here is advice.</footer>
</body>
</html>
"""
