"""pytorch-metric-learning: its miners hand out whole bands, and close them at the margin."""

from __future__ import annotations

from tripletscope.dialects.base import dialect
from tripletscope.dialects.rule import Rule

LIBRARY, VERSION = "pytorch-metric-learning", "2.9.0"
RUN = "its triplets, as a set, on random batches"
_BAND = "miners/triplet_margin_miner.py, TripletMarginMiner.mine"
_ROWS = "miners/batch_easy_hard_miner.py, BatchEasyHardMiner.mine"
_CLOSED = "A gap of exactly the margin is violating there, and easy here."
_FIRST = "the lowest slot, as torch.min and torch.max answer on a CPU; not documented"


def _band(kind: str, word: str, lower: str, upper: str, order: int, *notes: str) -> None:
    dialect(
        Rule(lower=lower, upper=upper, negative="all"),
        name=f"{LIBRARY}-{word}",
        library=LIBRARY,
        short="PML",
        call=f'TripletMarginMiner(type_of_triplets="{kind}")',
        word=word,
        version=VERSION,
        source=_BAND,
        run=RUN,
        normalises=True,
        ties="no matter: it takes all that fit",
        notes=notes,
        order=order,
    )


_band(
    "semihard",
    "semi-hard",
    "positive",
    "margin-closed",
    120,
    _CLOSED,
    "It returns every triplet of the band, so a pair with many counts for many in the mean.",
    "A kind that does not exist, such as a misspelt one, runs as 'all' without a word.",
)
_band("hard", "hardest", "none", "positive", 121, "Not the hardest negative of a pair, but all that are hard.")
_band(
    "all",
    "batch-all",
    "none",
    "margin-closed",
    122,
    _CLOSED,
    "'all' means all violating triplets; the easy ones are left out.",
)
_band("easy", "easy", "margin-open", "none", 123, _CLOSED)

batch_hard = dialect(
    Rule(units="anchor", positive="farthest"),
    name=f"{LIBRARY}-batch-hard",
    library=LIBRARY,
    short="PML",
    call="BatchHardMiner()",
    word="batch-hard",
    version=VERSION,
    source=_ROWS,
    run=RUN,
    normalises=True,
    ties=_FIRST,
    notes=("A NaN row is the nearest negative of every anchor of another class; nothing is said about it.",),
    order=124,
)
easy_hard = dialect(
    Rule(units="anchor", positive="nearest", lower="positive"),
    name=f"{LIBRARY}-easy-hard",
    library=LIBRARY,
    short="PML easy-hard",
    call="BatchEasyHardMiner()",
    word="semi-hard",
    version=VERSION,
    source=_ROWS,
    run=RUN,
    normalises=True,
    ties=_FIRST,
    notes=(
        "Its default, an easy positive with a semi-hard negative; its 'semihard' knows no margin.",
        "The same as our easy-positive-semi-hard.",
    ),
    order=125,
)
