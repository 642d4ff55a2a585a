"""For every anchor and positive the nearest negative that is farther than the positive, inside the margin."""

from __future__ import annotations

from tripletscope.strategies.composed import compose

semi_hard = compose(
    "pair:all, negative:nearest, lower:positive, upper:margin",
    name="semi-hard",
    title="Semi-hard",
    summary="For every anchor and positive the nearest negative in the semi-hard zone; none, and it abstains.",
    source='Schroff, Kalenichenko & Philbin 2015, "FaceNet", §3.2, eq. 4',
    order=50,
    choice="the nearest in the zone",
    notes="""
For every anchor a and positive p: n = argmin { d(a,n) : y(n) ≠ y(a), 0 < d(a,n) − d(a,p) < margin }.

A semi-hard negative is *farther* than the positive. The zone belongs to that one positive: the same negative can be
hard for another positive of the same anchor.

**Ties**: the lowest slot. **Abstains** for a pair with no negative in the zone, which becomes the usual case late in
training: watch the abstained count.

**Departures.** FaceNet uses squared distances, where a margin of 0.2 is another width at every scale, and does not
say whether the nearest or a random negative of the zone is taken.

**Elsewhere.** TensorFlow Addons and sentence-transformers have no upper bound at the margin and, where no negative is
farther, fall back to the *farthest* one; their fallback picks are hard, not semi-hard. TensorFlow Similarity takes one
negative an anchor, beyond its farthest positive. pytorch-metric-learning's `TripletMarginMiner("semihard")` returns
every triplet with 0 < gap ≤ margin; its `BatchEasyHardMiner` has no upper bound.
""",
    advice="""
**When to use it.** As the first thing to try (our judgement, and FaceNet's choice): it dips in no seed of *early-dip*
and learns on the unit sphere in every experiment here.

**How it fails.** It starves: in *semi-hard-starves* 96 % of the pairs have no negative in the zone at the end. Where
the scale is free and distances are squared it blows the space up (*scale-explosion*: R@1 .02).
""",
)
