"""A census as one HTML file that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

import jinja2

from desk.core.census import Census, summary
from desk.core.safe_text import printable

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ old }} and {{ new }}: {{ summary }}</title>
<style>
:root { color-scheme: light dark; --line: #8884; --old: #c0392b22; --new: #27ae6022; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .6rem; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
td.old { background: var(--old); } td.new { background: var(--new); }
</style>
</head>
<body>
<h1>{{ summary }}</h1>
<p>old <code>{{ old }}</code> · new <code>{{ new }}</code>
 · a census: every path of the list was asked on both.</p>
{% if findings %}
<table>
<thead><tr><th>paths</th><th>kind</th><th>where</th><th>old</th><th>new</th><th>for example</th></tr></thead>
<tbody>
{% for one in findings %}
<tr><td class="number">{{ one.paths }}</td><td>{{ one.kind }}</td>
<td><code>{{ one.where | safe_text }}</code></td>
<td class="old"><code>{{ one.old | safe_text }}</code></td>
<td class="new"><code>{{ one.new | safe_text }}</code></td>
<td><code>{{ one.example | safe_text }}</code></td></tr>
{% endfor %}
</tbody>
</table>
{% endif %}
{% if not_compared %}
<h2>Not compared</h2>
<table><thead><tr><th>path</th><th>why</th></tr></thead><tbody>
{% for path, why in not_compared %}
<tr><td><code>{{ path | safe_text }}</code></td><td>{{ why | safe_text }}</td></tr>
{% endfor %}
</tbody></table>
{% endif %}
</body>
</html>
"""


def page(census: Census, old: str, new: str) -> str:
    """The whole file."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["safe_text"] = printable
    return environment.from_string(_PAGE).render(
        old=old,
        new=new,
        summary=summary(census),
        findings=census.findings(),
        not_compared=census.not_compared,
    )
