"""The farthest positive and the nearest negative of every anchor."""

from __future__ import annotations

from tripletscope.strategies.composed import compose

batch_hard = compose(
    "anchor:farthest, negative:nearest",
    name="batch-hard",
    title="Batch hard",
    summary="The farthest positive and the nearest negative of every anchor.",
    source='Hermans, Beyer & Leibe 2017, "In Defense of the Triplet Loss", §2, eq. 5',
    order=40,
    notes="""
For every anchor a: p = argmax { d(a,p) : y(p) = y(a), p ≠ a } and n = argmin { d(a,n) : y(n) ≠ y(a) }.

Hardest *within the batch*: as training goes on, even this triplet may be easy.

**Ties**: the lowest slot. **Abstains** where the batch holds a single class. An anchor without a positive
has no triplet, so it is not counted as an abstention.

**Elsewhere.** Equal to pytorch-metric-learning's `BatchHardMiner` (its tie rule is not documented). triplet-reid and
sentence-transformers let an anchor without a positive count with d(a,p) = 0, so it still pushes its nearest negative;
open-metric-learning may return the anchor as its own positive when points coincide. The paper uses plain Euclidean
distances of vectors that are not normalised.
""",
    advice="""
**When to use it.** In re-identification, where it comes from, with large batches and clean labels; Hermans et al.
find it best with the soft margin. In the experiment *batch-size* R@1 rises from .24 with 4 classes in the batch to
.999 with 60.

**How it fails.** It collapses more readily than *hardest*, because the farthest positive is the likeliest to be a
wrong label: R@1 .16 with a fifth of the labels wrong, and a collapse in all three seeds of *hardest-collapses*.
""",
)
