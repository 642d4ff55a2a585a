"""Our own words: what every other dialect is compared with."""

from __future__ import annotations

from tripletscope.dialects.base import OURS, dialect
from tripletscope.dialects.rule import Rule

_RULES = {
    "semi-hard": Rule(lower="positive", upper="margin"),
    "batch-hard": Rule(units="anchor", positive="farthest"),
    "hardest": Rule(),
    "batch-all": Rule(negative="all"),
    "easy": Rule(negative="farthest"),
    "random": Rule(negative="random"),
}

OWN = tuple(
    dialect(
        rule,
        name=f"{OURS}-{word}",
        library=OURS,
        short="here",
        call=f'strategies.get("{word}")',
        word=word,
        version="this one",
        source=f"strategies/{word.replace('-', '_')}.py",
        run="every test of the strategies",
        notes=("The distance is the run's; plain ones unless it says otherwise.",),
        order=place,
    )
    for place, (word, rule) in enumerate(_RULES.items())
)
