"""What lies on a desk: one file, the set that was made of it, and what has been worked out about it so far."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from tripletscope.errors import DataError

if TYPE_CHECKING:
    from tripletscope.embeddings.embedding_set import EmbeddingSet
    from tripletscope.embeddings.opening import LookedInto

T = TypeVar("T")
#: Called as tell(done, all) while a question is worked on; it raises `Cancelled` when nobody wants the answer any more.
Tell = Callable[[int, int], None]
#: A question: it gets what is held, how to tell how far it is, and by keyword what was asked with it.
Question = Callable[..., dict[str, Any]]

QUESTIONS: dict[str, Question] = {}


class Cancelled(Exception):
    """Nobody wants the answer any more."""


def question(answer: Question) -> Question:
    """Registers a question under the function's own name.

    Example:
        @question
        def row(held: Held, tell: Tell, *, row: int) -> dict[str, Any]: ...
    """
    assert answer.__name__ not in QUESTIONS, f"two questions are called {answer.__name__}"
    QUESTIONS[answer.__name__] = answer
    return answer


@dataclass(eq=False)
class Held:
    """One person's file, while the desk's process lives. Questions come on several threads.

    Attributes:
        looked: the file as it was read, or None before.
        set: made of it by the mapping that was chosen last, or None.
    """

    looked: LookedInto | None = None
    set: EmbeddingSet | None = None
    _memo: dict[Hashable, Any] = field(default_factory=dict)
    _locks: dict[Hashable, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def opened(self) -> EmbeddingSet:
        """The set.

        Raises:
            DataError: nothing is open.
        """
        if self.set is None:
            raise DataError("No file is open here: drop one first.")
        return self.set

    def take(self, looked: LookedInto, made: EmbeddingSet | None) -> None:
        """Nothing; this is held from now on, and what was known of another set is forgotten."""
        with self._lock:
            self.looked, self.set = looked, made
            self._memo, self._locks = {}, {}

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made once for this set however many ask at a time.

        Example:
            >>> held = Held()
            >>> held.kept("three", lambda: 3), held.kept("three", lambda: 4)
            (3, 3)
        """
        with self._lock:
            memo, lock = self._memo, self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in memo:
                memo[key] = make()
            found: T = memo[key]
            return found
