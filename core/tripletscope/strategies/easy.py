"""The farthest negative for every anchor and positive: what a strategy that avoids all difficulty looks like."""

from __future__ import annotations

from tripletscope.strategies.composed import compose

easy = compose(
    "pair:all, negative:farthest",
    name="easy",
    title="Easiest negative",
    summary="The farthest negative for every anchor and positive.",
    source="as the libraries below have it; the word is from Xuan, Stylianou & Pless 2020, §3",
    order=90,
    notes="""
For every anchor a and positive p: n = argmax { d(a,n) : y(n) ≠ y(a) }.

The opposite of *hardest*, and a lesson more than a recipe: if even these triplets violate, nothing has been learnt yet;
once they do not, there is no loss left, whatever the other triplets are like.

**Ties**: the lowest slot. **Abstains** where the batch holds a single class.

**Elsewhere.** TensorFlow Similarity's `negative_mining_strategy="easy"` and pytorch-metric-learning's
`BatchEasyHardMiner(neg_strategy="easy")` take the same negative, for one positive an anchor.
`TripletMarginMiner("easy")` is something else: *all* triplets with gap > margin.
""",
    advice="""
**When to use it.** To show what teaches nothing, or as a shadow that marks the far end of the batch (our judgement).

**How it fails.** Hardly any pick has a loss: in the picture 4 of 100. Training on it ends where it began, once the
first few far negatives are far enough.
""",
)
