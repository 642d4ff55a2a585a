"""What a mining strategy must keep, as checks that anyone can run on theirs; no test runner is needed.

A strategy registered here is held to the `CONTRACT`:

    import pytest
    from tripletscope.testing import CONTRACT

    @pytest.mark.parametrize("check", CONTRACT.values(), ids=CONTRACT.keys())
    def test_contract(check):
        check(my_strategy)

or to all of it at once:

Example:
    >>> from tripletscope import strategies
    >>> check_strategy(strategies.get("batch-hard"))
"""

from __future__ import annotations

from tripletscope.testing.contract import CONTRACT, MARGIN, check_strategy, example_batches, unit_points

__all__ = ["CONTRACT", "MARGIN", "check_strategy", "example_batches", "unit_points"]
