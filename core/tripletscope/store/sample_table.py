"""samples/: who the samples of a run are. A run names a sample by its row here, and can draw itself without its data.

A loop that comes without a list of its samples builds one as it goes: a new id gets the next row.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int32, Int64, UInt8

from tripletscope.errors import DataError
from tripletscope.samples import Samples
from tripletscope.schema import TRUE_LABEL, samples_schema
from tripletscope.store import layout
from tripletscope.store.step_table import UNREADABLE, Stream, StreamWriter, as_numpy

Ids = Int64[np.ndarray, "B"] | list[str]

#: A sheet of more pixels is halved until it fits: browsers and Pillow refuse pictures of hundreds of megapixels.
_SHEET_PIXELS = 32_000_000


class SampleTable:
    """Rows by id, growing; the writing side of samples/.

    Args:
        run: folder of the run.
        samples: all of them, when the loop knows them; then an id that is not among them is refused.
    """

    def __init__(self, run: Path, samples: Samples | None = None) -> None:
        self._run = run
        self._writer: StreamWriter | None = None
        self._row_of: dict[int | str, int] = {}
        self._labels: Int32[np.ndarray, "N"] = np.empty(0, np.int32)
        self._truth: Int32[np.ndarray, "N"] | None = None
        self.count = 0
        self.text_ids: bool | None = None
        self.text_labels: bool | None = None
        self.class_names: list[str] = []  # of text labels, and of given samples
        self._code_of: dict[str, int] = {}
        # Row by id for whole numbers that are not too large, -1 where unknown: one NumPy look-up for a whole batch.
        self._place: Int32[np.ndarray, "ids"] = np.empty(0, np.int32)
        self.given = samples is not None

    def start(self, samples: Samples) -> None:
        """Nothing; all samples are written, with their thumbnails."""
        self.remember(samples)
        names = [samples.class_names[i] for i in samples.labels]
        self._append(samples.ids, self._labels, names, samples.texts, self._truth)
        if samples.thumbs is not None and len(samples.thumbs):
            write_thumbs(self._run, samples.thumbs)

    def remember(self, samples: Samples) -> None:
        """Nothing; these samples, which are written already, are known."""
        self.given = True
        self.text_labels = False
        self._name_classes(samples.class_names)
        self.text_ids = not isinstance(samples.ids, np.ndarray)
        self._take_in(samples.ids, samples.labels.astype(np.int32))
        if samples.true_labels is not None:
            self._truth = samples.true_labels.astype(np.int32)

    def reopen(self, class_names: list[str] | None) -> None:
        """Nothing; the table of an existing run can grow again, without what was torn off.

        Args:
            class_names: of a run whose samples were given.
        """
        path = self._run / layout.SAMPLES
        if not path.exists():
            return
        stream = Stream(path)
        rows = _rows_of(stream)
        self.text_ids = pa.types.is_string(stream.schema.field("id").type)
        metadata = stream.schema.metadata or {}
        self.given, self.text_labels = metadata.get(b"given") == b"1", metadata.get(b"text_labels") == b"1"
        ids: Ids = rows.column("id").to_pylist() if self.text_ids else as_numpy(rows.column("id"))
        labels = as_numpy(rows.column("label"))
        if class_names is not None:
            self._name_classes(class_names)
        elif self.text_labels:
            known = dict(zip(labels.tolist(), rows.column("class_name").to_pylist(), strict=True))
            self._name_classes([known.get(code, "") for code in range(max(known, default=-1) + 1)])
        self._take_in(ids, labels)
        if TRUE_LABEL in stream.schema.names:
            self._truth = as_numpy(rows.column(TRUE_LABEL))
        self._writer = StreamWriter(path, stream.schema)
        self._writer.cut_to(stream.end_of(stream.last_step))

    def _name_classes(self, names: list[str]) -> None:
        self.class_names = list(names)
        self._code_of = {name: code for code, name in enumerate(names)}

    def label_codes(self, labels: Int64[np.ndarray, "B"] | list[str]) -> Int32[np.ndarray, "B"]:
        """Whole numbers for these labels: themselves, or for texts their place among the classes met so far.

        Raises:
            DataError: numbers and texts are mixed, a number is out of range, or a class is unknown.
        """
        text = isinstance(labels, list)
        if self.given and text:
            unknown = next((label for label in labels if label not in self._code_of), None)
            if unknown is not None:
                raise DataError(f"The label {unknown!r} is no class name of the samples given to the Recorder.")
        elif self.text_labels is None:
            self.text_labels = text
        elif self.text_labels != text and not self.given:
            was, now = ("texts", "numbers") if self.text_labels else ("numbers", "texts")
            raise DataError(f"Labels were {was} so far and are {now} now: give the labels of a run in one form.")
        if isinstance(labels, list):
            for label in labels:
                if label not in self._code_of:
                    self._code_of[label] = len(self.class_names)
                    self.class_names.append(label)
            return np.fromiter((self._code_of[label] for label in labels), np.int32, len(labels))
        codes = labels.astype(np.int32)
        if np.count_nonzero(codes != labels):
            raise DataError(
                f"The label {int(labels[codes != labels][0])} does not fit in 32 bits: number the classes from 0."
            )
        return codes

    def rows(self, ids: Ids, labels: Int32[np.ndarray, "B"]) -> Int32[np.ndarray, "B"]:
        """The row of each id; new ids are appended to samples/ first.

        Raises:
            DataError: an unknown id where the samples were given, a label that differs from the recorded one, or
                numbers and texts mixed.
        """
        text = isinstance(ids, list)
        if self.text_ids is None:
            self.text_ids = text
        elif self.text_ids != text:
            was, now = ("texts", "numbers") if self.text_ids else ("numbers", "texts")
            more = "; give row numbers as `rows=`" if self.given and not text else ""
            raise DataError(f"Ids were {was} so far and are {now} now: give the ids of a run in one form{more}.")
        rows, known = self._look_up(ids)
        if not known:
            self._meet(ids, rows, labels)
            rows, _ = self._look_up(ids)
        self.check_labels(rows, labels)
        return rows

    def _look_up(self, ids: Ids) -> tuple[Int32[np.ndarray, "B"], bool]:
        """The row of each id, -1 for an unknown one, and whether all are known."""
        # One comparison for both ends: a negative number is a huge one without its sign.
        if isinstance(ids, np.ndarray) and len(ids) and ids.view(np.uint64).max() < len(self._place):
            rows: Int32[np.ndarray, "B"] = self._place.take(ids)
            if rows.min() >= 0:
                return rows, True
        found = [self._row_of.get(one, -1) for one in _plain(ids)]
        return np.array(found, np.int32), -1 not in found

    def known_rows(self, ids: Ids, count: int) -> Int32[np.ndarray, "n"]:
        """The row of each of `count` ids, all of which have been met.

        Raises:
            DataError: naming one that has not, or when there are not `count`.
        """
        if len(ids) != count:
            raise DataError(f"There are {count} embeddings but {len(ids)} ids: give one for each.")
        rows, known = self._look_up(ids)
        if not known:
            unknown = _plain(ids)[int(rows.argmin())]
            raise DataError(
                f"The id {unknown!r} is not recorded yet: give `labels=` with the frame, or all `samples` first."
            )
        return rows

    def labels_of(self, rows: Int32[np.ndarray, "n"]) -> Int32[np.ndarray, "n"]:
        """The recorded label of each row."""
        found: Int32[np.ndarray, "n"] = self._labels[rows]
        return found

    def truth_of(self, rows: Int32[np.ndarray, "n"]) -> Int32[np.ndarray, "n"] | None:
        """The true label of each row; None where nobody knows."""
        return None if self._truth is None else self._truth[rows]

    def check_labels(self, rows: Int32[np.ndarray, "B"], labels: Int32[np.ndarray, "B"]) -> None:
        """Nothing, when the samples of these rows have these labels.

        Raises:
            DataError: naming the sample; most often ids and labels are of different orders then.
        """
        known = self._labels.take(rows)
        if np.count_nonzero(known != labels):  # half the time of any()
            slot = int(np.flatnonzero(known != labels)[0])
            raise DataError(
                f"The sample of slot {slot} (row {int(rows[slot])} of samples) has label {int(known[slot])}, but now "
                f"it comes with {int(labels[slot])}: give ids and labels in one order, and one label to a sample."
            )

    def _meet(self, named: Ids, found: Int32[np.ndarray, "B"], labels: Int32[np.ndarray, "B"]) -> None:
        ids = _plain(named)
        first_slot: dict[int | str, int] = {}
        for slot in np.flatnonzero(found < 0).tolist():
            first_slot.setdefault(ids[slot], slot)
        slots = list(first_slot.values())
        if self.given:
            first = ids[slots[0]]
            raise DataError(
                f"The id {first!r} is not among the {self.count:,} samples given to the Recorder: give the ids of "
                "`samples`, or row numbers as `rows=`."
            )
        codes = labels[slots]
        names = [self.class_names[code] if self.text_labels else str(code) for code in codes.tolist()]
        fresh: Ids = [str(ids[slot]) for slot in slots] if self.text_ids else np.array([ids[slot] for slot in slots])
        self._append(fresh, codes, names, None)
        self._take_in(fresh, codes)

    def _take_in(self, ids: Ids, labels: Int32[np.ndarray, "M"]) -> None:
        first = self.count
        self._row_of.update(zip(_plain(ids), range(first, first + len(ids)), strict=True))
        self._labels = np.concatenate([self._labels, labels])
        self.count += len(ids)
        if isinstance(ids, np.ndarray) and len(ids) and ids.min() >= 0:
            self._extend_places(ids, first)

    def _extend_places(self, ids: Int64[np.ndarray, "M"], first: int) -> None:
        room = int(ids.max()) + 1
        if room > 1_000_000 + 4 * self.count:  # scattered ids: the dictionary will do
            return
        if room > len(self._place):
            grown = np.full(max(room, 2 * len(self._place)), -1, np.int32)
            grown[: len(self._place)] = self._place
            self._place = grown
        self._place[ids] = np.arange(first, first + len(ids), dtype=np.int32)

    def _append(
        self,
        ids: Ids,
        labels: Int32[np.ndarray, "M"],
        class_names: list[str],
        texts: list[str] | None,
        truth: Int32[np.ndarray, "M"] | None = None,
    ) -> None:
        if self._writer is None:
            metadata = {b"given": b"1" if self.given else b"0", b"text_labels": b"1" if self.text_labels else b"0"}
            schema = samples_schema(bool(self.text_ids), truth is not None).with_metadata(metadata)
            (self._run / layout.SAMPLES).parent.mkdir(exist_ok=True)
            self._writer = StreamWriter(self._run / layout.SAMPLES, schema)
        kind = pa.string() if self.text_ids else pa.int64()
        columns = [
            pa.array(ids, kind),
            pa.array(labels, pa.int32()),
            pa.array(class_names, pa.string()),
            pa.nulls(len(labels), pa.string()) if texts is None else pa.array(texts, pa.string()),
        ]
        if truth is not None:
            columns.append(pa.array(truth, pa.int32()))
        self._writer.append(columns)

    def close(self) -> None:
        """Nothing; samples/ is on the disk."""
        if self._writer is not None:
            self._writer.close()


def _plain(ids: Ids) -> list[int] | list[str]:
    return ids.tolist() if isinstance(ids, np.ndarray) else ids


def _rows_of(stream: Stream) -> pa.Table:
    batches = list(stream.batches(stream.first_step, stream.last_step))
    return pa.Table.from_batches(batches, schema=stream.schema)


def read_samples(run: Path, class_names: list[str] | None, notes: list[str]) -> Samples:
    """Who the samples of a run are, as far as its files tell.

    Args:
        run: its folder.
        class_names: of a run whose samples were given; it may have classes without samples.
        notes: gets a line for each thing that is missing.
    """
    path = run / layout.SAMPLES
    try:
        stream = Stream(path)
        rows = _rows_of(stream)
        if stream.torn:
            notes.append("samples: the last entries are torn off")
    except FileNotFoundError:
        return Samples(np.empty(0, np.int64), np.empty(0, np.int64), class_names or [])
    except UNREADABLE:
        notes.append("samples: the list of samples is damaged")
        return Samples(np.empty(0, np.int64), np.empty(0, np.int64), class_names or [])
    labels, names = as_numpy(rows.column("label")).astype(np.int64), rows.column("class_name").to_pylist()
    given = class_names is not None  # only then a label is the place of a name
    if class_names is None:
        # A loop may number its classes as it likes; here they are 0 ... C-1 in the order of its numbers.
        _, firsts, labels = np.unique(labels, return_index=True, return_inverse=True)
        class_names = [names[i] for i in firsts]
    ids = rows.column("id")
    texts = rows.column("text")
    truth = None
    if given and TRUE_LABEL in stream.schema.names:
        truth = as_numpy(rows.column(TRUE_LABEL)).astype(np.int64)
    return Samples(
        ids=ids.to_pylist() if pa.types.is_string(stream.schema.field("id").type) else as_numpy(ids),
        labels=labels.astype(np.int64),
        class_names=class_names,
        texts=None if texts.null_count == len(texts) else [text or "" for text in texts.to_pylist()],
        thumbs=read_thumbs(run, len(rows), notes),
        true_labels=truth,
    )


#: Class of a sample whose entry is lost and that no batch held.
UNKNOWN = "unknown"


def complete_samples(
    samples: Samples,
    count: int,
    rows: Int32[np.ndarray, "M"],
    labels: Int32[np.ndarray, "M"],
    class_names: list[str] | None,
    notes: list[str],
) -> Samples:
    """All `count` samples that batches and frames speak of; those whose entry is lost are named by their rows.

    Args:
        samples: as many as could be read, the first ones.
        count: how many there must be.
        rows: of the samples that batches held.
        labels: their labels, as recorded there.
        class_names: of a run whose samples were given; without, a class is called by its number.
        notes: gets one line.
    """
    there = len(samples)
    if there >= count:
        return samples
    names = list(samples.class_names)
    code_of = {name: code for code, name in enumerate(names)}
    raw = np.full(count, -1, np.int64)
    raw[rows] = labels
    codes = [int(code) for code in samples.labels]
    for label in raw[there:].tolist():
        known = label >= 0 and (class_names is None or label < len(class_names))
        name = (class_names[label] if class_names else str(label)) if known else UNKNOWN
        if name not in code_of:
            code_of[name] = len(names)
            names.append(name)
        codes.append(code_of[name])
    # A row number may be somebody's id, so numbers become texts where there are both.
    ids: Any = (
        np.arange(count)
        if there == 0
        else [str(one) for one in samples.ids] + [f"row {i}" for i in range(there, count)]
    )
    notes.append(
        f"samples: {count - there} of {count} are not in the list; they are named by their rows, with the classes "
        "that the batches recorded"
    )
    return Samples(ids, np.array(codes), names)


def write_thumbs(run: Path, thumbs: UInt8[np.ndarray, "N ..."]) -> None:
    """Nothing; the thumbnails lie in rows on one sheet, left to right, top to bottom."""
    from PIL import Image

    while thumbs.shape[0] * thumbs.shape[1] * thumbs.shape[2] > _SHEET_PIXELS and min(thumbs.shape[1:3]) > 1:
        thumbs = thumbs[:, ::2, ::2]
    count, height, width = thumbs.shape[:3]
    columns = int(np.ceil(np.sqrt(count)))
    lines = -(-count // columns)
    sheet = np.zeros((lines * columns, *thumbs.shape[1:]), np.uint8)
    sheet[:count] = thumbs
    sheet = sheet.reshape(lines, columns, *thumbs.shape[1:]).swapaxes(1, 2)  # (lines, height, columns, width, ...)
    sheet = sheet.reshape(lines * height, columns * width, *thumbs.shape[3:])
    picture = io.BytesIO()
    Image.fromarray(sheet).save(picture, "PNG", optimize=True)
    grid = {"width": width, "height": height, "columns": columns, "count": count}
    layout.replace(run / layout.THUMBS, picture.getvalue())
    layout.replace(run / layout.THUMBS_GRID, json.dumps(grid).encode())


def read_thumbs(run: Path, count: int, notes: list[str]) -> UInt8[np.ndarray, "N ..."] | None:
    """The thumbnails of the first `count` samples, (N, height, width) or (N, height, width, 3); None without any."""
    from PIL import Image

    try:
        grid = json.loads((run / layout.THUMBS_GRID).read_text())
        with Image.open(run / layout.THUMBS) as picture:
            sheet = np.asarray(picture)
        height, width, columns = int(grid["height"]), int(grid["width"]), int(grid["columns"])
        lines = sheet.shape[0] // height
        cells = sheet.reshape(lines, height, columns, width, *sheet.shape[2:]).swapaxes(1, 2)
        thumbs = cells.reshape(lines * columns, height, width, *sheet.shape[2:])[:count]
    except FileNotFoundError as problem:
        halves = [path for path in (layout.THUMBS_GRID, layout.THUMBS) if (run / path).exists()]
        if halves:  # a run without pictures has neither
            notes.append(f"samples: the thumbnails cannot be shown: {Path(problem.filename).name} is missing")
        return None
    except (OSError, ValueError, KeyError, TypeError, SyntaxError) as problem:
        notes.append(f"samples: the thumbnails cannot be read ({problem})")
        return None
    if len(thumbs) < count:
        notes.append("samples: thumbnails are missing")
        return None
    return np.ascontiguousarray(thumbs)


def as_ids(ids: object) -> Ids:
    """The ids as an int64 array or a list of texts, whatever they came in (torch, NumPy, lists).

    Raises:
        DataError: they are neither whole numbers nor texts, or a mixture.
    """
    return _ints_or_texts(ids, "ids")


def as_labels(labels: object) -> Int64[np.ndarray, "B"] | list[str]:
    """The labels as an int64 array or a list of texts; see `as_ids`."""
    return _ints_or_texts(labels, "labels")


def _ints_or_texts(values: Any, what: str) -> Int64[np.ndarray, "B"] | list[str]:
    if hasattr(values, "detach"):
        values = values.numpy(force=True)
    if isinstance(values, np.ndarray):
        if values.ndim == 1 and values.dtype.kind in "iu":
            if values.dtype == np.uint64 and len(values) and int(values.max()) >= 2**63:
                raise _too_large(what, int(values.max()))
            return values.astype(np.int64, copy=False)
        values = values.tolist()
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise DataError(f"The {what} are a {type(values).__name__}: give a list or array of whole numbers or texts.")
    if all(isinstance(one, str) for one in values) and len(values):
        return [str(one) for one in values]
    if all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in values):
        widest = max(values, key=abs, default=0)
        if not -(2**63) <= widest < 2**63:
            raise _too_large(what, widest)
        return np.array(values, np.int64)
    first = type(values[0]).__name__
    other = next((type(one).__name__ for one in values if type(one) is not type(values[0])), None)
    mixture = f" of {first} and {other} mixed" if other else f" of {first}"
    raise DataError(f"The {what} are a list{mixture}: give whole numbers or texts, one kind for the whole run.")


def _too_large(what: str, value: int) -> DataError:
    return DataError(f"Among the {what} is {value}, which is no 64-bit whole number: give such numbers as texts.")
