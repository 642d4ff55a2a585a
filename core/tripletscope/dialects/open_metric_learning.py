"""open-metric-learning: batch-hard whose diagonal is left in."""

from __future__ import annotations

from tripletscope.dialects.base import dialect
from tripletscope.dialects.rule import Rule

LIBRARY, VERSION = "open-metric-learning", "4.0.0"

batch_hard = dialect(
    Rule(units="anchor", positive="farthest", itself="yes"),
    name=f"{LIBRARY}-batch-hard",
    library=LIBRARY,
    short="OML",
    call="HardTripletsMiner()",
    word="batch-hard",
    version=VERSION,
    source="oml/miners/inbatch_hard_tri.py, HardTripletsMiner._sample_from_distmat",
    run="this function, once, on 120 random batches, a third of them with a class on one point: these triplets",
    ties="the lowest slot, as torch.argmax and torch.argmin answer on a CPU; not documented",
    notes=(
        "Among positives that coincide with the anchor the lowest slot wins, which may be the anchor's own.",
        "It asserts two samples of every label and two labels, so an anchor without a positive is refused.",
    ),
    order=160,
)
batch_all = dialect(
    Rule(negative="all"),
    name=f"{LIBRARY}-batch-all",
    library=LIBRARY,
    short="OML",
    call="AllTripletsMiner()",
    word="batch-all",
    version=VERSION,
    source="oml/miners/inbatch_all_tri.py, get_available_triplets",
    ties="no matter: it takes all",
    notes=("With `max_output_triplets` it takes so many of them by lot.",),
    order=161,
)
