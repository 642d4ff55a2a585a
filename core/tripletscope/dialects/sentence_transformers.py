"""sentence-transformers: batch losses that work with distances and never name a triplet."""

from __future__ import annotations

from tripletscope.dialects.base import dialect
from tripletscope.dialects.rule import Rule

LIBRARY, VERSION = "sentence-transformers", "6.2.0"
RUN = "its loss and the gradient of its distances, which name the triplets, on random batches"

semi_hard = dialect(
    Rule(lower="positive", fallback="farthest"),
    name=f"{LIBRARY}-semi-hard",
    library=LIBRARY,
    short="ST",
    call="BatchSemiHardTripletLoss(model)",
    word="semi-hard",
    version=VERSION,
    source="losses/batch_semi_hard_triplet.py, batch_semi_hard_triplet_loss",
    run=RUN,
    ties="no matter: it works with the distances alone",
    notes=(
        "A port of TensorFlow Addons' loss. Where nothing is farther than the positive, the farthest negative is hard.",
        "The default margin is 5, which no triplet of unit vectors can fulfil.",
        "A batch of a single class has a loss and a gradient, from distances to no negative at all.",
    ),
    order=130,
)
batch_hard = dialect(
    Rule(units="anchor", positive="farthest", lonely="yes"),
    name=f"{LIBRARY}-batch-hard",
    library=LIBRARY,
    short="ST",
    call="BatchHardTripletLoss(model)",
    word="batch-hard",
    version=VERSION,
    source="losses/batch_hard_triplet.py, batch_hard_triplet_loss",
    run=RUN,
    ties="no matter: it works with the distances alone",
    notes=("A batch of a single class has exactly the margin for a loss, as a collapsed one has.",),
    order=131,
)
batch_all = dialect(
    Rule(negative="all", upper="margin"),
    name=f"{LIBRARY}-batch-all",
    library=LIBRARY,
    short="ST",
    call="BatchAllTripletLoss(model)",
    word="batch-all",
    version=VERSION,
    source="losses/batch_all_triplet.py, batch_all_triplet_loss",
    run=RUN,
    ties="no matter: it takes all that fit",
    notes=("The mean runs over the triplets that have a loss.",),
    order=132,
)
