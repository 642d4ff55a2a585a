"""The findings as one HTML file that needs nothing else: no script, no font, no picture from outside.

Every text of a person's file is escaped. The same inspection gives the same bytes.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

from tripletscope import __version__
from tripletscope.inspection.check import CHECKS
from tripletscope.inspection.evidence import counted, number, share
from tripletscope.inspection.finding import Finding
from tripletscope.inspection.health import Health
from tripletscope.inspection.inspector import Inspection

#: Rows of a finding that are listed under its examples.
LISTED = 50
#: Characters of a text that are shown.
TEXT = 240
#: A picture in the report has this many pixels at the most on its longer side.
PIXELS = 96
#: Lengths that differ by less than this share of their median are one length, written with few digits.
EVEN = 0.01

_WORDS = {"problem": "Problem", "warning": "Warning", "note": "Note"}
_SIGNS = {"problem": "\u25b2", "warning": "\u25c6", "note": "\u25cf"}

_STYLE = """
:root{color-scheme:light dark;--page:#fbfbfc;--card:#fff;--ink:#1b1f27;--soft:#5a6372;--line:#dfe3ea;--fill:#eef1f6;
--problem:#b3261e;--warning:#8a5a00;--note:#2d5f8b;--good:#1d6b47}
@media(prefers-color-scheme:dark){:root{--page:#14171c;--card:#1c2027;--ink:#e8ebf0;--soft:#a3acba;--line:#323945;
--fill:#262c36;--problem:#ff8a80;--warning:#f0b95a;--note:#8cc0ee;--good:#7fd3a8}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:62rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.75rem 0 .75rem}
h3{font-size:1.1rem;margin:0}
p{margin:.4rem 0}
a{color:var(--note)}
.lead,.soft,caption,dt{color:var(--soft)}
.soft,caption{font-size:.9rem}
.strip{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.6rem;margin:0}
.strip div{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.6rem .8rem}
dt{font-size:.8rem}
dd{margin:0;font-size:1.25rem;font-variant-numeric:tabular-nums}
dd small{display:block;font-size:.78rem;color:var(--soft);line-height:1.3}
.card{background:var(--card);border:1px solid var(--line);border-left:.3rem solid var(--tone);border-radius:.6rem;
padding:1.1rem 1.25rem;margin:1rem 0}
.problem{--tone:var(--problem)}.warning{--tone:var(--warning)}.note{--tone:var(--note)}
.head{display:flex;flex-wrap:wrap;gap:.3rem .8rem;align-items:baseline}
.tag{color:var(--tone);font-size:.85rem;font-weight:600;white-space:nowrap}
.count{margin-left:auto;color:var(--soft);font-variant-numeric:tabular-nums}
.cases{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:.7rem;margin:.9rem 0 .2rem;padding:0;
list-style:none}
.cases li{background:var(--fill);border-radius:.5rem;padding:.7rem .8rem;font-size:.9rem;break-inside:avoid;
overflow-wrap:anywhere}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:.6rem;margin-bottom:.4rem}
.pair>div:only-child{grid-column:1/3}
.pair b{display:block;font-size:.8rem}
img{display:block;width:4.5rem;height:4.5rem;object-fit:contain;image-rendering:pixelated;background:#fff;
border:1px solid var(--line);border-radius:.3rem;margin-bottom:.25rem}
q{display:block;quotes:none;font-size:.86rem}
details{margin-top:.7rem}
summary{cursor:pointer;color:var(--soft);font-size:.9rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top;
overflow-wrap:anywhere}
th{color:var(--soft);font-weight:600}
td.n,th.n{text-align:right}
ol.toc{padding-left:1.3rem;margin:.3rem 0}
svg{display:block;width:100%;height:5.5rem}
rect{fill:var(--note)}
footer{margin-top:3rem;color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}
@media print{body{font-size:10.5pt;background:#fff}main{max-width:none;padding:0}.card{break-inside:avoid-page}
details:not([open])>:not(summary){display:none}a{color:inherit;text-decoration:none}}
"""


def render(seen: Inspection) -> str:
    """The whole page.

    Example:
        >>> import numpy as np
        >>> from tripletscope.inspection import inspect
        >>> page = render(inspect(np.eye(4), ["<b>", "<b>", "x", "x"], name="<script>"))
        >>> page.startswith("<!doctype html>"), "<script" in page, "&lt;script&gt;" in page
        (True, False, True)
    """
    name = escape(seen.health.name)
    return "".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; ",
            'img-src data:">',
            f"<title>{name}: findings</title><style>{_STYLE}</style></head><body><main>",
            f"<h1>{name}</h1>",
            f'<p class="lead">{_verdict(seen)}</p>',
            _contents(seen),
            _strip(seen.health),
            _notes(seen.health),
            '<h2 id="findings">Findings</h2>' if seen.findings else "",
            *(_card(seen, finding) for finding in seen.findings),
            _checked(seen),
            f"<footer>tripletscope {escape(__version__)} &middot; content {escape(seen.set.digest)} &middot; "
            f"distances: {escape(seen.health.distance)}, exact. Distances are those of the embeddings, in all "
            f"{seen.health.dims:,} dimensions.</footer>",
            "</main></body></html>\n",
        ]
    )


def _verdict(seen: Inspection) -> str:
    counts = {word: sum(one.severity == word for one in seen.findings) for word in ("problem", "warning", "note")}
    told = [f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items() if count]
    found = ", ".join(told) if told else "Nothing was found"
    left_out = len(seen.excluded_rows)
    rest = f" {left_out:,} of {seen.health.rows_used:,} rows should be left out of mining." if left_out else ""
    return f"{found} in {seen.health.rows_used:,} embeddings.{rest}"


def _contents(seen: Inspection) -> str:
    lines = ['<li><a href="#health">Health</a></li>']
    lines += [
        f'<li><a href="#{escape(one.check)}">{escape(one.title)}</a> '
        f'<span class="soft">{_WORDS[one.severity]}, {_count(one)}</span></li>'
        for one in seen.findings
    ]
    lines.append('<li><a href="#checked">What was checked</a></li>')
    return f'<nav aria-label="Contents"><ol class="toc">{"".join(lines)}</ol></nav>'


def _count(finding: Finding) -> str:
    return "the whole set" if finding.unit == "set" else f"{finding.count:,} {escape(finding.unit)}"


def _strip(told: Health) -> str:
    recall = "no labels" if told.recall_at_1 is None else f"{told.recall_at_1:.3f}"
    chance = "" if told.chance is None else f"guessing would give {told.chance:.3f}"
    tiles = [
        ("Rows", f"{told.rows_used:,}", f"{len(told.dropped):,} left out" if told.dropped else "none left out"),
        ("Dimensions", f"{told.dims:,}", "" if told.dimension is None else f"intrinsic {told.dimension:.1f}"),
        ("Classes", f"{told.classes:,}", f"{len(told.singletons):,} of one row" if told.singletons else ""),
        ("Recall@1", recall, chance),
        ("Normalised", "yes" if told.normalised else "no", f"median length {number(told.norms[1])}"),
        ("Zero rows", f"{told.zeros:,}", ""),
        ("Exact copies", f"{told.duplicates:,}", "of an earlier row"),
        ("Effective rank", number(told.effective_rank), "participation ratio of the covariance"),
        ("Mean cosine", "" if told.anisotropy is None else f"{told.anisotropy:.2f}", "of two rows; 0 is even"),
        ("Near means", number(told.near), f"or less in {escape(told.distance)} distance"),
    ]
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{value}{f'<small>{more}</small>' if more else ''}</dd></div>"
        for name, value, more in tiles
    )
    return f'<h2 id="health">Health</h2><dl class="strip">{cells}</dl>{_histogram(told)}'


def _histogram(told: Health) -> str:
    edges, counts = told.histogram
    if not counts:
        return ""
    if told.norms[2] - told.norms[0] < EVEN * told.norms[1]:  # a histogram of rounding would look like a finding
        return f'<p class="soft">Every row has the same length, {number(told.norms[1])}, so none is drawn.</p>'
    highest, width = max(counts), 100 / len(counts)
    bars = "".join(
        f'<rect x="{place * width:.2f}" y="{40 - 40 * count / highest:.2f}" width="{width * 0.9:.2f}" '
        f'height="{40 * count / highest:.2f}">'
        f"<title>{number(edges[place])} to {number(edges[place + 1])}: {counted(count, 'row', 'rows')}"
        "</title></rect>"
        for place, count in enumerate(counts)
    )
    return (
        '<figure style="margin:1rem 0 0"><svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" '
        f'aria-label="Histogram of the lengths of the rows">{bars}</svg><figcaption class="soft">Lengths of the rows, '
        f"from {number(told.norms[0])} to {number(told.norms[2])}; the highest bar holds "
        f"{highest:,}.</figcaption></figure>"
    )


def _notes(told: Health) -> str:
    lines = [escape(one) for one in told.warnings]
    lines += [f"{count:,} rows were left out: {escape(reason)}." for reason, count in told.dropped_by_reason.items()]
    return f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>" if lines else ""


def _card(seen: Inspection, finding: Finding) -> str:
    cases = "".join(_case(seen, one.row, one.other, one.text) for one in finding.examples)
    left_out = len(finding.exclude)
    return (
        f'<section class="card {finding.severity}" id="{escape(finding.check)}"><div class="head">'
        f"<h3>{escape(finding.title)}</h3>"
        f'<span class="tag">{_SIGNS[finding.severity]} {_WORDS[finding.severity]}</span>'
        f'<span class="count">{_count(finding)}</span></div><p>{escape(finding.evidence)}</p>'
        f"{f'<ul class=cases>{cases}</ul>' if cases else ''}"
        f"<p><strong>Why it matters.</strong> {escape(finding.why)}</p>"
        f"<p><strong>What to do.</strong> {escape(finding.remedy)}</p>"
        f"{f'<p class=soft>{left_out:,} rows are left out of mining for this.</p>' if left_out else ''}"
        f"{_rows(seen, finding)}</section>"
    )


def _case(seen: Inspection, row: int, other: int, text: str) -> str:
    sides = "".join(_side(seen, place) for place in (row, other) if place >= 0)
    return f'<li><div class="pair">{sides}</div>{escape(text)}</li>'


def _side(seen: Inspection, row: int) -> str:
    given = seen.set
    text = "" if given.texts is None else given.texts[row]
    shown = f"<q>{escape(_short(text))}</q>" if text else ""
    label = given.class_of(row)
    return (
        f"<div>{_picture(seen, row)}<b>{escape(_short(str(given.id_of(row)), 60))}</b>"
        f"{'' if label is None else escape(_short(label, 80))}{shown}</div>"
    )


def _picture(seen: Inspection, row: int) -> str:
    """The row's picture, small and drawn anew, so that only pixels are passed on; nothing where it cannot be read."""
    given: Any = seen.set.pictures
    held = None if given is None else given.bytes_of(row)
    if not held:
        return ""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(held)) as opened:
            drawn = opened.convert("RGB")
            drawn.thumbnail((PIXELS, PIXELS))
            out = io.BytesIO()
            drawn.save(out, "PNG")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}">'


def _short(text: str, most: int = TEXT) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "\u2026"


def _rows(seen: Inspection, finding: Finding) -> str:
    if not len(finding.rows):
        return ""
    given = seen.set
    body = []
    for row, other, score in zip(
        finding.rows[:LISTED].tolist(), finding.others[:LISTED].tolist(), finding.scores[:LISTED].tolist(), strict=True
    ):
        cells = [str(given.id_of(row)), given.class_of(row) or ""]
        cells += ["", ""] if other < 0 else [str(given.id_of(other)), given.class_of(other) or ""]
        body.append(
            f"<tr>{''.join(f'<td>{escape(_short(cell, 60))}</td>' for cell in cells)}"
            f'<td class="n">{number(score)}</td></tr>'
        )
    more = f" of {len(finding.rows):,}" if len(finding.rows) > LISTED else ""
    return (
        f"<details><summary>The first {len(body):,}{more} rows in ranked order</summary><div class=scroll><table>"
        "<caption>Score: "
        f"{escape(finding.score_means)}.</caption><thead><tr><th>Row</th><th>Class</th><th>Beside it</th>"
        f'<th>Class</th><th class="n">Score</th></tr></thead><tbody>{"".join(body)}</tbody></table></div></details>'
    )


def _checked(seen: Inspection) -> str:
    body = []
    for check in CHECKS:
        by = "; ".join(f"{one.name} {one.value:g}" for one in check.thresholds)
        body.append(
            f"<tr><td>{escape(check.title)}</td><td>{escape(seen.checked[check.name])}</td>"
            f"<td>{escape(check.looks_for)}{f' <span class=soft>({escape(by)})</span>' if by else ''}</td></tr>"
        )
    rate = seen.health.recall_at_1
    closing = "" if rate is None else f"<p class=soft>{share(rate)} of the rows have one of their class as nearest.</p>"
    return (
        '<h2 id="checked">What was checked</h2><div class=scroll><table><thead><tr><th>Check</th><th>Found</th>'
        f"<th>Looks for</th></tr></thead><tbody>{''.join(body)}</tbody></table></div>{closing}"
    )
