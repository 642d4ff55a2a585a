"""Mined triplets as files: in every form that a trainer reads, now or later, without mining again.

`tripletscope mine` writes one file; a program that offers several keeps what was mined in a folder (`keep`) and writes
them from there (`kept`, `write_form`), byte for byte what the command would have written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tripletscope import export
from tripletscope.errors import DataError, SettingError

if TYPE_CHECKING:
    from tripletscope.embeddings.embedding_set import EmbeddingSet
    from tripletscope.mining.whole_set import Mined

FORMS = ("triplets", "sentence-transformers", "index")
_ARRAYS = ("anchor", "positive", "negative", "d_ap", "d_an")


@dataclass(frozen=True)
class Kept:
    """What was mined, with all that its files say beside the triplets.

    Attributes:
        mined: the triplets.
        told: where they came from: input, metadata, input_digest, mapping, flagged, flagged_rows, kept_findings,
            excluded.
        notes: of the whole way from the file to the triplets.
        flags: row -> names of findings joined by ";"; only rows that have some. None where nobody looked.
    """

    mined: Mined
    told: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    flags: Mapping[int, str] | None = None


def check_form(form: str, *, scores: bool, distance: str, has_texts: bool, name: str) -> None:
    """Nothing, if a set of that name can be written so.

    Raises:
        SettingError: scores in another form or distance.
        DataError: sentence-transformers without texts.
    """
    if scores and form != "sentence-transformers":
        raise SettingError(f"--scores is for --format sentence-transformers; leave it out with {form}.")
    if scores and distance != "cosine":
        raise SettingError(f"--scores are cosine similarities, and the distance is {distance}: leave them out.")
    if form == "sentence-transformers" and not has_texts:
        raise DataError(f"{name} has no texts, which sentence-transformers trains on: name their column with --text.")


def write_form(
    found: Kept,
    opened: EmbeddingSet,
    out: str | Path,
    *,
    form: str = "triplets",
    scores: bool = False,
    raw: bool = False,
    overwrite: bool = False,
) -> Path:
    """The file, with `<stem>.settings.json` beside it. Same triplets and options, same bytes.

    Args:
        found: what was mined.
        opened: the set it was mined from.
        out: .csv, .csv.gz, .parquet or .jsonl.
        form: "triplets", "sentence-transformers" or "index".
        scores: similarities too, with sentence-transformers.
        raw: leave cells of the triplet CSV as they are that a spreadsheet would run.
        overwrite: replace an existing file.

    Raises:
        SettingError, DataError: as `check_form`, and for a place that cannot be written to.
    """
    from tripletscope.mining import forms

    mined = found.mined
    name, has_texts = opened.name, opened.texts is not None
    check_form(form, scores=scores, distance=mined.distance, has_texts=has_texts, name=name)
    if form == "index":
        table = forms.index(mined)
    elif form == "sentence-transformers":
        table = forms.sentence_transformers(mined, opened.texts, scores=scores)
    else:
        flags = None if found.flags is None else [found.flags.get(row, "") for row in range(len(opened))]
        table = forms.triplets(mined, opened.ids, class_names_of(opened), texts=opened.texts, flags=flags)
    told = dict(found.told)
    settings = {
        "what": "mined",
        "form": form,
        **{name: told.pop(name) for name in ("input", "metadata", "input_digest", "mapping")},
        **mined.settings,
        **told,
        "notes": list(found.notes),
    }
    # The other forms are read by trainers, not by spreadsheets: they are verbatim.
    return export.export_table(table, out, settings=settings, raw=raw or form != "triplets", overwrite=overwrite)


def class_names_of(opened: EmbeddingSet) -> np.ndarray:
    """(N,) class names, "" where a row has none."""
    return np.asarray(np.array([*opened.class_names, ""], dtype=object)[opened.labels])


def keep(found: Kept, folder: Path) -> None:
    """Nothing; the folder holds it all: arrays that can be mapped, and one JSON file, written last."""
    folder.mkdir(parents=True, exist_ok=True)
    mined = found.mined
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", getattr(mined, name))
    told = {
        "strategy": mined.strategy,
        "distance": mined.distance,
        "margin": mined.margin,
        "settings": mined.settings,
        "mined_notes": list(mined.notes),
        "told": dict(found.told),
        "notes": list(found.notes),
        "flags": None if found.flags is None else {str(row): names for row, names in found.flags.items()},
    }
    rough = folder / "mined.json.tmp"
    rough.write_text(json.dumps(told), encoding="ascii")
    rough.replace(folder / "mined.json")


def kept(folder: Path) -> Kept:
    """What `keep` has put there; the arrays stay on the disk until they are read.

    Raises:
        DataError: there is nothing, or not all of it.
    """
    from tripletscope.mining.whole_set import Mined

    try:
        told = json.loads((folder / "mined.json").read_text(encoding="ascii"))
        # An empty array cannot be mapped.
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r" if told["settings"]["rows"] else None)
            for name in _ARRAYS
        }
    except (OSError, ValueError, KeyError) as problem:
        raise DataError("What was mined is no longer there: mine again.") from problem
    mined = Mined(
        **arrays,
        strategy=told["strategy"],
        distance=told["distance"],
        margin=told["margin"],
        settings=told["settings"],
        notes=tuple(told["mined_notes"]),
    )
    flags = None if told["flags"] is None else {int(row): names for row, names in told["flags"].items()}
    return Kept(mined, told["told"], tuple(told["notes"]), flags)
