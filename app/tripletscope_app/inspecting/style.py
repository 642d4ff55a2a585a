"""The page's own style: a few rules around Streamlit's widgets, in its colours, for both themes."""

from __future__ import annotations

STYLE = """<style>
.st-key-inspect-door h1 { font-size: 2.1rem; line-height: 1.15; padding: 0 0 .25rem; letter-spacing: -.01em; }
.st-key-inspect-door .door-lead { font-size: 1.1rem; line-height: 1.5; max-width: 46rem; margin: 0 0 .5rem;
  opacity: .85; }
.st-key-inspect-door [data-testid="stFileUploaderDropzone"] { min-height: 12rem;
  border: 2px dashed rgba(11, 106, 168, .55); border-radius: 14px; justify-content: center; align-items: center;
  flex-direction: column; gap: .6rem; text-align: center; }
.st-key-inspect-door [data-testid="stFileUploaderDropzone"] > * { width: auto; flex: none; align-self: center; }
.st-key-inspect-door [data-testid="stFileUploaderDropzone"]::before { content: "Drop your files here";
  font-size: 1.25rem; font-weight: 600; }
.st-key-inspect-door [data-testid="stFileUploaderDropzoneInstructions"] { margin: 0; }
.door-soft { font-size: .88rem; line-height: 1.5; opacity: .78; margin: 0; }
.st-key-inspect-door ol.door-steps { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr));
  gap: 1.25rem; margin: .75rem 0 .25rem; padding: 0; list-style: none; counter-reset: step; }
.st-key-inspect-door .door-steps li { border-top: 2px solid currentColor; padding: .6rem 0 0; margin: 0;
  font-size: .9rem; line-height: 1.45;
  counter-increment: step; }
.door-steps b { display: block; font-size: 1rem; }
.door-steps b::before { content: counter(step) "\\2002"; opacity: .55; }
.door-steps span { opacity: .8; }
.door-formats { border-collapse: collapse; font-size: .88rem; width: 100%; }
.door-formats th, .door-formats td { text-align: left; vertical-align: top; padding: .35rem 1rem .35rem 0;
  border-bottom: 1px solid rgba(128, 136, 150, .3); }
.door-formats th { font-weight: 600; white-space: nowrap; }
[class*="st-key-sample-"] { border-radius: 12px; }
[class*="st-key-sample-"] img { border-radius: 6px; }
[class*="st-key-sample-"] p { line-height: 1.4; }
.st-key-inspect-line { align-items: center; row-gap: .25rem; }
.st-key-inspect-line [data-testid="stText"] { font-size: 1.15rem; font-weight: 650; white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; max-width: 26rem; }
.st-key-inspect-line ul.line-facts { display: flex; flex-wrap: wrap; gap: 0 1.1rem; font-size: .95rem; margin: 0;
  padding: 0; list-style: none; }
.line-facts li { margin: 0; white-space: nowrap; }
.line-facts b { font-variant-numeric: tabular-nums; }
.line-facts span { opacity: .72; }
.st-key-inspect-notes [data-testid="stText"], .st-key-inspect-reasons [data-testid="stText"] { font-size: .88rem;
  line-height: 1.45; white-space: pre-wrap; overflow-wrap: anywhere; opacity: .82; }
[class*="st-key-mapping-reason"] [data-testid="stText"] { font-size: .88rem; line-height: 1.4; white-space: pre-wrap;
  overflow-wrap: anywhere; opacity: .8; }
[class*="st-key-mapping-"] { row-gap: .1rem; }
</style>"""
