"""From runs to a file: stage, draw, encode; whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tripletscope.analysis.work import Progress, ShouldStop, Work
from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.film.drawing import NARROWEST, Painter
from tripletscope.film.encode import common_palette, need_video, write_gif, write_video
from tripletscope.film.scene import SPACES, Shot, Space, shots, stage
from tripletscope.palette import BACKGROUND, Theme
from tripletscope.store.reader import Run

#: What `tripletscope export --what` offers of this, each with the ending of its files.
KINDS = {"gif": ".gif", "webm": ".webm", "mp4": ".mp4"}
WIDEST = 3840
#: Pictures that are looked at for the colours of a GIF.
_SAMPLES = 6


@dataclass(frozen=True)
class Film:
    """How an animation is made.

    Attributes:
        kind: "gif", "webm" or "mp4".
        theme: "light" or "dark".
        anchor: row of the run's samples; the one that the Watch page opens with when None.
        positive: row of its positive; the one that the Watch page shows first when None.
        space: "own" or "umap".
        width: in pixels; an odd one is made even.
        fps: pictures a second.
        seconds: about how long it moves.
        hold: how long the last picture stands, in seconds; the first stands half as long.
        steps: these only; None for all.

    Example:
        make_film([Run.open("runs/semi-hard")], Path("semi-hard.gif"), Film("gif", theme="dark"))
    """

    kind: str
    theme: Theme = "light"
    anchor: int | None = None
    positive: int | None = None
    space: Space = "own"
    width: int = 960
    fps: int = 12
    seconds: int | float = 8.0
    hold: int | float = 2.0
    steps: range | None = None

    def check(self, runs: int = 1) -> None:
        """Nothing.

        Args:
            runs: how many stand side by side.

        Raises:
            SettingError: a setting out of its range, or an encoder that is not installed.
        """
        if self.kind not in KINDS:
            raise UnknownNameError("animation", self.kind, KINDS)
        if self.theme not in BACKGROUND:
            raise UnknownNameError("theme", self.theme, BACKGROUND)
        if self.space not in SPACES:
            raise UnknownNameError("space", self.space, SPACES)
        least = NARROWEST * (2 if runs == 1 else min(runs, 3))
        if not least <= self.width <= WIDEST:
            raise SettingError(f"--width is {self.width}, but it should be {least} to {WIDEST} pixels for {runs} maps.")
        if not 1 <= self.fps <= 50:
            raise SettingError(
                f"--fps is {self.fps}, but it should be 1 to 50: a GIF knows no shorter time than 1/50 s."
            )
        for name, value, least_seconds in (("seconds", self.seconds, 0.1), ("hold", self.hold, 0.0)):
            if not least_seconds <= value <= 120:
                raise SettingError(f"--{name} is {value:g}, but it should be {least_seconds:g} to 120.")
        if self.kind != "gif":
            need_video(self.kind)


def make_film(
    runs: Sequence[Run],
    out: Path,
    film: Film,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> None:
    """Nothing; the file holds the animation, whole or not at all.

    Args:
        runs: one, or several of the same samples side by side.
        out: ends as its kind does.
        film: how it is made.
        overwrite: replace a file that is there.
        progress: called with (done, total), counted in pictures.
        should_stop: asked at every picture.

    Raises:
        SettingError: the file exists, has another ending, or its folder does not exist; or a setting is out of range.
        RunError: a run has nothing to draw, or the runs are of different samples.
        CancelledError: `should_stop` said so.
    """
    film.check(len(runs))
    if out.suffix.lower() != KINDS[film.kind]:
        raise SettingError(f"{out} is to be a {film.kind}: let --out end in {KINDS[film.kind]}.")
    if out.exists() and not overwrite:
        raise SettingError(f"{out} exists: choose another name, or add --overwrite.")
    if not out.parent.is_dir():
        raise SettingError(f"There is no folder {out.parent}: make it first.")
    Work(0, None, should_stop).advance(0)  # staging asks the strategies, and takes a second
    scene = stage(runs, anchor=film.anchor, positive=film.positive, space=film.space, steps=film.steps)
    painter = Painter(scene, film.width, film.theme)
    order = shots(scene.ticks, fps=film.fps, seconds=film.seconds, hold=film.hold)
    samples = order[:: max(len(order) // _SAMPLES, 1)] if film.kind == "gif" else []
    work = Work(len(samples) + len(order), progress, should_stop)
    number, name = tempfile.mkstemp(dir=out.parent, prefix=".", suffix=".part")
    os.close(number)
    temporary = Path(name)
    try:
        if film.kind == "gif":
            colours = common_palette(painter.base_colours(), [one for one, _ in _drawn(painter, samples, work)])
            write_gif(temporary, _drawn(painter, order, work), fps=film.fps, colours=colours)
        else:
            pictures = _drawn(painter, order, work)
            write_video(temporary, pictures, kind=film.kind, fps=film.fps, size=painter.size)
        os.chmod(temporary, 0o644)
        os.replace(temporary, out)
    except OSError as problem:
        raise SettingError(f"{out} could not be written ({problem.strerror or problem}).") from problem
    finally:
        with suppress(OSError):  # after the rename it is gone
            temporary.unlink()


def _drawn(painter: Painter, order: Sequence[Shot], work: Work) -> Iterator[tuple[Image.Image, int]]:
    for shot in order:
        work.advance(0)
        yield painter.draw(shot), shot.lasts
        work.advance()
