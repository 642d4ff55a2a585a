"""The Race page's own style: a few rules around Streamlit's widgets, in its colours, for both themes."""

from __future__ import annotations

STYLE = """<style>
.st-key-race-head h1 { font-size: 2.1rem; line-height: 1.15; padding: 0 0 .25rem; letter-spacing: -.01em; }
.race-lead { font-size: 1.05rem; line-height: 1.5; max-width: 52rem; margin: 0; opacity: .85; }
.race-soft { font-size: .88rem; line-height: 1.45; opacity: .78; margin: 0; }
.st-key-race-form h2, .st-key-race-side h2 { font-size: 1.1rem; line-height: 1.3; padding: .5rem 0 .1rem; }
[class*="st-key-race-card-"] { border-radius: 12px; row-gap: .5rem; }
[class*="st-key-race-card-"] img { border-radius: 6px; }
[class*="st-key-race-card-"] p { line-height: 1.4; }
.st-key-race-presets [data-testid="stImage"] img { height: 84px; object-fit: contain; }
[class*="st-key-race-card-data"] [data-testid="stImage"] img { aspect-ratio: 12 / 5; object-fit: cover; }
[class*="st-key-race-card-data-chosen"] { outline: 2px solid #0b6aa8; outline-offset: -1px; }
[data-testid="stMain"] [data-testid="stBaseButton-primary"]:not(:disabled) { background: #0b6aa8;
  border-color: #0b6aa8; color: #fff; }
[data-testid="stMain"] [data-testid="stBaseButton-primary"] kbd { color: inherit; opacity: 1; }
[class*="st-key-race-refused-"] [data-testid="stText"] { font-size: .9rem; line-height: 1.45; white-space: pre-wrap;
  overflow-wrap: anywhere; border-left: 3px solid #c0392b; padding: .1rem 0 .1rem .6rem; font-weight: 550; }
[class*="st-key-race-note-"] [data-testid="stText"] { font-size: .86rem; line-height: 1.4; white-space: pre-wrap;
  overflow-wrap: anywhere; opacity: .8; }
.st-key-race-start-card { border-radius: 12px; }
dl.race-facts { display: grid; grid-template-columns: 3rem 1fr; align-items: baseline; gap: .2rem .75rem; margin: 0;
  padding: 0; font-size: .92rem; }
.race-facts dt { opacity: .75; margin: 0; padding: 0; text-align: left; }
.race-facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.race-facts dd b { font-size: 1.15rem; }
.st-key-race-side [data-testid="stElementContainer"][data-stale="true"] { opacity: 1 !important; }
[class*="st-key-race-run-"] [data-testid="stText"] { font-size: .9rem; line-height: 1.4; white-space: pre-wrap;
  overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
[class*="st-key-race-log-"] [data-testid="stText"] { font-family: ui-monospace, monospace; font-size: .78rem; }
.race-bar { height: 6px; border-radius: 3px; background: rgba(128, 136, 150, .28); overflow: hidden; }
.race-bar i { display: block; height: 100%; background: #0b6aa8; }
[class*="st-key-race-side"] [data-testid="stButton"] button {
  min-height: 2rem; padding: .1rem .7rem; }
</style>"""
