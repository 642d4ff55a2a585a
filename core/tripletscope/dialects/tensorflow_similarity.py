"""tensorflow-similarity: one positive and one negative for every anchor, whatever the word."""

from __future__ import annotations

from tripletscope.dialects.base import dialect
from tripletscope.dialects.rule import Rule

LIBRARY, VERSION = "tensorflow-similarity", "0.18.0.dev12"
_SOURCE = "tensorflow_similarity/losses/utils.py, positive_distances and negative_distances"
_TIES = "the lowest slot, as tf.argmin and tf.argmax answer; the loss uses the distances alone"

semi_hard = dialect(
    Rule("cosine", units="anchor", positive="farthest", lower="positive", fallback="farthest", lonely="yes"),
    name=f"{LIBRARY}-semi-hard",
    library=LIBRARY,
    short="TFS",
    call="TripletLoss()",
    word="semi-hard",
    version=VERSION,
    source=_SOURCE,
    ties=_TIES,
    notes=(
        "The default: hard positive, semi-hard negative, and a soft margin, so that no triplet is without a loss.",
        "With an easy positive the negative is still one beyond the *hardest* positive.",
    ),
    order=140,
)
batch_hard = dialect(
    Rule("cosine", units="anchor", positive="farthest", lonely="yes"),
    name=f"{LIBRARY}-batch-hard",
    library=LIBRARY,
    short="TFS",
    call='TripletLoss(negative_mining_strategy="hard")',
    word="batch-hard",
    version=VERSION,
    source=_SOURCE,
    ties=_TIES,
    order=141,
)
easy = dialect(
    Rule("cosine", units="anchor", positive="farthest", negative="farthest", lonely="yes"),
    name=f"{LIBRARY}-easy",
    library=LIBRARY,
    short="TFS",
    call='TripletLoss(negative_mining_strategy="easy")',
    word="easy",
    version=VERSION,
    source=_SOURCE,
    ties=_TIES,
    order=142,
)
