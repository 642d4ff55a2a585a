"""The style of the mining panel and of what goes out: zones in the colours of the whole app, for both themes."""

from __future__ import annotations

STYLE = """<style>
.mine-forecast { margin: 0; font-size: .95rem; line-height: 1.4; }
.mine-forecast span, .mine-count span, .mine-place { opacity: .78; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
.mine-count { margin: 0; font-size: .9rem; }
.mine-count b { font-size: 1.25rem; margin-right: .5rem; }
.mine-zones { display: flex; height: 1.5rem; border-radius: 6px; overflow: hidden; font-size: .8rem; font-weight: 600;
  font-variant-numeric: tabular-nums; }
.mine-zone { flex-basis: 0; min-width: 0; display: flex; align-items: center; justify-content: center;
  white-space: nowrap; overflow: hidden; color: #1b1f24; }
.mine-hard { background: #f3cf80; }
.mine-semi-hard { background: #aadaf4; }
.mine-easy { background: repeating-linear-gradient(135deg, #bfe6da 0 6px, #a6dbcb 6px 9px); }
.st-key-inspect-mine h3 { padding-bottom: 0; }
.st-key-inspect-mine-go { row-gap: .35rem; }
.st-key-inspect-mined [data-testid="stText"] { font-size: .88rem; line-height: 1.4; opacity: .82; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.st-key-inspect-mined pre { font-size: .82rem; }
.st-key-inspect-mine [data-testid="stCaptionContainer"] { color: unset; opacity: .8; }
.st-key-inspect-mine [data-testid="stBaseButton-primary"]:not(:disabled) { background: #0b6aa8; border-color: #0b6aa8;
  color: #fff; }
.st-key-inspect-mine [data-testid="stBaseButton-primary"]:not(:disabled):hover { background: #095a90; }
.out-words { margin: 0; font-size: .92rem; line-height: 1.45; }
.out-words b { display: block; font-size: 1rem; }
.out-words span { opacity: .8; }
</style>"""
