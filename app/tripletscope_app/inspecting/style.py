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
dl.health-tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.4rem, 1fr)); gap: .5rem 0; margin: 0;
  border-top: 1px solid rgba(128, 136, 150, .3); border-bottom: 1px solid rgba(128, 136, 150, .3); padding: .45rem 0; }
.health-tiles > div { padding: .1rem .9rem; border-left: 1px solid rgba(128, 136, 150, .3); min-width: 0; }
.health-tiles > div:first-child { border-left: 0; padding-left: .1rem; }
.health-tiles dt { font-size: .85rem; font-weight: 550; margin: 0; }
.health-tiles dd { margin: 0; font-size: 1.4rem; font-weight: 650; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.health-tiles dd.reading { font-size: .82rem; font-weight: 400; line-height: 1.35; opacity: .78; }
.health-tiles dd.health-bar { position: relative; height: 5px; margin: .25rem 0 .3rem; border-radius: 3px;
  background: rgba(128, 136, 150, .22); max-width: 10rem; }
.health-bar b { position: absolute; left: 0; top: 0; bottom: 0; border-radius: 3px; background: #0b6aa8; }
.health-bar i { position: absolute; top: -3px; bottom: -3px; width: 2px; background: currentColor; }
.health-bars { display: flex; align-items: flex-end; gap: 1px; max-width: 10rem; height: 26px; margin: .2rem 0; }
.health-bars i { flex: 1; min-height: 1px; background: #0b6aa8; border-radius: 1px 1px 0 0; }
.st-key-inspect-notes-health [data-testid="stText"] { font-size: .88rem; line-height: 1.45; white-space: pre-wrap;
  overflow-wrap: anywhere; opacity: .82; }
.findings-head { margin: 0; font-size: .9rem; line-height: 1.4; }
.findings-head b { font-size: 1.05rem; margin-right: .5rem; }
.findings-head span { opacity: .78; }
.st-key-inspect-cards { max-height: 40rem; overflow-y: auto; padding: 3px 4px 3px 3px; }
</style>"""
