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
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #16191f; --quiet: #5b6472; }
:root { --line: #dfe3e8; --old: #fdeceb; --new: #e3f5eb; }
@media (prefers-color-scheme: dark) {
  :root { --page: #0f1216; --card: #171b21; --ink: #e7eaee; --quiet: #9aa4b2; }
  :root { --line: #2b313a; --old: #341a19; --new: #14301f; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 32px 20px 64px; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.05rem; margin: 28px 0 0; }
p { color: var(--quiet); margin: 8px 0 0; }
.card { margin-top: 18px; padding: 14px 24px; overflow-x: auto; background: var(--card);
  border: 1px solid var(--line); border-radius: 12px; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { color: var(--quiet); font-weight: 500; font-size: .8rem; }
th, td { border-bottom: 1px solid var(--line); padding: 7px 12px; text-align: left; vertical-align: top; }
tr:last-child td { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: break-word; }
td.old code, td.new code { overflow-wrap: anywhere; }
td.old, td.new { min-width: 15rem; }
td.old { background: var(--old); } td.new { background: var(--new); }
@media (max-width: 720px) {
  .card { padding: 2px 14px; }
  .found thead { display: none; }
  .found tr { display: block; padding: 12px 0; border-bottom: 1px solid var(--line); }
  .found tr:last-child { border-bottom: 0; }
  .found td { display: block; border-bottom: 0; padding: 3px 8px; text-align: left; }
  .found td::before { content: attr(data-what) " "; color: var(--quiet); font-size: .8rem; }
}
</style>
</head>
<body>
<h1>{{ summary }}</h1>
<p>old <code>{{ old }}</code> · new <code>{{ new }}</code>
 · a census: every path of the list was asked on both.</p>
{% if findings %}
<div class="card"><table class="found">
<thead><tr><th class="number">paths</th><th>kind</th><th>where</th>
<th>old</th><th>new</th><th>for example</th></tr></thead>
<tbody>
{% for one in findings %}
<tr><td class="number" data-what="paths">{{ one.paths }}</td><td data-what="kind">{{ one.kind }}</td>
<td data-what="where"><code>{{ one.where | safe_text }}</code></td>
<td class="old" data-what="old"><code>{{ one.old | safe_text }}</code></td>
<td class="new" data-what="new"><code>{{ one.new | safe_text }}</code></td>
<td data-what="for example"><code>{{ one.example | safe_text }}</code></td></tr>
{% endfor %}
</tbody>
</table></div>
{% endif %}
{% if not_compared %}
<h2>Not compared</h2>
<div class="card"><table><thead><tr><th>path</th><th>why</th></tr></thead><tbody>
{% for path, why in not_compared %}
<tr><td><code>{{ path | safe_text }}</code></td><td>{{ why | safe_text }}</td></tr>
{% endfor %}
</tbody></table></div>
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
