"""What a mining strategy must keep, as checks that anyone can run on theirs; no test runner is needed.

`check_miner` is for any function of embeddings and labels, also of another library:

Example:
    >>> from tripletscope.testing import check_miner, wrap_strategy
    >>> print(str(check_miner(wrap_strategy("hardest"), like="hardest")).splitlines()[0])
    hardest compared with hardest: 0 of 17 checks failed

`check_strategy` is for a strategy that is registered here, and holds it to the whole `CONTRACT`:

    >>> from tripletscope import strategies
    >>> check_strategy(strategies.get("batch-hard"))

`oracles` has the definitions in plain loops. docs/testing-a-miner.md goes through it.
"""

from __future__ import annotations

from tripletscope.testing.contract import CONTRACT, MARGIN, check_strategy, example_batches, unit_points
from tripletscope.testing.miners import (
    CHECKS,
    MinerError,
    Outcome,
    Report,
    check_miner,
    definition,
    wrap_pytorch_metric_learning,
    wrap_strategy,
)

__all__ = [
    "CHECKS",
    "CONTRACT",
    "MARGIN",
    "MinerError",
    "Outcome",
    "Report",
    "check_miner",
    "check_strategy",
    "definition",
    "example_batches",
    "unit_points",
    "wrap_pytorch_metric_learning",
    "wrap_strategy",
]
