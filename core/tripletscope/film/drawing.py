"""The pictures of an animation: the map of each run beside the others, what is picked in words, and the clock below.

Everything is drawn at twice the size and brought down, which makes edges smooth. Where things stand is decided once
for the whole animation, so that what moves is the data and never the axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Float64
from PIL import Image, ImageDraw

from tripletscope import palette
from tripletscope.film.lettering import font, initials, legible
from tripletscope.film.picks import NOBODY, Several
from tripletscope.film.scene import Actor, Scene, Shot
from tripletscope.palette import RGB, Theme, mix, outline, rgb
from tripletscope.zones import ZONES

#: Under the checks of the test run a float is no int, and pixels are both.
Number = int | float
Place = tuple[Number, Number]

#: Drawn at this many times the size.
FINE = 2
#: More names would bury the points.
MANY_CLASSES = 20
#: Points of a space whose 98 % lie within so many pixels are a dot.
COLLAPSED = 9.0
#: Narrower maps cannot be read.
NARROWEST = 120
_HEAD, _FOOT, _GAP, _RIM = 34, 62, 14, 14
_BESIDE = 0.6  # of the width, for the map of a single run
_STRONG, _SEAM = 0.92, 0.7  # opacity of points, and of the rim that keeps them apart


@dataclass(frozen=True)
class Frame:
    """Where the map of one run stands, in pixels of the finished picture."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class _Pin:
    """A sample that the picture speaks of, with its picture beside it."""

    sample: int
    x: float
    y: float
    size: float
    ring: RGB
    weight: int
    round: bool
    side: float  # the angle at which it stands where the direction says nothing


class Painter:
    """Draws the shots of a scene.

    Args:
        scene: what is to be seen.
        width: of the pictures, in pixels.
        theme: "light" or "dark".

    Example:
        painter = Painter(stage([run]), 960, "light")
        painter.draw(Shot(tick=30, step=30.0)).save("step-30.png")
    """

    def __init__(self, scene: Scene, width: int, theme: Theme) -> None:
        self.scene, self.theme = scene, theme
        self.width = width + width % 2  # video codecs want even sizes
        self.ground, self.ink = rgb(palette.BACKGROUND[theme]), rgb(palette.TEXT[theme])
        self.soft, self.line = mix(self.ink, self.ground, 0.62), mix(self.ink, self.ground, 0.22)
        self.colours = palette.class_colours(len(scene.class_names), theme)
        self.frames = self._arrange()
        below = max(frame.top + frame.height for frame in self.frames)
        captions = 0 if self.alone else _captions_height()
        self.height = below + captions + _FOOT
        self.height += self.height % 2

    @property
    def alone(self) -> bool:
        """Whether there is one run, whose words stand beside its map."""
        return len(self.scene.actors) == 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures, both even."""
        return self.width, self.height

    @property
    def dot(self) -> float:
        """Diameter of a point, in pixels: many are drawn smaller, or they would be one patch."""
        crowd = min(max((2000 / max(len(self.scene.labels), 1)) ** 0.18, 0.6), 1.6)
        side = min(self.frames[0].width, self.frames[0].height)
        return float(min(max(4.6 * crowd * math.sqrt(side / 420), 2.6), 12.0))

    def spots(self, number: int, shot: Shot) -> Float64[np.ndarray, "n 2"]:
        """Where the samples of a run stand in the picture, in pixels from its top left; NaN for one without a place.

        Args:
            number: of the run.
            shot: which picture.
        """
        actor, frame = self.scene.actors[number], self.frames[number]
        inside = self._on_map(actor, frame, actor.places_at(shot.step))
        return np.asarray(inside + np.array([frame.left, frame.top]), np.float64)

    def centre_spots(self, number: int, shot: Shot) -> Float64[np.ndarray, "c 2"]:
        """The same of the learned centres, by class; none for a run without."""
        actor, frame = self.scene.actors[number], self.frames[number]
        inside = self._on_map(actor, frame, actor.centres_at(shot.step))
        return np.asarray(inside + np.array([frame.left, frame.top]), np.float64)

    def draw(self, shot: Shot) -> Image.Image:
        """The picture, in RGB."""
        width, height = self.size
        picture = Image.new("RGB", (FINE * width, FINE * height), self.ground)
        pen = ImageDraw.Draw(picture)
        for actor, frame in zip(self.scene.actors, self.frames, strict=True):
            place = (FINE * frame.left, FINE * frame.top)
            picture.paste(self._map(actor, frame, shot), place)
            self._border(pen, frame)
            self._head(pen, actor, frame)
            self._caption(pen, actor, frame, shot)
        self._clock(pen, shot)
        return picture.reduce(FINE)

    def base_colours(self) -> list[RGB]:
        """The colours that a picture of few colours must have, the most important first."""
        zones = palette.ZONE_LINES[self.theme].values()
        tints = [mix(rgb(c), self.ground, share) for c, share in palette.ZONE_TINTS[self.theme].values()]
        inks = [rgb(colour) for colour in palette.ZONE_INKS[self.theme].values()]
        marks = [rgb(actor.mark[self.theme]) for actor in self.scene.actors]
        points = [mix(colour, self.ground, _STRONG) for colour in self.colours]
        found = [self.ground, self.ink, self.soft, self.line, *map(rgb, zones), *tints, *marks, *points, *inks]
        return list(dict.fromkeys(found))

    # ---- where things stand

    def _arrange(self) -> list[Frame]:
        count = len(self.scene.actors)
        if self.alone:
            side = round(_BESIDE * (self.width - 2 * _RIM))
            return [Frame(_RIM, _RIM, side, side)]
        columns = count if count <= 3 else math.ceil(count / 2)
        side = (self.width - 2 * _RIM - (columns - 1) * _GAP) // columns
        tall = _HEAD + side + _captions_height() + _GAP
        places = [divmod(number, columns) for number in range(count)]
        return [Frame(_RIM + x * (side + _GAP), _RIM + _HEAD + y * tall, side, side) for y, x in places]

    def _on_map(self, actor: Actor, frame: Frame, places: Float32[np.ndarray, "m 2"]) -> Float64[np.ndarray, "m 2"]:
        """Pixels from the top left of the map."""
        scale = self._scale(actor, frame)
        x = frame.width / 2 + (places[:, 0].astype(np.float64) - actor.centre[0]) * scale
        y = frame.height / 2 - (places[:, 1].astype(np.float64) - actor.centre[1]) * scale
        return np.stack([x, y], axis=1)

    @staticmethod
    def _scale(actor: Actor, frame: Frame) -> float:
        return min(frame.width, frame.height) / 2 / actor.extent

    # ---- the map

    def _map(self, actor: Actor, frame: Frame, shot: Shot) -> Image.Image:
        sheet = Image.new("RGB", (FINE * frame.width, FINE * frame.height), self.ground)
        pen = ImageDraw.Draw(sheet)
        spots = FINE * self._on_map(actor, frame, actor.places_at(shot.step))
        at = actor.frame_at(shot.tick)
        anchor, positive, negative = self.scene.anchor, int(actor.picks.positive[at]), int(actor.picks.negative[at])
        centres = FINE * self._on_map(actor, frame, actor.centres_at(shot.step))
        # A run that learns from centres has its zones about that of the anchor's class.
        bound = spots[positive] if positive != NOBODY else self._own_centre(actor, at, centres)
        if actor.rings and bound is not None and np.isfinite([spots[anchor], bound]).all():
            self._rings(pen, actor, frame, spots[anchor], bound)
        self._points(sheet, spots)
        middle, reach = _shape(spots)
        collapsed = reach < COLLAPSED * FINE
        self._lines(pen, actor, at, spots)
        self._centre_lines(pen, actor, at, spots, centres)
        spoken = (actor.picks.rival[at], int(self.scene.labels[anchor])) if actor.picks.rival else ()
        for label in sorted(range(len(centres)), key=lambda each: each in spoken):  # these lie on top
            self._centre(pen, centres[label], mix(self.colours[label], self.ground, _STRONG), frame)
        pins = self._pins(actor, frame, spots, positive, negative)
        if not collapsed and len(self.scene.class_names) <= MANY_CLASSES:
            self._names(pen, frame, spots, [pin for pin, _, _ in pins], pins, centres)
        for pin, x, y in pins:
            self._pin(sheet, pen, pin, x, y)
        if actor.exact:
            self._scale_bar(pen, actor, frame)
        if collapsed and len(spots):
            words = f"all {len(spots):,} points are in this dot"
            x = min(max(float(middle[0]), FINE * 100), FINE * (frame.width - 100))
            below = float(middle[1]) + FINE * 84
            y = below if below < FINE * (frame.height - 40) else float(middle[1]) - FINE * 100
            self._halo(pen, (x, y), words, 13, self.ink, "mm")
        return sheet

    @cached_property
    def _stamps(self) -> tuple[Image.Image, Image.Image]:
        """(disc with its seam, disc) as masks, drawn once: a point is two of these in its colour."""
        side, many = math.ceil(FINE * self.dot) + 2, 8
        masks = []
        for diameter in (FINE * self.dot, FINE * self.dot - 2):
            mask = Image.new("L", (many * side, many * side), 0)
            low, high = many * (side - diameter) / 2, many * (side + diameter) / 2
            ImageDraw.Draw(mask).ellipse((low, low, high, high), fill=255)
            masks.append(mask.resize((side, side), Image.Resampling.BOX))
        outer, inner = masks
        return outer.point(lambda value: round(value * _SEAM)), inner.point(lambda value: round(value * _STRONG))

    def _points(self, sheet: Image.Image, spots: Float64[np.ndarray, "n 2"]) -> None:
        seam, disc = self._stamps
        corners = np.full((len(spots), 2), -(10**6))
        known = np.isfinite(spots).all(axis=1)
        corners[known] = np.rint(spots[known].clip(-1e5, 1e5) - disc.width / 2)
        for (x, y), label in zip(corners.tolist(), self.scene.labels.tolist(), strict=True):
            if -disc.width < x < sheet.width and -disc.width < y < sheet.height:
                sheet.paste(self.ground, (x, y), seam)
                sheet.paste(self.colours[label], (x, y), disc)

    def _rings(
        self, pen: ImageDraw.ImageDraw, actor: Actor, frame: Frame, anchor: np.ndarray, positive: np.ndarray
    ) -> None:
        """Zones about the anchor: the circle through the positive bounds "hard", the margin beyond it "semi-hard"."""
        scale = FINE * self._scale(actor, frame)
        near = float(np.hypot(*(positive - anchor)))
        length = near / scale
        # The margin is in the unit of the distance: under squared distances it is added before the root.
        far = scale * (length + actor.margin if actor.distance == "euclidean" else math.sqrt(length**2 + actor.margin))
        for radius, zone in ((far, "semi-hard"), (near, "hard")):
            colour, share = palette.ZONE_TINTS[self.theme][zone]
            line = rgb(palette.ZONE_LINES[self.theme][zone])
            box = _box(anchor, min(radius, 8.0 * FINE * frame.width))
            pen.ellipse(box, fill=mix(rgb(colour), self.ground, share), outline=line, width=FINE)

    def _lines(self, pen: ImageDraw.ImageDraw, actor: Actor, at: int, spots: Float64[np.ndarray, "n 2"]) -> None:
        """To the positive in the ink of the text, dashed where nothing is picked; to the negative in its zone's."""
        anchor, positive, negative = self.scene.anchor, int(actor.picks.positive[at]), int(actor.picks.negative[at])
        if positive != NOBODY:
            none = not len(actor.picks.several[at].negatives) if actor.picks.several else negative == NOBODY
            abstains = actor.picks.kind in ("picks", "several") and none
            self._stroke(pen, spots[anchor], spots[positive], self.ink, 1.8, dashed=abstains)
        if actor.picks.several:
            own, taken = rgb(actor.mark[self.theme]), actor.picks.several[at]
            for sample, code in reversed(list(zip(taken.negatives.tolist(), taken.zones.tolist(), strict=True))):
                self._stroke(pen, spots[anchor], spots[sample], rgb(palette.ZONE_LINES[self.theme][ZONES[code]]), 1.6)
                if np.isfinite(spots[sample]).all():
                    pen.ellipse(_box(spots[sample], FINE * 4), outline=own, width=round(FINE * 1.5))
        zone = actor.picks.zone_name(at)
        if zone is not None and negative != NOBODY:
            self._stroke(pen, spots[anchor], spots[negative], rgb(palette.ZONE_LINES[self.theme][zone]), 3.0)

    def _own_centre(self, actor: Actor, at: int, centres: Float64[np.ndarray, "c 2"]) -> np.ndarray | None:
        """Where the centre of the anchor's class stands, in a run that learns from it."""
        learns = actor.picks.kind == "centres" and actor.picks.rival[at] != NOBODY and len(centres)
        return centres[int(self.scene.labels[self.scene.anchor])] if learns else None

    def _centre_lines(
        self,
        pen: ImageDraw.ImageDraw,
        actor: Actor,
        at: int,
        spots: Float64[np.ndarray, "n 2"],
        centres: Float64[np.ndarray, "c 2"],
    ) -> None:
        """To the centre of the anchor's class as to a positive, to the nearest other one as to a negative."""
        own, zone = self._own_centre(actor, at, centres), actor.picks.zone_name(at)
        if own is None or zone is None:
            return
        start = spots[self.scene.anchor]
        self._stroke(pen, start, own, self.ink, 1.8)
        self._stroke(pen, start, centres[actor.picks.rival[at]], rgb(palette.ZONE_LINES[self.theme][zone]), 3.0)

    def _centre(self, pen: ImageDraw.ImageDraw, spot: np.ndarray, colour: RGB, frame: Frame) -> None:
        """A learned centre: the ringed cross that the Watch page has."""
        if not np.isfinite(spot).all():
            return
        radius = FINE * min(max(frame.width / 70, 4.5), 7.0)
        x, y = spot.tolist()
        pen.ellipse(_box(spot, radius + FINE * 2), fill=self.ground)
        pen.ellipse(_box(spot, radius), outline=colour, width=round(FINE * 1.7))
        for ends in ([x - radius, y, x + radius, y], [x, y - radius, x, y + radius]):
            pen.line(ends, fill=colour, width=round(FINE * 1.7))

    def _stroke(
        self, pen: ImageDraw.ImageDraw, start: np.ndarray, end: np.ndarray, colour: RGB, weight: Number,
        *, dashed: bool = False,
    ) -> None:  # fmt: skip
        """A line with a seam in the colour of the ground, or it would drown among the points."""
        if not np.isfinite([start, end]).all():
            return
        pen.line([*start, *end], fill=self.ground, width=round(FINE * (weight + 2.4)))
        length = float(np.hypot(*(end - start)))
        dash = FINE * 6.0
        parts = max(round(length / dash), 1) if dashed else 1
        for part in range(0, parts, 2):
            one, other = (start + (end - start) * min(k / parts, 1.0) for k in (part, part + 1))
            pen.line([*one, *other], fill=colour, width=round(FINE * weight))

    # ---- samples that the picture speaks of

    def _pins(
        self, actor: Actor, frame: Frame, spots: Float64[np.ndarray, "n 2"], positive: int, negative: int
    ) -> list[tuple[_Pin, float, float]]:
        """Pins with where they stand: beside their points, away from each other, inside the map."""
        grown = FINE * min(max(frame.width / 420, 0.8), 1.2)
        own = rgb(actor.mark[self.theme])
        wanted = [
            (negative, 30, own, 3, False, math.pi / 2),
            (positive, 26, self.ink, 2, False, -math.pi / 4),
            (self.scene.anchor, 32, self.ink, 3, True, -3 * math.pi / 4),
        ]
        pins = [
            _Pin(sample, float(spots[sample, 0]), float(spots[sample, 1]), grown * size, ring, weight, is_round, side)
            for sample, size, ring, weight, is_round, side in wanted
            if sample != NOBODY and np.isfinite(spots[sample]).all()
        ]
        return _spread(pins, FINE * frame.width, FINE * (frame.height - 24))

    def _pin(self, sheet: Image.Image, pen: ImageDraw.ImageDraw, pin: _Pin, x: float, y: float) -> None:
        half, rim = pin.size / 2, FINE * 3
        pen.line([pin.x, pin.y, x, y], fill=pin.ring, width=round(FINE * 1.2))
        pen.ellipse(_box(np.array([pin.x, pin.y]), FINE * 5), outline=pin.ring, width=FINE * 2)
        box = (x - half - rim, y - half - rim, x + half + rim, y + half + rim)
        radius = half + rim if pin.round else FINE * 5
        pen.rounded_rectangle(box, radius, fill=self.ground, outline=pin.ring, width=FINE * pin.weight)
        inside = pin.size * (0.7 if pin.round else 1.0)
        thumb = self._thumb(pin.sample, round(inside))
        if thumb is None:
            words = initials(self.scene.class_of(pin.sample), int(self.scene.labels[pin.sample]))
            pen.text((x, y), words, fill=self.ink, font=font(round(pin.size * 0.5)), anchor="mm")
        else:
            picture, mask = thumb
            sheet.paste(picture, (round(x - picture.width / 2), round(y - picture.height / 2)), mask)

    @cached_property
    def _thumbs(self) -> dict[tuple[int, int], tuple[Image.Image, Image.Image | None]]:
        return {}

    def _thumb(self, sample: int, side: int) -> tuple[Image.Image, Image.Image | None] | None:
        """(picture, mask) of a sample; strokes on black, as handwriting is stored, are written in the page's ink."""
        if self.scene.thumbs is None:
            return None
        if (sample, side) not in self._thumbs:
            pixels = Image.fromarray(self.scene.thumbs[sample])
            zoom = side / max(pixels.size)
            size = (max(round(pixels.width * zoom), 1), max(round(pixels.height * zoom), 1))
            crisp = max(pixels.size) <= 16
            large = pixels.resize(size, Image.Resampling.NEAREST if crisp else Image.Resampling.LANCZOS)
            if self._strokes:
                self._thumbs[sample, side] = (Image.new("RGB", size, self.ink), large.convert("L"))
            else:
                self._thumbs[sample, side] = (large.convert("RGB"), None)
        return self._thumbs[sample, side]

    @cached_property
    def _strokes(self) -> bool:
        """Whether the pictures are grey on mostly black: on a light page they would be a heap of black tiles."""
        thumbs = self.scene.thumbs
        if thumbs is None:
            return False
        pixels = thumbs.reshape(-1, thumbs.shape[3])[::7] if thumbs.ndim == 4 else thumbs.reshape(-1, 1)[::7]
        grey = bool((pixels == pixels[:, :1]).all())
        return grey and float((pixels[:, 0] < 24).mean()) > 0.35

    def _names(
        self,
        pen: ImageDraw.ImageDraw,
        frame: Frame,
        spots: Float64[np.ndarray, "n 2"],
        spoken: Sequence[_Pin],
        pins: Sequence[tuple[_Pin, float, float]],
        centres: Float64[np.ndarray, "c 2"],
    ) -> None:
        """Class names on chips in the middle of their classes; one that would cover another is left out."""
        height = FINE * 9
        taken = [_box(np.array([x, y]), pin.size / 2 + FINE * 6) for pin, x, y in pins]
        taken += [_box(np.array([pin.x, pin.y]), FINE * 6) for pin in spoken]
        taken += [_box(spot, FINE * 8) for spot in centres if np.isfinite(spot).all()]
        taken.append((0.0, FINE * (frame.height - 26.0), FINE * frame.width * 0.5, FINE * float(frame.height)))
        for label, colour in enumerate(self.colours):
            members = spots[(self.scene.labels == label) & np.isfinite(spots).all(axis=1)]
            if not len(members):
                continue
            x, y = np.median(members, axis=0).tolist()
            words = legible(self.scene.class_names[label], otherwise=str(label), most=14)
            half = max(FINE * 9.0, pen.textlength(words, font=font(FINE * 12)) / 2 + FINE * 6)
            box = (x - half, y - height, x + half, y + height)
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= FINE * frame.width and box[3] <= FINE * frame.height
            if not inside or any(_overlap(box, other) for other in taken):
                continue
            taken.append(box)
            pen.rounded_rectangle(box, height, fill=colour, outline=self.ground, width=round(FINE * 1.5))
            chip_ink = (16, 19, 26) if self.theme == "dark" else (255, 255, 255)
            pen.text((x, y), words, fill=chip_ink, font=font(FINE * 12), anchor="mm", stroke_width=0.4)

    def _scale_bar(self, pen: ImageDraw.ImageDraw, actor: Actor, frame: Frame) -> None:
        """The margin as a length, or a round length where the margin is none on this map or would not fit."""
        scale = self._scale(actor, frame)
        length, words = actor.margin, f"margin {actor.margin:.3g}"
        if actor.distance != "euclidean" or not 14 <= length * scale <= 0.45 * frame.width:
            length = _round_length(60 / scale)
            words = f"length {length:.3g}"
        x, y, end = FINE * 12, FINE * (frame.height - 13), FINE * (12 + length * scale)
        pen.line([x, y - FINE * 5, x, y, end, y, end, y - FINE * 5], fill=self.ink, width=round(FINE * 1.5))
        self._halo(pen, (end + FINE * 8, y - FINE * 2), words, 12, self.ink, "lm")

    # ---- words

    def _border(self, pen: ImageDraw.ImageDraw, frame: Frame) -> None:
        box = (frame.left, frame.top, frame.left + frame.width, frame.top + frame.height)
        pen.rectangle([FINE * edge for edge in box], outline=self.line, width=FINE)

    def _head(self, pen: ImageDraw.ImageDraw, actor: Actor, frame: Frame) -> None:
        """The strategy with its mark: above the map, or at the top of the column beside it."""
        x, y, size = frame.left, frame.top - _HEAD + 14, 18
        if self.alone:
            x, y, size = frame.left + frame.width + 24, frame.top + 18, 26
        radius = 0.34 * size
        _paint_mark(
            pen, actor.mark["shape"], (FINE * (x + radius + 1), FINE * y), FINE * radius, rgb(actor.mark[self.theme])
        )
        titles = [other.title for other in self.scene.actors]
        title = actor.title if titles.count(actor.title) == 1 else f"{actor.title} ({actor.name})"
        room = (self.width - _RIM if self.alone else frame.left + frame.width) - x - 2 * radius - 10
        self._write(pen, (x + 2 * radius + 9, y), legible(title), size, self.ink, "lm", room=room, bold=True)

    def _caption(self, pen: ImageDraw.ImageDraw, actor: Actor, frame: Frame, shot: Shot) -> None:
        """What is picked, and three numbers: those of the recorded step, never in between."""
        at = actor.frame_at(shot.tick)
        zone = actor.picks.zone_name(at)
        colour = self.ink if zone is None else rgb(palette.ZONE_INKS[self.theme][zone])
        numbers = (
            ("R@1", _share(float(actor.recall[at]), percent=False)),
            ("violating", _share(float(actor.violating[at]))),
            ("active", _share(float(actor.active[at]))),
        )
        picked = self._picked(actor, at)
        ended = f"ended at step {actor.steps[-1]}" if shot.tick > actor.steps[-1] else ""
        if not self.alone:
            x, y = frame.left, frame.top + frame.height
            self._write(pen, (x, y + 16), picked, 14, colour, "lm", room=frame.width)
            words = "   ".join(f"{name} {number}" for name, number in numbers)
            self._write(pen, (x, y + 36), f"{words}   {ended}".rstrip(), 13, self.soft, "lm", room=frame.width)
            return
        x = frame.left + frame.width + 24
        room = self.width - _RIM - x
        y = frame.top + 62
        self._write(
            pen, (x, y), f"Who should this {self._class(self.scene.anchor)} learn from?", 17, self.ink, "lm", room=room
        )
        y += 34
        positive, negative = int(actor.picks.positive[at]), int(actor.picks.negative[at])
        centred = actor.picks.kind == "centres" and zone is not None
        if positive != NOBODY or centred:
            who = f"the centre of {self._class(self.scene.anchor)}" if centred else f"positive: {self._class(positive)}"
            words = f"{who}, at distance {actor.picks.d_ap[at]:.3g}"
            self._write(pen, (x, y), words, 16, self.ink, "lm", room=room)
        y += 27
        self._write(pen, (x, y), picked, 16, colour, "lm", room=room)
        y += 27
        if negative != NOBODY or centred:
            words = f"at distance {actor.picks.d_an[at]:.3g}; margin {actor.margin:.3g}"
            self._write(pen, (x, y), words, 16, colour, "lm", room=room)
        y += 48
        for name, number in numbers:
            self._write(pen, (x, y), number, 24, self.ink, "lm", bold=True)
            meaning = _MEANING_OF_CENTRES if actor.picks.kind == "centres" else _MEANING
            self._write(pen, (x + 84, y), meaning[name], 15, self.soft, "lm", room=room - 84)
            y += 36
        self._write(pen, (x, y), ended, 15, self.soft, "lm", room=room)
        self._curve(pen, actor, shot, (x, frame.top + frame.height - 130), (room, 110))

    def _curve(self, pen: ImageDraw.ImageDraw, actor: Actor, shot: Shot, place: Place, size: Place) -> None:
        """R@1 at every frame from 0 to 1, on the way of the clock below; what is still to come is faint."""
        (left, top), (width, height) = place, size
        ticks = self.scene.ticks
        if len(ticks) < 2 or height < 20 or not np.isfinite(actor.recall).any():
            return
        self._write(pen, (left, top - 14), "R@1, 0 to 1, frame by frame", 13, self.soft, "lm", room=width)
        for share in (0, 1):
            y = FINE * (top + height * share)
            pen.line([FINE * left, y, FINE * (left + width), y], fill=self.line, width=FINE)
        frames = [actor.frame_at(tick) for tick in ticks]
        points = [
            (FINE * (left + width * k / (len(ticks) - 1)), FINE * (top + height * (1 - float(actor.recall[frame]))))
            for k, frame in enumerate(frames)
            if np.isfinite(actor.recall[frame])
        ]
        done = sum(1 for k, frame in enumerate(frames) if ticks[k] <= shot.tick and np.isfinite(actor.recall[frame]))
        colour = rgb(actor.mark[self.theme])
        if len(points) > 1:
            pen.line(points, fill=mix(colour, self.ground, 0.3), width=FINE * 2, joint="curve")
        if done > 1:
            pen.line(points[:done], fill=colour, width=FINE * 3, joint="curve")
        if done:
            pen.ellipse(_box(np.array(points[done - 1]), FINE * 5), fill=colour)

    def _picked(self, actor: Actor, at: int) -> str:
        negative = int(actor.picks.negative[at])
        if actor.picks.kind == "unknown":
            return legible(actor.picks.why.rstrip(".")) if actor.picks.why else "whom it picks here is not known"
        if actor.picks.kind == "centres":
            return self._learnt(actor, at)
        if actor.picks.kind == "several":
            return _counted(actor.picks.several[at])
        if actor.picks.kind == "all":
            return "takes every negative"
        if negative == NOBODY:
            return "abstains: no negative fits its rule"
        gap = float(actor.picks.d_an[at] - actor.picks.d_ap[at])
        return f"picks {self._class(negative)}: {actor.picks.zone_name(at)}, gap {gap:.2g}"

    def _learnt(self, actor: Actor, at: int) -> str:
        zone = actor.picks.zone_name(at)
        if zone is None:
            return "learns from centres of classes: none were kept here"
        gap = float(actor.picks.d_an[at] - actor.picks.d_ap[at])
        own, other = self._class(self.scene.anchor), self._class_name(actor.picks.rival[at])
        return f"learns from the centres of {own} and {other}: {zone}, gap {gap:.2g}"

    def _class(self, sample: int) -> str:
        return self._class_name(int(self.scene.labels[sample]))

    def _class_name(self, label: int) -> str:
        return legible(self.scene.class_names[label], otherwise=f"class {label}", most=22)

    def _clock(self, pen: ImageDraw.ImageDraw, shot: Shot) -> None:
        """The recorded step, the way through all of them, and what the pictures are pictures of."""
        top = self.height - _FOOT
        y = top + 20
        text = f"step {shot.tick}"
        self._write(pen, (_RIM, y), text, 22, self.ink, "lm", bold=True)
        left = _RIM + max(118, 14 * len(f"step {self.scene.last}"))
        right = self.width - _RIM
        ticks = self.scene.ticks
        way = [left + (right - left) * k / max(len(ticks) - 1, 1) for k in range(len(ticks))]
        pen.line([FINE * left, FINE * y, FINE * right, FINE * y], fill=self.line, width=FINE * 3)
        for x in way:
            pen.line([FINE * x, FINE * (y - 4), FINE * x, FINE * (y + 4)], fill=self.line, width=FINE)
        now = float(np.interp(shot.step, ticks, way))
        pen.line([FINE * left, FINE * y, FINE * now, FINE * y], fill=self.soft, width=FINE * 3)
        pen.ellipse(_box(np.array([FINE * now, FINE * y]), FINE * 6), fill=self.ink)
        margins = {f"{actor.margin:.3g}" for actor in self.scene.actors}
        distances = {actor.distance for actor in self.scene.actors}
        spaces = list(dict.fromkeys(actor.space for actor in self.scene.actors))
        margin = f"margin {margins.pop()}" if len(margins) == 1 else "margins differ"
        distance = f"{distances.pop()} distance" if len(distances) == 1 else "distances differ"
        truths = dict.fromkeys(actor.truth for actor in self.scene.actors)
        anchor = f"anchor: {self._class(self.scene.anchor)}, row {self.scene.row}"
        told = [f"{' / '.join(spaces)}: {' / '.join(truths)}", distance, margin, anchor]
        if any(actor.centres is not None for actor in self.scene.actors):
            told.append("ringed crosses: learned centres")
        words = " · ".join(told)
        self._write(pen, (_RIM, top + 46), words, 13, self.soft, "lm", room=self.width - 2 * _RIM)

    def _write(
        self, pen: ImageDraw.ImageDraw, place: Place, words: str, size: Number, colour: RGB, anchor: str,
        *, room: Number = math.inf, bold: bool = False,
    ) -> None:  # fmt: skip
        """Words in pixels of the finished picture; smaller where the room is short."""
        fitting = round(FINE * size)
        while fitting > FINE * 9 and pen.textlength(words, font=font(fitting)) > FINE * room:
            fitting -= 1
        x, y = place
        pen.text(
            (FINE * x, FINE * y), words, fill=colour, font=font(fitting), anchor=anchor, stroke_width=0.6 if bold else 0
        )

    def _halo(self, pen: ImageDraw.ImageDraw, place: Place, words: str, size: int, colour: RGB, anchor: str) -> None:
        """Words over points, in pixels of the fine picture."""
        pen.text(
            place, words, fill=colour, font=font(FINE * size), anchor=anchor,
            stroke_width=FINE * 2, stroke_fill=self.ground,
        )  # fmt: skip


_MEANING = {
    "R@1": "R@1 of this frame",
    "violating": "of the batch's triplets violate",
    "active": "of the picks have a loss",
}


_MEANING_OF_CENTRES = {**_MEANING, "active": "of the samples have a loss"}


def _counted(taken: Several) -> str:
    """A strategy that takes several negatives for one positive: how many, and of which zones."""
    count = len(taken.negatives)
    if not count:
        return "abstains: no negative fits its rule"
    by_zone = [(int((taken.zones == code).sum()), zone) for code, zone in enumerate(ZONES)]
    zones = ", ".join(f"{found} {zone}" for found, zone in by_zone if found)
    return f"takes {count} negatives: {zones}" if count > 1 else f"takes one negative, {ZONES[taken.zones[0]]}"


def _captions_height() -> int:
    return 50


def _share(value: float, *, percent: bool = True) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.0%}" if percent else f"{value:.2f}"


def _box(middle: np.ndarray, radius: Number) -> tuple[float, float, float, float]:
    x, y = float(middle[0]), float(middle[1])
    return (x - radius, y - radius, x + radius, y + radius)


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and one[2] > other[0] and one[1] < other[3] and one[3] > other[1]


def _shape(spots: Float64[np.ndarray, "n 2"]) -> tuple[np.ndarray, float]:
    """(middle, radius that holds 98 %) of the points that have a place."""
    known = spots[np.isfinite(spots).all(axis=1)]
    if not len(known):
        return np.zeros(2), math.inf
    middle = np.median(known, axis=0)
    reach = np.hypot(*(known - middle).T)
    return middle, float(np.quantile(reach, 0.98))


def _spread(pins: Sequence[_Pin], width: Number, height: Number) -> list[tuple[_Pin, float, float]]:
    """Each pin beside its point, away from the others; overlapping pins are pushed apart, and all stay inside."""
    if not pins:
        return []
    centre = np.mean([(pin.x, pin.y) for pin in pins], axis=0)
    away = [np.array([pin.x, pin.y]) - centre for pin in pins]
    # In a collapsed space all points coincide: the pins step back, so that the dot itself stays in sight.
    reach = FINE * (34 if max(float(np.hypot(*part)) for part in away) < FINE * 20 else 12)
    places = []
    for pin, part in zip(pins, away, strict=True):
        angle = math.atan2(part[1], part[0]) if float(np.hypot(*part)) > FINE * 6 else pin.side
        step = pin.size / 2 + reach
        places.append([pin.x + math.cos(angle) * step, pin.y + math.sin(angle) * step])
    for _ in range(24):
        for one in range(len(pins)):
            for other in range(one + 1, len(pins)):
                _push(pins[one], pins[other], places[one], places[other])
        for pin, place in zip(pins, places, strict=True):
            room = pin.size / 2 + FINE * 4
            place[0] = min(width - room, max(room, place[0]))
            place[1] = min(height - room, max(room, place[1]))
    return [(pin, x, y) for pin, (x, y) in zip(pins, places, strict=True)]


def _push(pin: _Pin, other: _Pin, place: list[float], there: list[float]) -> None:
    need = (pin.size + other.size) / 2 + FINE * 7
    dx, dy = there[0] - place[0], there[1] - place[1]
    overlap = need - max(abs(dx), abs(dy))
    if overlap <= 0:
        return
    length = math.hypot(dx, dy)
    ux, uy = (dx / length, dy / length) if length > 1 else (1.0, 0.0)
    for spot, sign in ((place, -0.5), (there, 0.5)):
        spot[0] += sign * ux * overlap
        spot[1] += sign * uy * overlap


def _round_length(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return power * next((factor for factor in (1, 2, 5) if factor * power >= rough * 0.999), 10)


def _paint_mark(pen: ImageDraw.ImageDraw, shape: str, middle: Place, radius: Number, colour: RGB) -> None:
    """The shape of a strategy, with about the same area for every shape; unknown shapes are circles."""
    x, y = middle
    if corners := outline(shape, float(radius)):
        pen.polygon([(x + right, y + down) for right, down in corners], fill=colour)
    else:
        pen.ellipse(_box(np.array(middle), radius), fill=colour)
