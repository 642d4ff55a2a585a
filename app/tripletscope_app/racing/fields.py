"""The settings of a race as a person sees them: a label for every option of the trainer, and back.

What refuses a setting speaks of `--options`, because it is the same on the command line. Here its sentence is put
beside the field that it is about, in the words of the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tripletscope.errors import UnknownNameError


@dataclass(frozen=True)
class Refusal:
    """Why a race cannot start.

    Attributes:
        field: the setting that it is about, by its option's name.
        text: one sentence, in the words of the page.
    """

    field: str
    text: str


#: Option of the trainer -> what the page calls it.
LABELS = {
    "data": "Data",
    "strategy": "Strategies to race",
    "shadow": "Shadows",
    "steps": "Steps",
    "seed": "Seeds",
    "device": "Device",
    "model": "Model",
    "dim": "Dimensions",
    "hidden": "Hidden units",
    "normalize": "Normalise",
    "distance": "Distance",
    "margin": "Margin",
    "loss": "Loss",
    "soft_margin": "Soft margin",
    "lr": "Learning rate",
    "classes_per_batch": "Classes per batch (P)",
    "samples_per_class": "Samples per class (K)",
    "label": "Column of the label",
    "image_size": "Side of the pictures",
    "standardize": "Standardise features",
    "label_noise": "Label noise",
    "imbalance": "Imbalance",
    "filter": "Filter",
}
_OPTION = re.compile(r"--(no-)?([a-z][a-z-]*[a-z])")
#: What `UnknownNameError` calls a thing -> its field.
_KINDS = {
    "data set, file or folder": "data",
    "device": "device",
    "model": "model",
    "distance": "distance",
    "filter": "filter",
    "loss": "loss",
}


def refusal(error: Exception, otherwise: str) -> Refusal:
    """The sentence of an error, at the field that it is about.

    Args:
        error: what was raised.
        otherwise: the field, where the error names none.

    Example:
        >>> refusal(ValueError("--lr is 0.0, but it has to be above 0."), "data")
        Refusal(field='lr', text='“Learning rate” is 0.0, but it has to be above 0.')
    """
    text = str(error)
    if isinstance(error, UnknownNameError):
        kind = "data" if error.kind.startswith("setting of ") else _KINDS.get(error.kind, otherwise)
        return Refusal(kind, in_words(text))
    return Refusal(field_of(text) or otherwise, in_words(text))


def field_of(text: str) -> str | None:
    """The setting that a sentence is about: the first option in it that is a field.

    Example:
        >>> field_of("use --classes-per-batch 10 or fewer."), field_of("It is no PNG.")
        ('classes_per_batch', None)
    """
    return next((name for name in (_name(found) for found in _OPTION.finditer(text)) if name in LABELS), None)


def in_words(text: str) -> str:
    """The sentence with the page's labels in the place of options.

    Example:
        >>> in_words("leave out --no-normalize, or choose another.")
        'switch on “Normalise”, or choose another.'
    """
    text = text.replace("leave out --no-normalize", "switch on “Normalise”")
    return _OPTION.sub(lambda found: f"“{LABELS[_name(found)]}”" if _name(found) in LABELS else found[0], text)


def _name(found: re.Match[str]) -> str:
    return found[2].replace("-", "_")


def unique(refusals: Iterable[Refusal]) -> list[Refusal]:
    """Each once, in order: several runs are often refused for one reason."""
    return list(dict.fromkeys(refusals))
