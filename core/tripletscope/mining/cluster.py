"""Whole-set mining on several machines: each worker of a Dask cluster searches its rows, and the answers are merged.

Every worker holds a part of the set, which it reads itself from storage that all machines see. A block of anchors goes
to all parts; each gives its k best, and `TopK.merge`, which is associative, makes of them what one machine would have
found: the same rows, at distances taken by the same differences. What travels is anchors and answers, never the set.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from typing import Any

import numpy as np

from tripletscope.errors import DataError, SettingError, TripletscopeError
from tripletscope.mining.approximate import Searcher
from tripletscope.mining.questions import Lots, Queries, TopK
from tripletscope.mining.search import Drawn, Nearest
from tripletscope.mining.shard import Report, Shard

#: Anchors that travel together, and how many such blocks are under way for each worker.
BLOCK_ROWS, UNDER_WAY = 8192, 2
#: How long a scheduler may take to answer.
TIMEOUT = "10s"
#: Parts that a worker keeps ready.
_KEPT = 4
_ready: OrderedDict[str, Shard] = OrderedDict()

#: Gives these rows of the set, by number; runs on the workers.
Load = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Part:
    """The rows of the set that one worker searches.

    Attributes:
        name: tells parts apart.
        load: reads them.
        places: (n,) which rows of the file, rising.
        classes: (n,) of each.
        rows: (n,) number of each, by which ties are broken.
        distance: name.
    """

    name: str
    load: Load
    places: np.ndarray
    classes: np.ndarray
    rows: np.ndarray
    distance: str

    def shard(self) -> Shard:
        """The part made ready for search; made once on each worker."""
        if self.name not in _ready:
            _ready[self.name] = Shard(self.load(self.places), self.classes, self.rows, self.distance)
            while len(_ready) > _KEPT:
                _ready.popitem(last=False)
        return _ready[self.name]


@dataclass(frozen=True)
class Question:
    """What a block of anchors asks of every part.

    Attributes:
        queries: of the block.
        k: how many rows.
        own: of the anchor's own class.
        farthest: the farthest first.
        lots: how rows are drawn; None for the nearest.
    """

    queries: Queries
    k: int
    own: bool = False
    farthest: bool = False
    lots: Lots | None = None


def answer(part: Part, question: Question) -> TopK:
    """The best rows of a part; the whole of what a worker does."""
    shard = part.shard()
    if question.lots is not None:
        return Drawn(question.queries, shard, question.k, question.lots).run(None)
    return Nearest(question.queries, shard, question.k, question.own, question.farthest).run(None)


def merged(answers: list[TopK]) -> TopK:
    """The best of all parts."""
    return reduce(TopK.merge, answers)


class Cluster:
    """Asks the workers of a Dask cluster; exact.

    Args:
        client: `distributed.Client`.
        shard: of the whole set; only its order is used, no copy of the vectors is made.
        load: gives rows of the file by number, on a worker.
    """

    def __init__(self, client: Any, shard: Shard, load: Load) -> None:
        from uuid import uuid4

        workers = list(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise SettingError("The Dask scheduler has no workers: start some, with `dask worker ADDRESS`.")
        self.client, self.workers, self.shard = client, workers, shard
        in_turn, name = np.argsort(shard.order, kind="stable"), uuid4().hex
        self.parts = []
        for number, columns in enumerate(np.array_split(in_turn, len(workers))):
            if len(columns):
                part = Part(
                    f"{name}-{number}", load, shard.order[columns], shard.classes[columns], shard.rows[columns],
                    shard.distance,
                )  # fmt: skip
                self.parts.append(client.scatter(part, workers=[workers[number]], hash=False))

    def own(self, queries: Queries, k: int, *, farthest: bool, progress: Report | None = None) -> TopK:
        """The k nearest or farthest other rows of each anchor's own class."""
        return self._ask(Question(queries, k, own=True, farthest=farthest), progress)

    def nearest(self, queries: Queries, k: int = 1, *, of: str = "", progress: Report | None = None) -> TopK:
        """The k nearest rows of other classes that are not nearer than `low` of each query."""
        return self._ask(Question(queries, k), progress)

    def drawn(
        self, queries: Queries, k: int = 1, *, lots: Lots | None = None, of: str = "", progress: Report | None = None
    ) -> TopK:
        """Up to k rows of other classes with low <= distance < high of each query, by lot."""
        return self._ask(Question(queries, k, lots=lots or Lots()), progress)

    def _ask(self, question: Question, progress: Report | None) -> TopK:
        from dataclasses import replace

        asked, anchors = question.queries, len(question.queries.rows)
        found = TopK.nobody(len(asked), question.k, farthest=question.farthest, drawn=question.lots is not None)
        waiting: deque[tuple[slice, int, Any]] = deque()

        def take() -> None:
            at, stop, future = waiting.popleft()
            found[at] = future.result()
            if progress is not None:
                progress(stop, anchors)

        try:
            for begin in range(0, anchors, BLOCK_ROWS):
                stop = min(begin + BLOCK_ROWS, anchors)
                block = self.client.scatter(replace(question, queries=asked.part(begin, stop)), hash=False)
                answers = [self.client.submit(answer, part, block, pure=False) for part in self.parts]
                at = slice(int(asked.first[begin]), int(asked.first[stop]))
                waiting.append((at, stop, self.client.submit(merged, answers, pure=False)))
                if len(waiting) > UNDER_WAY * len(self.workers):
                    take()
            while waiting:
                take()
        except TripletscopeError:
            raise
        except OSError as problem:
            raise DataError(
                f"A worker could not read its rows ({problem}): the file must lie under one path that all machines see."
            ) from problem
        finally:
            self.client.cancel([future for _, _, future in waiting])
        return found


@contextmanager
def connected(address: str, load: Load) -> Iterator[Callable[[Shard], Searcher]]:
    """What `mine_rows` takes as `searcher`, for a Dask scheduler at that address.

    Args:
        address: such as "tcp://10.0.0.5:8786".
        load: gives rows of the set by number; it is sent to the workers.

    Raises:
        SettingError: Dask is not installed, or nobody answers there.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError as missing:
        raise SettingError(
            "Dask is not installed, which --engine dask needs: pip install 'tripletscope[dask]'."
        ) from missing
    try:
        client = distributed.Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as problem:
        raise SettingError(
            f"No Dask scheduler answers at {address!r}: start one with `dask scheduler` and give the address it prints."
        ) from problem
    try:
        yield lambda shard: Cluster(client, shard, load)
    finally:
        client.close()
