"""What would other libraries pick for this anchor and positive, at this frame, under the word of a strategy?"""

from __future__ import annotations

from typing import Any

from tripletscope.analysis.counterfactual import candidate_batches
from tripletscope.analysis.probe import probe_batch, probe_labels
from tripletscope.errors import SettingError
from tripletscope.store.reader import Run


def dialect_picks(
    run: Run,
    *,
    anchor: int,
    step: int,
    positive: int | None = None,
    word: str | None = None,
    margin: float | None = None,
) -> dict[str, Any]:
    """The dialects of one word on the candidates of an anchor, ready for JSON; all in the run's distance.

    Keys: `word`, `words` (those that have dialects), `margin`, `distance`, `anchor`, `positive` (probe indices) and
    `rows`, one for each dialect, ours first: `library`, `version`, `call`, `deed` ("picks", "draws", "abstains", "does
    not ask"), `count` of negatives that it may pick, `negative` (probe index of the nearest of them, or None), `d_an`,
    `gap`, `zone`, `why` (half a sentence, "" where it does as we do), `known` (how we know).

    Args:
        run: a recorded run.
        anchor: probe index.
        step: a step with a frame.
        positive: probe index of a candidate of the anchor's class; the first one when left out or when it is none.
        word: a strategy of ours; the one that trains, or else semi-hard, when left out or without dialects.
        margin: what if it were this; the run's own when left out.

    Raises:
        SettingError: an anchor without a positive among its candidates, or a margin that is none.
        DataError: a distance that is no finite number.
    """
    # torch takes seconds to import: only the process that answers pays for it.
    from tripletscope.dialects import words
    from tripletscope.dialects.comparison import Comparison
    from tripletscope.triplets import ZONES, zone_codes

    known = words()
    chosen = next((name for name in (word, run.training) if name in known), known[0])
    members = probe_batch(run, anchor)
    labels = probe_labels(run)[members]
    mates = [place for place in range(1, len(members)) if labels[place] == labels[0]]
    if not mates:
        raise SettingError("This anchor has no positive among its candidates, so nobody is asked about it.")
    place = next((mate for mate in mates if members[mate] == positive), mates[0])
    batch = candidate_batches(run, members, [run.frames[step]])[0]
    samples, rows = run.samples, run.probe_rows
    names = [str(samples.id_of(int(rows[member]))) for member in members]
    bound = run.margin if margin is None else float(margin)
    compared = Comparison(chosen, lambda _: batch, bound, distance=run.distance, names=names, anchor=0)
    pair, told = (0, place), []
    for column in compared.columns:
        answer, one = column.answers.get(pair), column.dialect
        negatives = answer.negatives if answer is not None else ()
        row: dict[str, Any] = {
            "library": one.library,
            "version": one.version,
            "call": one.call,
            "deed": "does not ask" if answer is None else "abstains",
            "count": len(negatives),
            "negative": None,
            "d_an": None,
            "gap": None,
            "zone": None,
            "fallback": answer is not None and answer.by in ("fallback", "rescue"),
            "why": compared.why(column, pair),
            "known": "run" if one.run else "read",
        }
        if answer is not None and negatives:
            nearest = min(negatives, key=lambda slot: (float(batch.distances[0, slot]), slot))
            gap = batch.distances[0, nearest] - batch.distances[0, place]
            row |= {
                "deed": "draws" if answer.drawn or answer.likely < 1 else "picks",
                "negative": int(members[nearest]),
                "d_an": float(batch.distances[0, nearest]),
                "gap": float(gap),
                "zone": ZONES[int(zone_codes(gap, bound))],
            }
        told.append(row)
    return {
        "word": chosen,
        "words": known,
        "margin": bound,
        "distance": run.distance,
        "anchor": int(anchor),
        "positive": int(members[place]),
        "rows": told,
    }
