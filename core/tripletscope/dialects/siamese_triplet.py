"""siamese-triplet: a short, much copied teaching repository that asks each pair in one direction."""

from __future__ import annotations

from tripletscope.dialects.base import dialect
from tripletscope.dialects.rule import Rule

LIBRARY, VERSION = "siamese-triplet", "0c719f9"
RUN = "its selectors, once, on 120 random batches: these triplets, and of what is drawn no others"
_SELECTOR = "utils.py, FunctionNegativeTripletSelector.get_triplets"
_ONCE = (
    "Each pair is asked once, so the last sample of a class is never an anchor.",
    "A batch without a pick gets one all the same: the last pair with its first negative.",
    "A batch of one class, or without any pair, ends in an IndexError or an UnboundLocalError.",
)


def _selector(call: str, word: str, order: int, **axes: str) -> None:
    dialect(
        Rule("squared-euclidean", units="pair-once", rescue="yes", **axes),
        name=f"{LIBRARY}-{word}",
        library=LIBRARY,
        short="siamese",
        call=call,
        word=word,
        version=VERSION,
        source=_SELECTOR,
        run=RUN,
        ties="by lot" if axes["negative"] == "random" else "the lowest slot",
        notes=_ONCE,
        order=order,
    )


_selector("SemihardNegativeTripletSelector", "semi-hard", 150, negative="random", lower="positive", upper="margin")
_selector("HardestNegativeTripletSelector", "hardest", 151, negative="nearest", upper="margin")
_selector("RandomNegativeTripletSelector", "random", 152, negative="random", upper="margin")

batch_all = dialect(
    Rule("squared-euclidean", units="pair-once", negative="all"),
    name=f"{LIBRARY}-batch-all",
    library=LIBRARY,
    short="siamese",
    call="AllTripletSelector",
    word="batch-all",
    version=VERSION,
    source="utils.py, AllTripletSelector.get_triplets",
    run=RUN,
    ties="no matter: it takes all",
    notes=_ONCE[:1],
    order=153,
)
