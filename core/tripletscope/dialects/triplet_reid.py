"""triplet-reid: the code beside the paper that brought batch-hard and batch-all."""

from __future__ import annotations

from tripletscope.dialects.base import dialect
from tripletscope.dialects.rule import Rule

LIBRARY, VERSION = "triplet-reid", "1a87aad (2019)"

batch_hard = dialect(
    Rule(units="anchor", positive="farthest", lonely="yes"),
    name="triplet-reid-batch-hard",
    library=LIBRARY,
    short="triplet-reid",
    call="batch_hard",
    word="batch-hard",
    version=VERSION,
    source="loss.py, _generic_batchloss",
    ties="no matter: it works with the distances alone",
    notes=("The embeddings of the paper are not normalised, and its best margin is the soft one.",),
    order=110,
)
batch_all = dialect(
    Rule(negative="all"),
    name="triplet-reid-batch-all",
    library=LIBRARY,
    short="triplet-reid",
    call="batch_all",
    word="batch-all",
    version=VERSION,
    source="loss.py, batch_all",
    ties="no matter: it takes all",
    order=111,
)
