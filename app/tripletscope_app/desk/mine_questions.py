"""Mining, asked before it is done and after: the margin curve, a forecast, the first rows, the files."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64

from tripletscope_app.desk.finding_questions import NAME, TEXT, _short, inspection_of
from tripletscope_app.desk.held import Held, Tell, question
from tripletscope_app.desk.pictures import thumbnail

if TYPE_CHECKING:
    from tripletscope.cli.mined_files import Kept
    from tripletscope.embeddings.embedding_set import EmbeddingSet
    from tripletscope.mining.forecast import Ready

#: Until a process of its own has read the file and loaded what it needs, in seconds.
START = 2.5
#: Rows of a triplet CSV that are written in a second.
WRITTEN = 60_000
#: Who belongs together: by "labels", by "duplicates", or by the pairs of a file.
Source = str


def findings_of(held: Held, distance: str, tell: Tell | None = None) -> dict[str, Any]:
    """What `tripletscope inspect --out x.json` would hold."""
    return held.kept(("findings", distance), lambda: inspection_of(held, distance, tell).to_dict())


def left_out(
    held: Held, distance: str, kept: Sequence[str], rows: Sequence[int], tell: Tell | None = None
) -> Int64[np.ndarray, " E"]:
    """Places that stay out of mining: by the findings but for the checks in `kept`, and these rows."""
    from tripletscope.inspection.looked import left_out as out

    given = held.opened()
    by_hand = np.array(sorted(rows), dtype=np.int64)
    key = ("left out", distance, tuple(kept), tuple(rows))
    return held.kept(key, lambda: out(given, findings_of(held, distance, tell), keep=kept, further=by_hand))


def _labelled(given: EmbeddingSet) -> bool:
    return bool((given.labels >= 0).any())


def _ready(
    held: Held, tell: Tell, distance: str, source: Source, pairs: str | None, kept: Sequence[str], rows: Sequence[int]
) -> Ready:
    """The set as the command would make it ready with the same options."""
    from tripletscope.errors import DataError
    from tripletscope.inspection.looked import duplicate_pairs
    from tripletscope.mining.forecast import ready
    from tripletscope.mining.pairs import read_pairs

    given = held.opened()
    if source == "labels" and not _labelled(given):
        raise DataError("This set has no labels: choose their column, or say otherwise which rows belong together.")

    def make() -> Ready:
        if source == "labels":
            out = left_out(held, distance, kept, rows, tell)
            return ready(given.vectors, given.labels, given.ids, distance=distance, exclude=out)
        by_hand = np.array(sorted(rows), dtype=np.int64)
        chosen = duplicate_pairs(given, distance=distance).pairs if pairs is None else read_pairs(pairs)
        return ready(given.vectors, None, given.ids, distance=distance, exclude=by_hand, pairs=chosen)

    out_by = (tuple(kept), tuple(rows)) if source == "labels" else tuple(rows)
    return held.kept(("ready", distance, source, pairs, out_by), make)


@question
def margin_curve(
    held: Held,
    tell: Tell,
    *,
    distance: str,
    source: Source,
    pairs: str | None,
    kept: list[str],
    rows: list[int],
    choice: str,
    per_anchor: int | str,
    seed: int,
) -> dict[str, Any]:
    """`gaps` of nearest negatives, rising, and of how many anchors; a margin to begin with."""
    from tripletscope.mining.forecast import nearest_gaps, suggested_margin

    made = _ready(held, tell, distance, source, pairs, kept, rows)
    count: Any = "all" if per_anchor == "all" else int(per_anchor)
    seen = nearest_gaps(made, choice=choice, per_anchor=count, seed=seed, progress=tell)  # type: ignore[arg-type]
    return {
        "gaps": seen.gaps,
        "anchors": seen.anchors,
        "anchors_of": seen.anchors_of,
        "fewer": seen.fewer,
        "exact": seen.exact,
        "suggested": suggested_margin(seen.gaps),
        "rows": len(made.shard),
        "left_out": len(held.opened()) - len(made.shard),
        "notes": list(made.notes),
    }


@question
def mining_forecast(
    held: Held,
    tell: Tell,
    *,
    distance: str,
    source: Source,
    pairs: str | None,
    kept: list[str],
    rows: list[int],
    strategy: str,
    margin: float,
    positives: int | str | None,
    negatives: int,
    filters: dict[str, float],
    seed: int,
    params: dict[str, float],
) -> dict[str, Any]:
    """How many triplets there will be, how large and how long, and their zones, from a draw of the anchors."""
    from tripletscope.mining.forecast import forecast

    made = _ready(held, tell, distance, source, pairs, kept, rows)
    count: Any = "all" if positives == "all" else None if positives is None else int(positives)
    seen = forecast(
        made,
        strategy=strategy,
        margin=margin,
        positives_per_anchor=count,
        negatives_per_anchor=negatives,
        filters=filters,
        seed=seed,
        **params,
    )
    return {
        "pairs": seen.pairs,
        "triplets": seen.triplets,
        "most": seen.most,
        "abstained": seen.abstained,
        "zones": seen.zones,
        "anchors": seen.anchors,
        "anchors_of": seen.anchors_of,
        "bytes": round(_bytes_of_a_row(held, made, seen, strategy, margin) * seen.triplets),
        "seconds": _seconds(made, strategy, seen.triplets),
    }


def _seconds(made: Ready, strategy: str, triplets: int) -> float:
    """About how long the whole of it takes in a process of its own."""
    from tripletscope.mining import picks, whole_set

    rows, dim = len(made.shard), made.shard.vectors.shape[1]
    searches = (strategy != "random") + (picks.get(strategy).positives != "random" and made.given is None)
    if rows > whole_set.EXACT_UP_TO:
        search = whole_set.estimated_at_most(rows, dim)
    else:
        search = whole_set.estimated_seconds(len(made.anchors), rows, dim)
    return START + searches * search + triplets / WRITTEN


def _bytes_of_a_row(held: Held, made: Ready, seen: Any, strategy: str, margin: float) -> float:
    """How large a row of the triplet CSV is, from those that were picked."""
    from tripletscope import export
    from tripletscope.cli.mined_files import class_names_of
    from tripletscope.mining import forms
    from tripletscope.mining.whole_set import Mined

    if not len(seen.anchor):
        return 0.0
    given = held.opened()
    part = slice(0, 500)
    arrays = [one[part] for one in (seen.anchor, seen.positive, seen.negative, seen.d_ap, seen.d_an)]
    mined = Mined(*arrays, strategy=strategy, distance=made.shard.distance, margin=margin)
    names = held.kept("class names", lambda: class_names_of(given))
    with tempfile.TemporaryDirectory() as folder:
        table = forms.triplets(mined, given.ids, names, texts=given.texts)
        path = export.export_table(table, Path(folder) / "t.csv", settings={})
        return path.stat().st_size / len(mined)


# ---- what was mined


def _mined(held: Held, folder: str) -> Kept:
    from tripletscope.cli.mined_files import kept

    return held.kept(("mined", folder), lambda: kept(Path(folder)))


@question
def mined_rows(held: Held, tell: Tell, *, folder: str, first: int, count: int) -> dict[str, Any]:
    """`rows` of the triplets from `first` on, with what a person knows of each of the three; `zones` of all."""
    from tripletscope.zones import ZONES, zone_codes_numpy

    found, given = _mined(held, folder), held.opened()
    mined = found.mined

    def zones() -> dict[str, int]:
        counts = np.zeros(len(ZONES), np.int64)
        for at in range(0, len(mined), 2**20):
            gap = mined.d_an[at : at + 2**20] - mined.d_ap[at : at + 2**20]
            counts += np.bincount(zone_codes_numpy(gap, mined.margin), minlength=len(ZONES))
        return dict(zip(ZONES, counts.tolist(), strict=True))

    rows = []
    for place in range(first, min(first + count, len(mined))):
        gap = mined.d_an[place] - mined.d_ap[place]
        slots = {slot: int(getattr(mined, slot)[place]) for slot in ("anchor", "positive", "negative")}
        flags = [name for row in slots.values() for name in (found.flags or {}).get(row, "").split(";") if name]
        rows.append(
            {
                "rank": place + 1,
                "d_ap": float(mined.d_ap[place]),
                "d_an": float(mined.d_an[place]),
                "gap": float(gap),
                "loss": float(max(np.float32(mined.margin) - gap, np.float32(0))),
                "zone": ZONES[int(zone_codes_numpy(np.array([gap]), mined.margin)[0])],
                "flags": list(dict.fromkeys(flags)),
                "slots": {slot: _told(given, row) for slot, row in slots.items()},
            }
        )
    return {
        "rows": rows,
        "total": len(mined),
        "zones": held.kept(("mined zones", folder), zones),
        "settings": mined.settings,
        "notes": list(found.notes),
    }


def _told(given: EmbeddingSet, row: int) -> dict[str, Any]:
    picture = thumbnail(given, row, 40)
    name = given.class_of(row)
    return {
        "row": row,
        "id": _short(str(given.id_of(row)), NAME),
        "class": None if name is None else _short(name, NAME),
        "text": "" if given.texts is None else _short(given.texts[row], TEXT),
        "picture": None if picture is None else list(picture),
    }


@question
def mined_file(
    held: Held, tell: Tell, *, folder: str, out: str, form: str, scores: bool, raw: bool = False
) -> dict[str, Any]:
    """The file of that form, as the command writes it, with the settings beside it: paths and sizes."""
    path = _form(held, folder, Path(out), form, scores=scores, raw=raw)
    beside = _beside(path)
    return {
        "path": str(path),
        "bytes": path.stat().st_size,
        "settings": str(beside),
        "settings_bytes": beside.stat().st_size,
    }


def _form(held: Held, folder: str, out: Path, form: str, *, scores: bool, raw: bool = False) -> Path:
    from tripletscope.cli.mined_files import write_form

    out.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if out.exists() and _beside(out).exists():
        return out
    return write_form(_mined(held, folder), held.opened(), out, form=form, scores=scores, raw=raw, overwrite=True)


def _beside(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".gz").rpartition(".")[0] + ".settings.json")


@question
def mined_zip(
    held: Held,
    tell: Tell,
    *,
    folder: str,
    out: str,
    stem: str,
    command: str,
    distance: str,
    kept: list[str],
    rows: list[int],
) -> dict[str, Any]:
    """One .zip with the triplets in every form that fits, their settings, the findings, and the command line."""
    given, place = held.opened(), Path(out)
    texts = given.texts is not None
    parts = [("triplets", f"{stem}.csv"), ("index", f"{stem}-index.csv")]
    parts += [("sentence-transformers", f"{stem}-sentence-transformers.jsonl")] if texts else []
    with tempfile.TemporaryDirectory(dir=place.parent) as made:
        home, total = Path(made), len(parts) + 2
        for done, (form, name) in enumerate(parts):
            tell(done, total)
            _form(held, folder, home / form / name, form, scores=False)
        tell(len(parts), total)
        if _labelled(given):
            _write_report(held, tell, distance, home / "findings.html")
            _write_findings(held, distance, home / "findings.json")
            ids = "".join(f"{given.id_of(row)}\n" for row in left_out(held, distance, kept, rows).tolist())
            (home / "left-out.txt").write_bytes(ids.encode("utf-8", "replace"))
        (home / "command.txt").write_text(command + "\n", encoding="utf-8")
        rough = place.with_name(place.name + ".tmp")
        with zipfile.ZipFile(rough, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(home.rglob("*")):
                if path.is_file():
                    # A fixed date: same files, same bytes.
                    info = zipfile.ZipInfo(path.name, (1980, 1, 1, 0, 0, 0))
                    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                    with path.open("rb") as source, packed.open(info, "w", force_zip64=True) as target:
                        shutil.copyfileobj(source, target, 2**20)
        rough.replace(place)
    return {"path": str(place), "bytes": place.stat().st_size}


# ---- what goes out beside triplets


def _write_findings(held: Held, distance: str, path: Path) -> None:
    told = json.dumps(findings_of(held, distance), indent=2, ensure_ascii=False) + "\n"
    path.write_bytes(told.encode("utf-8", "replace"))


def _write_report(held: Held, tell: Tell, distance: str, path: Path) -> None:
    from tripletscope.inspection.report import render

    path.write_bytes(render(inspection_of(held, distance, tell)).encode("utf-8", "replace"))


@question
def handed_findings(held: Held, tell: Tell, *, distance: str, path: str) -> dict[str, Any]:
    """A file for `--findings`; ids with half a character come back as they were."""
    told = findings_of(held, distance, tell)
    Path(path).write_text(json.dumps(told), encoding="ascii")
    return {"path": path, "sampled": told["sampled_from"] is not None}


@question
def outgoing(
    held: Held,
    tell: Tell,
    *,
    what: str,
    out: str,
    distance: str,
    kept: list[str],
    rows: list[int],
    mapping: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A file that `tripletscope inspect` would write: "report", "findings", "cleaned" or "excluded"."""
    from tripletscope.embeddings.cleaned import clean_rows, write_cleaned

    path, given = Path(out), held.opened()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    told: dict[str, Any] = {}
    if what == "report":
        _write_report(held, tell, distance, path)
    elif what == "findings":
        _write_findings(held, distance, path)
    else:
        gone = left_out(held, distance, kept, rows, tell)
        told["rows"] = len(gone)
        if what == "excluded":
            listed = io.StringIO()
            listed.writelines(f"{given.id_of(row)}\n" for row in gone.tolist())
            path.write_bytes(listed.getvalue().encode("utf-8", "replace"))
        else:
            assert held.looked is not None
            changes = {part: tuple(one) if isinstance(one, list) else one for part, one in (mapping or {}).items()}
            chosen = held.looked.mapping(changes or None)
            told["rows"] = write_cleaned(
                held.looked.table, clean_rows(given, gone), path, vector=chosen.vector, overwrite=True
            )
    return {**told, "path": str(path), "bytes": path.stat().st_size}


@question
def cleaned_kind(held: Held, tell: Tell, *, source: str) -> dict[str, Any]:
    """The ending that a cleaned copy of that file takes."""
    from tripletscope.embeddings.cleaned import ending_for

    assert held.looked is not None
    return {"ending": ending_for(source, held.looked.table)}


# ---- what there is to choose from


@question
def mining_choices(held: Held, tell: Tell) -> dict[str, Any]:
    """The strategies and filters that make sense over a whole set, with titles, summaries and sources."""
    from tripletscope import strategies
    from tripletscope.mining import filters, picks

    twins = {name: strategies.get(name) for name in strategies.names()}
    return {
        "strategies": [
            {
                "name": name,
                "title": twins[name].title if name in twins else _titled(name),
                "summary": picks.get(name).summary,
                "source": twins[name].source if name in twins else "",
                "order": twins[name].order if name in twins else None,
                "positives": picks.get(name).positives,
            }
            for name in picks.names()
        ],
        "filters": [
            {
                "name": one.name,
                "title": one.title,
                "summary": one.summary,
                "source": one.source,
                "value": one.value,
                "default": one.default,
                "low": one.low,
                "high": one.high,
            }
            for one in filters.all()
        ],
    }


def _titled(name: str) -> str:
    words = name.replace("-", " ")
    return words[:1].upper() + words[1:]


@question
def ids_of(held: Held, tell: Tell, *, rows: list[int]) -> dict[str, Any]:
    """The `ids` of these places, as texts."""
    given = held.opened()
    return {"ids": [str(given.id_of(row)) for row in rows if 0 <= row < len(given)]}
