"""The nearest positive and the nearest negative of every anchor, with a loss that only pushes hard negatives away."""

from __future__ import annotations

from tripletscope.strategies.composed import compose

sct = compose(
    "anchor:nearest, negative:nearest",
    name="sct",
    title="Selectively contrastive",
    summary="The nearest positive and the nearest negative of every anchor, with a loss of its own.",
    source='Xuan, Stylianou, Liu & Pless 2020, "Hard Negative Examples are Hard, but Useful", §4',
    order=220,
    needs={"unit"},
    loss="sct",
    notes="""
For every anchor a: p = argmin { d(a,p) : y(p) = y(a), p ≠ a } and n = argmin { d(a,n) : y(n) ≠ y(a) }.

The picks are those of [easy-positive](#easy-positive); what is new is what is learnt from them. A hard negative is only
pushed away, and its positive left alone; every other pick goes into a softmax. With `--loss triplet` it *is*
easy-positive.

**Ties**: the lowest slot. **Abstains** where the batch holds a single class. An anchor without a positive has no
triplet, so it is not counted as an abstention.

**Departures.** The authors' published code leaves out positives with s > 0.9999 as duplicates; we keep them, and our
sampler never puts one sample into a batch twice. Their vectors are normalised, and the loss is made of cosine
similarities: other distances are converted, vectors of other lengths refused. The numbers of sections were not at hand
to be checked.

**Elsewhere.** pytorch-metric-learning has the picks (`BatchEasyHardMiner("easy", "hard")`), and no such loss.
""",
    advice="""
**When to use it.** Where the picks of easy-positive are mostly hard, as early in training or with classes that overlap:
on several data sets where training on hard negatives collapsed, Xuan et al. report that this learns.

**How it fails.** A negative with a wrong label is pushed away with full force, and meanwhile nothing draws the anchor
to its own class. With a large λ the pushing outweighs everything else: our judgement, from the formula.
""",
)
