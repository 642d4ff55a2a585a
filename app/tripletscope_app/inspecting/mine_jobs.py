"""Mining from the page: the command that a person can type, in a process of its own, with what it tells on the way."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tripletscope_app.map_jobs import hang_up

State = Literal["running", "ready", "failed", "cancelled"]
#: After this many seconds a process that was asked to stop is killed.
PATIENCE = 15.0
#: What each stage is called on the screen.
STAGES = {
    "reading": "Reading the file",
    "looking": "Looking at the findings",
    "mining": "Mining",
    "writing": "Writing",
}
#: Defaults of the command line, which are left out of it.
USUAL = {"strategy": "semi-hard", "margin": 0.2, "distance": "cosine", "negatives": 1, "seed": 0}


@dataclass(frozen=True)
class Options:
    """Everything that decides the triplets of a set, in the words of the command line.

    Attributes:
        strategy: by name.
        margin: above 0.
        distance: by name.
        source: who belongs together: "labels", "duplicates" or "pairs".
        pairs: file of pairs, for that.
        positives: a number, "all", or None for the strategy's own one.
        negatives: for each pair.
        filters: (name, number) of the filters against false negatives.
        cap_per_negative: or None.
        cap_per_pair: or None.
        skip: of top-n-window; None for its default.
        seed: of all draws.
        kept: checks whose rows are not left out.
        rows: places left out by hand.
    """

    strategy: str
    margin: float
    distance: str
    source: str = "labels"
    pairs: str | None = None
    positives: int | str | None = None
    negatives: int = 1
    filters: tuple[tuple[str, float], ...] = ()
    cap_per_negative: int | None = None
    cap_per_pair: int | None = None
    skip: int | None = None
    seed: int = 0
    kept: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()

    def words(self, *, pairs: str | None = None, exclude: str | None = None) -> list[str]:
        """The options as words of the command line; what is usual stays out, but for strategy and margin.

        Args:
            pairs: the file of pairs, by the name that it shall have there.
            exclude: the file with the ids that were left out by hand.

        Example:
            >>> Options("hardest", 0.5, "cosine", negatives=2, kept=("hubs",)).words()[4:]
            ['--negatives-per-anchor', '2', '--keep-finding', 'hubs']
        """
        told = ["--strategy", self.strategy, "--margin", repr(float(self.margin))]
        if self.distance != USUAL["distance"]:
            told += ["--distance", self.distance]
        if self.source == "duplicates":
            told += ["--duplicates-as-pairs"]
        if self.source == "pairs" and pairs is not None:
            told += ["--pairs", pairs]
        if self.positives is not None:
            told += ["--positives-per-anchor", str(self.positives)]
        if self.negatives != USUAL["negatives"]:
            told += ["--negatives-per-anchor", str(self.negatives)]
        if self.skip is not None:
            told += ["--skip", str(self.skip)]
        for name, number in self.filters:
            told += ["--filter", f"{name}={number:g}"]
        for option, value in (("negative", self.cap_per_negative), ("pair", self.cap_per_pair)):
            if value is not None:
                told += [f"--cap-per-{option}", str(value)]
        if self.seed != USUAL["seed"]:
            told += ["--seed", str(self.seed)]
        if self.source == "labels":
            for name in self.kept:
                told += ["--keep-finding", name]
        if self.rows and exclude is not None:
            told += ["--exclude", exclude]
        return told


def source_words(
    files: Mapping[str, str | Path], changes: Mapping[str, Any], *, limit: float | None = None, pictures: bool = False
) -> list[str]:
    """The files and columns as words of the command line.

    Args:
        files: "embeddings" and perhaps "metadata" and "pictures", by path or by name.
        changes: of the proposed mapping, by part.
        limit: gigabytes that the content may take once opened, where it is not the usual.
        pictures: whether the command has use for them.

    Example:
        >>> source_words({"embeddings": "v.npy"}, {"label": "kind", "id": None, "vector": ("e0", "e1")})
        ['v.npy', '--label', 'kind', '--without', 'id', '--vector', 'e0', 'e1']
    """
    told = [str(files["embeddings"])]
    if "metadata" in files:
        told += ["--metadata", str(files["metadata"])]
    if pictures and "pictures" in files:
        told += ["--pictures", str(files["pictures"])]
    several: list[str] = []
    for part, chosen in changes.items():
        if part in ("x", "y"):
            continue  # where a row is drawn decides no triplet
        if part == "vector":
            several = ["--vector", *([chosen] if isinstance(chosen, str) else map(str, chosen or ()))]
        else:
            told += ["--without", part] if chosen is None else [f"--{part}", str(chosen)]
    if limit is not None:
        told += ["--limit", f"{limit:g}"]
    return told + several  # last, because it takes as many words as follow


def command_line(words: Sequence[str]) -> str:
    r"""The words as one line for a shell, broken where an option begins.

    Example:
        >>> print(command_line(["mine", "a b.npy", "--margin", "0.2"]))
        tripletscope mine 'a b.npy' \
          --margin 0.2
    """
    lines = ["tripletscope"]
    for word in words:
        if word.startswith("--") and len(word) > 2:
            lines.append(shlex.quote(word))
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return " \\\n  ".join(lines)


@dataclass(eq=False)
class Job:
    """One mining under way, or over. Safe to look at from any thread.

    Attributes:
        options: what is mined.
        folder: of its files; `folder / "mined"` keeps the triplets.
        state: how it stands.
        stage: what it is doing.
        done: of `total` how much of that stage is done.
        total: see `done`; 0 where that cannot be told.
        notes: what it said on the way, one sentence each.
        message: what went wrong.
        rows: triplets, when it is ready.
        out: the file, when it is ready.
        seconds: how long it took.
    """

    options: Options
    folder: Path
    state: State = "running"
    stage: str = "reading"
    done: int = 0
    total: int = 0
    notes: list[str] = field(default_factory=list)
    message: str | None = None
    rows: int = 0
    out: Path | None = None
    seconds: float = 0.0
    _process: subprocess.Popen[str] | None = None
    _cancelled: bool = False
    _began: float = field(default_factory=time.monotonic)
    _stage_began: float = field(default_factory=time.monotonic)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self, words: Sequence[str], command: Sequence[str] | None = None) -> Job:
        """Itself; the process is under way."""
        began = [*(command or [sys.executable, "-P", "-m", "tripletscope"]), *words]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        try:
            self._process = subprocess.Popen(
                began,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env={**os.environ, **threads},
                start_new_session=True,  # Ctrl-C in the server's terminal is the server's
            )
        except OSError as problem:
            self.state, self.message = "failed", f"Its process could not be started ({problem.strerror})."
            self._over.set()
            return self
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        return self

    @property
    def share(self) -> float:
        """How much of the stage is done, 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """About how long the stage still takes; None before that can be told."""
        passed = time.monotonic() - self._stage_began
        return passed * (1 - self.share) / self.share if self.share >= 0.03 and passed > 0.5 else None

    @property
    def words(self) -> str:
        """What it is doing, for the screen."""
        return STAGES.get(self.stage, self.stage[:1].upper() + self.stage[1:])

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it is over, after so many seconds at the most."""
        return self._over.wait(seconds)

    def cancel(self) -> None:
        """Nothing; it ends at its next breath and leaves nothing half-written."""
        process = self._process
        if process is None or process.stdin is None or self.state != "running":
            return
        self._cancelled = True
        hang_up(process, PATIENCE)

    def _listen(self, process: subprocess.Popen[str]) -> None:
        """In a thread of its own: hears the process out."""
        assert process.stdout is not None
        for line in process.stdout:
            try:
                told = json.loads(line)
                if "note" in told:
                    self.notes.append(str(told["note"]))
                else:
                    self._hear(told)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # something printed by a library
        process.wait()
        process.stdout.close()
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        if self.state == "running" and self._cancelled:
            self.state = "cancelled"
        elif self.state == "running":
            self.state = "failed"
            self.message = "The process ended too early, most likely for want of memory: ask for fewer triplets."
        self.seconds = time.monotonic() - self._began
        self._over.set()

    def _hear(self, told: Mapping[str, Any]) -> None:
        state = told["state"]
        if state == "running":
            if told["stage"] != self.stage or told["done"] < self.done:
                self._stage_began = time.monotonic()
            self.stage, self.done, self.total = str(told["stage"]), int(told["done"]), int(told["total"])
        elif state == "ready":
            self.rows, self.out, self.state = int(told["rows"]), Path(told["out"]), "ready"
        elif state == "cancelled":
            self.state = "cancelled"
        else:
            self.state, self.message = "failed", str(told.get("message") or "It could not be mined.")
