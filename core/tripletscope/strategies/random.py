"""One negative by lot for every anchor and positive: what mining is measured against."""

from __future__ import annotations

from tripletscope.strategies.composed import compose

random = compose(
    "pair:all, negative:random",
    name="random",
    title="Random",
    summary="One negative drawn by lot for every anchor and positive.",
    source="the baseline without mining, e.g. Wu et al. 2017, §4 (uniform sampling)",
    order=10,
    notes="""
For every anchor a and positive p: n ~ uniform over { n : y(n) ≠ y(a) }.

**Ties** play no part. **Abstains** where the batch holds a single class.

**Elsewhere.** pytorch-metric-learning's `get_random_triplet_indices` draws the positive as well, with replacement;
siamese-triplet's `RandomNegativeTripletSelector` draws among the *violating* negatives only, which is mining.
On a sphere of many dimensions almost every random negative is about √2 away, so training on them soon has nothing to
correct.
""",
    advice="""
**When to use it.** As the baseline that every miner has to beat, and where labels cannot be trusted: in no
[experiment](experiments.md) here did it collapse.

**How it fails.** It runs dry. At the end of *hardest-collapses* 2.5 % of its triplets still violate the margin, and
with a fifth of the labels wrong it keeps its spread but ends behind semi-hard and distance-weighted.
""",
)
