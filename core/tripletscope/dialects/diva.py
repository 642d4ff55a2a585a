"""The code of Roth et al. 2020: one word, semi-hard, for two rules that have little in common."""

from __future__ import annotations

from tripletscope.dialects.base import dialect
from tripletscope.dialects.rule import Rule

DIVA, REVISITING = "DiVA", "Revisiting DML"
_RUN = "its batch miner, 150 times on each of 120 random batches: these triplets and no others"
_HARD = Rule(units="anchor", positive="random-hard", negative="random", upper="farthest-positive", fallback="random")

semi_hard = dialect(
    Rule(units="anchor", positive="random", negative="random", lower="positive", upper="margin", fallback="random"),
    name="revisiting-semi-hard",
    library=REVISITING,
    short="Revisiting",
    call="--batch_mining semihard",
    word="semi-hard",
    version="efddbf2 (2021)",
    source="batchminer/semihard.py, BatchMiner.__call__",
    run=_RUN,
    ties="by lot",
    notes=(
        'The code of Roth et al. 2020, "Revisiting Training Strategies", by the authors of DiVA.',
        "An anchor without a positive ends in an error: there is nothing to draw from.",
    ),
    order=170,
)
diva_semi_hard = dialect(
    _HARD,
    name="diva-semi-hard",
    library=DIVA,
    short="DiVA",
    call="--batch_mining semihard",
    word="semi-hard",
    version="af23fa9 (2020)",
    source="batchminer/semihard.py, BatchMiner.__call__",
    run=_RUN,
    ties="by lot",
    notes=(
        'The code of Milbich, Roth et al. 2020, "DiVA". Its semihard draws *hard* negatives; the same rule is called '
        "softhard in the later code.",
    ),
    order=171,
)
soft_hard = dialect(
    _HARD,
    name="revisiting-batch-hard",
    library=REVISITING,
    short="Revisiting",
    call="--batch_mining softhard",
    word="batch-hard",
    version="efddbf2 (2021)",
    source="batchminer/softhard.py, BatchMiner.__call__",
    run=_RUN,
    ties="by lot",
    notes=("A softened batch-hard: any hard positive and any hard negative, instead of the hardest.",),
    order=172,
)
