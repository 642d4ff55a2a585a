"""The nearest positive and the nearest negative of every anchor."""

from __future__ import annotations

from tripletscope.strategies.composed import compose

easy_positive = compose(
    "anchor:nearest, negative:nearest",
    name="easy-positive",
    title="Easy positive",
    summary="The nearest positive and the nearest negative of every anchor.",
    source='Xuan, Stylianou & Pless 2020, "Improved Embeddings with Easy Positive Triplet Mining", §3 (EPHN)',
    order=70,
    notes="""
For every anchor a: p = argmin { d(a,p) : y(p) = y(a), p ≠ a } and n = argmin { d(a,n) : y(n) ≠ y(a) }.

A class need not become one ball: each sample only has to be close to *some* of its own.

**Ties**: the lowest slot. **Abstains** where the batch holds a single class. An anchor without a positive
has no triplet, so it is not counted as an abstention.

**Departures.** The paper trains with a softmax over the two similarities at temperature 0.1; here the strategy
chooses and the loss stays the run's own. The authors' code leaves out positives with s > 0.9999 as duplicates; we
keep them, and our sampler never puts one sample into a batch twice.

**Elsewhere.** Equal to pytorch-metric-learning's `BatchEasyHardMiner("easy", "hard")`; that miner's default, easy with
semi-hard (EPSHN), has no upper bound at the margin.
""",
    advice="""
**When to use it.** Where a class is not one cluster: only the nearest positive is drawn in, so the others may stay
where they are. Xuan et al. report that this carries over better to classes that were not trained on.

**How it fails.** The nearest negative may be nearer than the nearest positive, so the space can shrink: with a fifth
of the labels wrong its spread falls to 0.8 margins, while the same positive with a farther negative
(*easy-positive-semi-hard*) keeps 9.5.
""",
)
