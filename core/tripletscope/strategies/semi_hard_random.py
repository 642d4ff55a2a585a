"""For every anchor and positive one negative by lot among the semi-hard ones."""

from __future__ import annotations

from tripletscope.strategies.composed import compose

semi_hard_random = compose(
    "pair:all, negative:random, lower:positive, upper:margin",
    name="semi-hard-random",
    title="Semi-hard, random",
    summary="For every anchor and positive one negative drawn by lot from the semi-hard zone; none, and it abstains.",
    source='Schroff, Kalenichenko & Philbin 2015, "FaceNet", §3.2, eq. 4; the draw as in common reimplementations',
    order=60,
    choice="drawn by lot in the zone",
    notes="""
For every anchor a and positive p: n ~ uniform over { n : y(n) ≠ y(a), 0 < d(a,n) − d(a,p) < margin }.

The other reading of FaceNet, which does not say how to choose inside the zone. Less sure to meet a wrong label or
a near-duplicate than the nearest, and less informative for it.

**Ties** play no part. **Abstains** for a pair with no negative in the zone.

**Elsewhere.** siamese-triplet's `SemihardNegativeTripletSelector` draws in the same zone on squared distances, uses
each pair in one direction only and, when the whole batch has nothing, returns one arbitrary triplet. Roth et al.'s
code draws one positive an anchor as well and falls back to a random negative.
""",
    advice="""
**When to use it.** Like semi-hard, where the nearest of the zone would be the same sample again and again, a hub or a
wrong label (our judgement).

**How it fails.** It abstains for exactly the pairs for which semi-hard does, so it starves with it; and its picks lie
deeper in the zone, so each has a smaller loss.
""",
)
