"""What a dialect is: a library's own reading of a word such as semi-hard, and how we know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tripletscope.batch import Batch
from tripletscope.dialects.rule import Rule, answers, drawn
from tripletscope.errors import UnknownNameError
from tripletscope.registry import Registry
from tripletscope.strategies.base import STRATEGIES
from tripletscope.triplets import Triplets

#: Whose dialect every other is compared with: ours, which is what the words mean on screen and in files.
OURS = "tripletscope"


@dataclass(frozen=True)
class Dialect:
    """What one library does under one word.

    Args:
        name: lower-case with hyphens.
        library: whose it is, as people write it.
        short: for a column of a table.
        call: what one writes there to get it.
        word: the strategy of ours that it is taken for.
        version: of the library that was read, and of the one that was run where it was.
        source: file and function.
        run: what was run against the library itself; "" where it was only read.
        rule: what it does.
        normalises: whether it scales the embeddings to length 1 itself.
        ties: what it does among equals.
        notes: what the axes do not say, a sentence each.
        order: place in lists.

    Example:
        >>> from tripletscope import dialects
        >>> one = dialects.get("sentence-transformers-semi-hard")
        >>> batch = Batch.from_embeddings(torch.tensor([[0.0], [1.0], [0.5], [0.7]]), torch.tensor([0, 0, 1, 2]))
        >>> sorted(one.pick(batch, margin=0.2).to_set())
        [(0, 1, 3), (1, 0, 2)]
    """

    name: str
    library: str
    short: str
    call: str
    word: str
    version: str
    source: str
    run: str
    rule: Rule
    normalises: bool
    ties: str
    notes: tuple[str, ...]
    order: int

    @property
    def ours(self) -> bool:
        """Whether it is the definition that the others are compared with."""
        return self.library == OURS

    def batch(self, embeddings: Float[Tensor, "B D"], labels: Int[Tensor, " B"]) -> Batch:
        """The batch as that library sees it by default: its distance, scaled if it scales."""
        rows = torch.nn.functional.normalize(embeddings, dim=1) if self.normalises else embeddings
        return Batch.from_embeddings(rows, labels, self.rule.distance)

    def pick(self, batch: Batch, *, margin: float, generator: torch.Generator | None = None) -> Triplets:
        """What it would pick from these distances, whichever they are.

        An anchor that counts as its own positive, at d(a,p) = 0, stands in both columns.

        Args:
            batch: in its own distance (`batch()`), or in any other to compare the rules alone.
            margin: above 0, in the unit of the distance.
            generator: for what is drawn by lot.

        Raises:
            DataError: a distance that is no finite number.
            SettingError: a margin that is none.
        """
        if self.rule.composition is not None:
            return STRATEGIES.get(self.rule.composition).pick(batch, margin=margin, generator=generator)
        STRATEGIES.get("random").settings(margin, {})
        return drawn(answers(self.rule, batch, margin), generator)

    def describe(self) -> dict[str, Any]:
        """What lists and docs need to know, ready for JSON."""
        return {
            **{key: value for key, value in vars(self).items() if key not in ("rule", "notes")},
            "rule": self.rule.choices,
            "composition": self.rule.composition,
            "notes": list(self.notes),
        }


DIALECTS: Registry[Dialect] = Registry("dialect", group="tripletscope.dialects")


def dialect(
    rule: Rule,
    *,
    name: str,
    library: str,
    short: str,
    call: str,
    word: str,
    version: str,
    source: str,
    run: str = "",
    normalises: bool = False,
    ties: str = "the lowest slot",
    notes: tuple[str, ...] = (),
    order: int,
) -> Dialect:
    """The dialect, now known by its name; see `Dialect` for the arguments."""
    return DIALECTS.register(
        Dialect(
            name=name,
            library=library,
            short=short,
            call=call,
            word=word,
            version=version,
            source=source,
            run=run,
            rule=rule,
            normalises=normalises,
            ties=ties,
            notes=notes,
            order=order,
        )
    )


def words() -> list[str]:
    """The strategies of ours that libraries have dialects of, in display order."""
    return list(dict.fromkeys(one.word for one in DIALECTS))


def of_word(word: str) -> list[Dialect]:
    """The dialects of that word, ours first.

    Raises:
        UnknownNameError: a word that no dialect is about.
    """
    found = [one for one in DIALECTS if one.word == word]
    if not found:
        raise UnknownNameError("strategy with dialects", word, words())
    return found
