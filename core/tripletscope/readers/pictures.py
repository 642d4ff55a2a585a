"""Pictures to arrays: decoding one file, bringing pictures to one size, thumbnails."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import Image, ImageOps

from tripletscope.errors import DataError, SettingError
from tripletscope.samples import THUMB_PIXELS

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")  # what is opened, whatever the suffix promises
MAX_IMAGE_SIZE = 1024


def check_image_size(image_size: int | None) -> None:
    """Nothing, when pictures can be brought to that many pixels a side.

    Raises:
        SettingError: when they cannot.
    """
    if image_size is not None and not 1 <= image_size <= MAX_IMAGE_SIZE:
        raise SettingError(f"--image-size {image_size} cannot be made: use 1 to {MAX_IMAGE_SIZE} pixels.")


def decode(path: Path, shown: str, image_size: int | None) -> UInt8[np.ndarray, "height width ..."]:
    """The picture in that file: (height, width) where it is grey, (height, width, 3) where it has colours.

    It is turned upright where the camera noted how it was held, laid on white where it is transparent, and an
    animation gives its first frame. With `image_size` its centre square is cut out and scaled.

    Args:
        path: the file.
        shown: how messages call it.
        image_size: pixels a side, or None to leave it as it is.

    Raises:
        DataError: naming the file, when it cannot be read as one of `FORMATS`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # A picture of more than 89 million pixels is an accident or an attack.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as opened:
                picture = _plain(ImageOps.exif_transpose(opened))
            if image_size is not None:
                picture = ImageOps.fit(picture, (image_size, image_size), Image.Resampling.BILINEAR)
            return np.array(picture)
    except Exception as error:  # Pillow raises a dozen kinds for a broken file
        raise DataError(f"{shown} cannot be read as a picture ({error}): repair it or take it out.") from error


def _plain(picture: Image.Image) -> Image.Image:
    """The same picture in mode L or RGB."""
    if picture.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion clips at 255 instead of scaling
        return Image.fromarray((np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8))
    mode = "L" if picture.mode in ("1", "L", "LA") else "RGB"
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, "white")
        picture.alpha_composite(layer)
    return picture.convert(mode)


def resized(
    pictures: UInt8[np.ndarray, "N height width ..."] | Float32[np.ndarray, "N height width ..."],
    height: int,
    width: int,
) -> Shaped[np.ndarray, "N newheight newwidth ..."]:
    """The pictures at another size, of the same kind; of another shape, the middle of each is kept.

    Args:
        pictures: (N, height, width) in grey or (N, height, width, 3) in colour; uint8 or float32.
        height: of the new pictures, in pixels.
        width: of the new pictures, in pixels.
    """
    made = np.empty((len(pictures), height, width, *pictures.shape[3:]), dtype=pictures.dtype)
    # Channel by channel: Pillow has a one-channel mode for floats, and none for three.
    source, target = pictures.reshape(*pictures.shape[:3], -1), made.reshape(*made.shape[:3], -1)
    for row in range(len(source)):
        for channel in range(source.shape[3]):
            picture = Image.fromarray(np.ascontiguousarray(source[row, :, :, channel]))
            target[row, :, :, channel] = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    return made


def thumbnails(pictures: UInt8[np.ndarray, "N height width ..."]) -> UInt8[np.ndarray, "N h w ..."]:
    """The pictures with their longest side at most `THUMB_PIXELS`; small ones stay as they are."""
    height, width = pictures.shape[1:3]
    scale = THUMB_PIXELS / max(height, width)
    if scale >= 1:
        return pictures
    return resized(pictures, max(1, round(height * scale)), max(1, round(width * scale)))


def to_features(pictures: UInt8[np.ndarray, "N height width ..."]) -> Float32[np.ndarray, "N channels height width"]:
    """The pictures as a model takes them: float32, channels first, 0 ... 1."""
    channels_last = pictures[..., None] if pictures.ndim == 3 else pictures
    made = np.ascontiguousarray(np.moveaxis(channels_last, 3, 1), dtype=np.float32)
    made /= 255
    return made
