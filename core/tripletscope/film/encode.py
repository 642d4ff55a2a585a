"""Pictures into a file: GIF with one palette for all of them, WebM (VP9) and MP4 (H.264) by PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tripletscope.errors import SettingError
from tripletscope.palette import RGB

#: A picture and for how many beats it stands.
Pictures = Iterable[tuple[Image.Image, int]]
#: Colours of a GIF besides those that have a meaning: blends at edges, thumbnails.
BLENDS = 40
MOST_COLOURS = 255  # one stays free: it marks what has not changed since the picture before

_CODECS: dict[str, tuple[str, dict[str, str]]] = {
    # Constant quality: a still run makes a small file, and a restless one a larger.
    "webm": ("libvpx-vp9", {"crf": "34", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "0"}),
    "mp4": ("libx264", {"crf": "23", "preset": "medium"}),
}


def has_video() -> bool:
    """Whether PyAV is installed, which writes WebM and MP4."""
    return find_spec("av") is not None


def need_video(kind: str) -> None:
    """Nothing.

    Raises:
        SettingError: PyAV is not installed.
    """
    if not has_video():
        raise SettingError(
            f"--what {kind} needs the extra: pip install 'tripletscope[video]' (a GIF needs nothing more)."
        )


def common_palette(base: Sequence[RGB], samples: Sequence[Image.Image], blends: int = BLENDS) -> list[RGB]:
    """The colours of a whole animation: those with a meaning, and what else its pictures need most.

    One palette for all pictures: a palette for each would make colours flicker.

    Args:
        base: kept as they are, the most important first.
        samples: some of the pictures.
        blends: how many colours more.
    """
    kept = list(dict.fromkeys(base))[: MOST_COLOURS - blends]
    pixels = np.concatenate([np.asarray(sample).reshape(-1, 3) for sample in samples])
    known = np.array(kept, np.int32)
    # What is near a colour that is there needs no other.
    codes = (pixels[:, 0].astype(np.int32) << 16) | (pixels[:, 1].astype(np.int32) << 8) | pixels[:, 2]
    found, counts = np.unique(codes, return_counts=True)
    colours = np.stack([found >> 16, (found >> 8) & 255, found & 255], axis=1)
    far = np.abs(colours[:, None, :] - known[None, :, :]).max(axis=2).min(axis=1) > 12
    left = np.repeat(colours[far], np.minimum(counts[far], 4000), axis=0).astype(np.uint8)
    if not len(left):
        return kept
    strip = Image.fromarray(left.reshape(1, -1, 3))
    reduced = strip.quantize(blends, method=Image.Quantize.MEDIANCUT)
    flat = (reduced.getpalette() or [])[: 3 * blends]
    more = [(flat[k], flat[k + 1], flat[k + 2]) for k in range(0, len(flat), 3)]
    return list(dict.fromkeys([*kept, *more]))


def write_gif(path: Path, pictures: Pictures, *, fps: int, colours: Sequence[RGB]) -> None:
    """Nothing; the file is an endless GIF in these colours.

    Args:
        path: of the file.
        pictures: all of one size.
        fps: beats a second. A GIF counts in hundredths; what is lost by rounding is made good later.
        colours: at most 255.
    """
    sheet = Image.new("P", (1, 1))
    flat = [part for colour in colours for part in colour]
    # What is left of the palette repeats the first colour, which nothing is nearer to than the first itself.
    sheet.putpalette(flat + list(colours[0]) * (256 - len(colours)))
    lasting: list[int] = []
    beats = 0

    def reduced() -> Iterator[Image.Image]:
        nonlocal beats
        for picture, lasts in pictures:
            before = round(100 * beats / fps)
            beats += lasts
            lasting.append(10 * (round(100 * beats / fps) - before))
            small = picture.quantize(palette=sheet, dither=Image.Dither.NONE)
            small.putpalette(flat)
            yield small

    every = reduced()
    first = next(every)
    with open(path, "wb") as file:
        first.save(file, "GIF", save_all=True, append_images=every, duration=lasting, loop=0, optimize=True, disposal=1)


def write_video(path: Path, pictures: Pictures, *, kind: str, fps: int, size: tuple[int, int]) -> None:
    """Nothing; the file is a film of that kind, which plays while it is being loaded.

    Args:
        path: of the file.
        pictures: of that size, which is even both ways.
        kind: "webm" or "mp4".
        fps: pictures a second; one that stands longer is repeated, which costs next to nothing.
        size: width and height.

    Raises:
        SettingError: PyAV is missing, or has no such encoder.
    """
    need_video(kind)
    import av

    video: Any = av.VideoFrame
    codec, options = _CODECS[kind]
    if codec not in av.codecs_available:
        raise SettingError(f"This PyAV has no {codec}, which --what {kind} needs: pip install --force-reinstall av")
    flags = {"movflags": "+faststart"} if kind == "mp4" else {}
    with av.open(str(path), "w", format=kind, options=flags) as container:
        stream: Any = container.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1  # the same file whatever the machine
        stream.codec_context.color_range, stream.codec_context.colorspace = 1, 1  # studio range, BT.709
        stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
        beat = 0
        for picture, lasts in pictures:
            frame = video.from_image(picture).reformat(
                format="yuv420p", src_colorspace="ITU709", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            frame.time_base = Fraction(1, fps)
            for _ in range(lasts):
                frame.pts = beat
                beat += 1
                for packet in stream.encode(frame):
                    container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
