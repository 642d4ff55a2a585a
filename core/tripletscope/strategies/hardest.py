"""The nearest negative for every anchor and positive."""

from __future__ import annotations

from tripletscope.strategies.composed import compose

hardest = compose(
    "pair:all, negative:nearest",
    name="hardest",
    title="Hardest negative",
    summary="The nearest negative for every anchor and positive.",
    source='Schroff, Kalenichenko & Philbin 2015, "FaceNet", §3.2 (argmin over negatives, all anchor-positive pairs)',
    order=30,
    notes="""
For every anchor a and positive p: n = argmin { d(a,n) : y(n) ≠ y(a) }.

The *hardest* negative is the *nearest* one. It is the same for all positives of an anchor, and it lies in the hard
zone only if it is no farther than the positive: late in training it may well be easy.

**Ties**: the lowest slot. **Abstains** where the batch holds a single class.

**Elsewhere.** FaceNet describes it and warns that it collapses early in training; siamese-triplet's
`HardestNegativeTripletSelector` uses each pair once, in one direction, and drops non-violating picks.
pytorch-metric-learning's `TripletMarginMiner("hard")` is something else: *all* triplets with gap ≤ 0.
""",
    advice="""
**When to use it.** On clean labels and in a network that has room to get out again: in the experiment *early-dip* the
space falls together first and then ends at a MAP@R of .999.

**How it fails.** It collapses. In *hardest-collapses* all points end in one place in two of three seeds, on the unit
sphere (*normalised*) too, and with a fifth of the labels wrong R@1 falls to .41.
""",
)
