"""One seed, many independent streams: every use of chance in a run has its own generator."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, *parts: str | int) -> int:
    """A 63-bit seed for the stream named by `parts`; the same parts give the same seed on every machine.

    Initial weights, batches and each strategy at each step draw from streams of their own. So adding a shadow
    strategy leaves the training bit-equal, and one step can be replayed without the steps before it.

    Example:
        >>> derive_seed(0, "strategy", "random", 7) == derive_seed(0, "strategy", "random", 7)
        True
        >>> derive_seed(0, "weights") == derive_seed(0, "batches")
        False
    """
    text = "\x1f".join([str(int(seed)), *(str(part) for part in parts)])
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, *parts: str | int) -> torch.Generator:
    """A CPU `torch.Generator` for the stream named by `parts`.

    It is always a CPU generator: a draw is moved to the device afterwards, so that one seed gives the same draw
    with and without a GPU.
    """
    import torch

    made = torch.Generator(device="cpu")
    made.manual_seed(derive_seed(seed, *parts))
    return made
