"""Broken files by the thousand: every reader either opens one or refuses it in a sentence, in bounded memory and time.

    python tests/fuzz_readers.py --minutes 10 --keep finds          # small sound files, broken in a few places
    python tests/fuzz_readers.py --minutes 10 --atheris --keep finds  # led by coverage, where atheris is installed

The files are read in a process of their own, so that a crash, a hang or a hunger for memory is a find like any other;
the file behind it is kept. The same steps run for a few seconds in tests/core/test_fuzz_readers.py.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import inspect
import io
import json
import os
import pkgutil
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

from tripletscope import embeddings
from tripletscope.embeddings.mapping import propose
from tripletscope.embeddings.opening import open_embeddings, read
from tripletscope.embeddings.table import look_at
from tripletscope.errors import TripletscopeError

LIMIT = 32 * 2**20  # bytes that a file may fill once opened
MOST_MEMORY = 6 * 2**30  # bytes of address space, most of it torch's and Arrow's libraries
SECONDS = 20  # that one file may take
ROWS = 9
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a4944415478da63680000008200813dd4"
    "76e10000000049454e44ae426082"
)


# ---- sound files


def _numbers() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)


def _labels() -> list[str]:
    return ["cat", "dog", "\N{GRINNING FACE}"] * (ROWS // 3)


def _npy(values: np.ndarray, *, pickled: bool = False) -> bytes:
    made = io.BytesIO()
    np.save(made, values, allow_pickle=pickled)
    return made.getvalue()


def _npz(packed: bool, **arrays: np.ndarray) -> bytes:
    made = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(made, allow_pickle=True, **arrays)  # type: ignore[arg-type]
    return made.getvalue()


def _table() -> pa.Table:
    columns = {
        "id": [f"r{row}" for row in range(ROWS)],
        "vector": pa.array(_numbers().tolist(), pa.list_(pa.float32(), 4)),
        "label": pa.array(_labels()).dictionary_encode(),
        "image": pa.array([{"bytes": PICTURE, "path": "a.png"}] * ROWS),
        "text": pa.array([f"some words about row {row}" for row in range(ROWS)], pa.large_string()),
        "split": ["train", "test", "train"] * (ROWS // 3),
        "x": np.arange(ROWS) * 0.5,
        "y": np.arange(ROWS, dtype=np.float16),
        "when": pa.array(range(ROWS), pa.timestamp("s")),
        "yes": [None, True, False] * (ROWS // 3),
        "names": [["a"], [], None] * (ROWS // 3),
    }
    return pa.table(columns)


def _flat() -> pa.Table:
    found = _numbers()
    return pa.table(
        {f"emb_{d}": found[:, d] for d in range(4)}
        | {"label": pa.array(_labels(), pa.string_view()), "n": pa.array(range(ROWS), pa.int64())}
    )


def _parquet(table: pa.Table, **options: object) -> bytes:
    made = io.BytesIO()
    pq.write_table(table, made, **options)
    return made.getvalue()


def _arrow(table: pa.Table, *, stream: bool = False, compression: str | None = None) -> bytes:
    made = io.BytesIO()
    opened = pa.ipc.new_stream if stream else pa.ipc.new_file
    with opened(made, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=5)
    return made.getvalue()


def _feather_1() -> bytes:
    made = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Arrow will stop writing these; it still reads them
        feather.write_feather(_flat().select(["emb_0", "emb_1", "n"]), made, version=1)
    return made.getvalue()


def _torch(content: object) -> bytes:
    import torch

    made = io.BytesIO()
    torch.save(content, made)
    return made.getvalue()


def _safetensors() -> bytes:
    body = _numbers().tobytes() + np.arange(ROWS).tobytes()
    header = {
        "__metadata__": {"made": "here"},
        "vectors": {"dtype": "F32", "shape": [ROWS, 4], "data_offsets": [0, ROWS * 16]},
        "labels": {"dtype": "I64", "shape": [ROWS], "data_offsets": [ROWS * 16, len(body)]},
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def _lines() -> list[dict[str, object]]:
    return [
        {"id": row, "label": label, "embedding": vector, "note": None, "n": [1, "1", 1.5][row % 3]}
        for row, (label, vector) in enumerate(zip(_labels(), _numbers().round(3).tolist(), strict=True))
    ]


def _csv(separator: str = ",", decimal: str = ".", header: bool = True) -> str:
    rows = [["id", "label", "text", "x", "y", *(f"e{d}" for d in range(4))]] if header else []
    for row, (label, vector) in enumerate(zip(_labels(), _numbers().round(3).tolist(), strict=True)):
        words = '"words, with ""quotes"""' if separator == "," else "words"
        numbers = [str(one).replace(".", decimal) for one in (row + 0.5, row * 2, *vector)]
        rows.append([f"00{row}", label, words, *numbers])
    return "".join(separator.join(row) + "\n" for row in rows)


def sound_files() -> dict[str, list[bytes]]:
    """Small files of every kind that is read, by their ending."""
    import torch

    numbers, labels = _numbers(), np.array(_labels())
    words = "9 4\n" + "".join(f"w{row} {' '.join(map(str, vector))}\n" for row, vector in enumerate(numbers.tolist()))
    listed = "id,vector\n" + "".join(f'{row},"{vector}"\n' for row, vector in enumerate(numbers.tolist()))
    records = _lines()
    jsonl = "".join(json.dumps(one) + "\n" for one in records).encode()
    tensor = torch.from_numpy(numbers)
    return {
        "npy": [
            _npy(numbers),
            _npy(numbers.astype(np.float16)),
            _npy(np.asfortranarray(numbers.astype(">f8"))),
            _npy(labels),
            _npy(labels.astype(object), pickled=True),
        ],
        "npz": [
            _npz(False, embeddings=numbers, labels=np.arange(ROWS) % 3, class_names=np.array(["a", "b", "c"])),
            _npz(True, X=numbers.astype(float), y=labels, ids=np.arange(ROWS), raw=np.char.encode(labels)),
            _npz(False, images=np.zeros((ROWS, 3, 3), np.uint8), split=labels, half=np.zeros(ROWS, np.float16)),
        ],
        "csv": [
            _csv().encode(),
            _csv(";", ",").encode("latin-1", "replace"),
            _csv("\t").encode("utf-16"),
            b"\xef\xbb\xbf" + _csv("|", header=False).encode(),
            listed.encode(),
        ],
        "txt": [words.encode(), _csv("\t", ",").encode("utf-16-le")],
        "tsv": [_csv("\t").encode()],
        "csv.gz": [gzip.compress(_csv().encode())],
        "jsonl": [jsonl],
        "json": [json.dumps(records).encode()],
        "jsonl.gz": [gzip.compress(jsonl)],
        "parquet": [
            _parquet(_table()),
            _parquet(_table(), compression="zstd", store_schema=False, row_group_size=4),
            _parquet(_flat(), compression="none", use_dictionary=False),
            _parquet(_flat(), compression="gzip", data_page_version="2.0", use_dictionary=["n"]),
        ],
        "arrow": [
            _arrow(_table()),
            _arrow(_flat(), stream=True),
            _arrow(_table(), compression="zstd"),
            _arrow(_flat(), stream=True, compression="lz4"),
        ],
        "feather": [_arrow(_flat(), compression="lz4"), _feather_1()],
        "pt": [
            _torch({"vectors": tensor, "labels": torch.arange(ROWS) % 3, "texts": _labels()}),
            _torch(tensor.half()),
            _torch([tensor[row] for row in range(ROWS)]),
            _torch({"a": tensor[0], "b": tensor[1].clone()}),
            _torch((tensor.bfloat16(), torch.arange(ROWS))),
        ],
        "safetensors": [_safetensors()],
    }


# ---- breaking them

_WORDS = [0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1]
_TEXTS = [
    b"\0", b"\n", b"\r", b'"', b",", b"'", b"nan", b"inf", b"-1", b"-0", b"1e999", b"999999999999999999999", b"null",
    b"{}", b"[[", b"(1, 2, 3)", b"|O", b">f8", b"F64", b"\\ud800",
    b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xae",
]  # fmt: skip


def broken(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """The content with a few places changed."""
    made = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
        if not made:
            return bytes(made)
        at, length = chance.randrange(len(made)), min(len(made), chance.choice([1, 2, 4, 8, 32, 200]))
        what = chance.randrange(10)
        if what <= 1:
            made[at] ^= 1 << chance.randrange(8)
        elif what == 2:
            made[at : at + length] = bytes(chance.randrange(256) for _ in range(length))
        elif what == 3:
            width = chance.choice([1, 2, 4, 8])
            made[at : at + width] = (chance.choice(_WORDS) % 256**width).to_bytes(width, "little")
        elif what == 4:
            del made[at : at + length]
        elif what == 5:
            made[at:at] = made[at : at + length] * chance.choice([1, 2, 50])
        elif what == 6:
            made[at:at] = chance.choice(_TEXTS)
        elif what == 7:
            word = chance.choice(_TEXTS)
            made[at : at + len(word)] = word
        elif what == 8:
            del made[at:]
        else:
            other = chance.choice(others)
            start = chance.randrange(len(other) + 1)
            made[at : at + length] = other[start : start + length]
    return bytes(made)


def broken_inside(kind: str, content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Broken within a sound wrapping, so that a checksum does not end the matter; as it comes where there is none."""
    if kind.endswith(".gz"):
        return gzip.compress(broken(gzip.decompress(content), chance, others))
    if kind in ("npz", "pt"):
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(made, "w") as out:
            names = archive.namelist()
            hit = chance.choice(names)
            for name in names:
                inner = archive.read(name)
                out.writestr(name, broken(inner, chance, [*others, inner]) if name == hit else inner)
        return made.getvalue()
    if kind == "safetensors":
        length = struct.unpack("<Q", content[:8])[0]
        header = broken(content[8 : 8 + length], chance, others)
        return struct.pack("<Q", len(header)) + header + content[8 + length :]
    if kind == "npy":
        length = struct.unpack("<H", content[8:10])[0]
        header = broken(content[10 : 10 + length].rstrip(), chance, others)[:60_000]
        return content[:8] + struct.pack("<H", len(header)) + header + content[10 + length :]
    return broken(content, chance, others)


def a_broken_file(chance: random.Random, files: dict[str, list[bytes]]) -> tuple[str, bytes]:
    """A kind and what stands in the file."""
    kind = chance.choice(list(files))
    others = [content for contents in files.values() for content in contents]
    content = chance.choice(files[kind])
    if chance.random() < 0.02:  # a file under another name
        content = chance.choice(others)
        return kind, content
    if chance.random() < 0.4:
        return kind, broken_inside(kind, content, chance, others)
    return kind, broken(content, chance, others)


# ---- reading one


def read_one(path: Path) -> bool:
    """True where the file opens, False where it is refused in a sentence.

    Raises:
        AssertionError: a refusal that is no sentence, or a set that cannot be used.
        Exception: whatever else a reader lets through.
    """
    opened = False
    for look in (_opened, _beside):
        try:
            look(path)
            opened = True
        except TripletscopeError as refusal:
            said = str(refusal)
            assert said.endswith("."), said
            assert "\n" not in said, said
            assert len(said) < 2_000, said
            assert path.name in said, said
    return opened


def _opened(path: Path) -> None:
    found = open_embeddings(path, limit=LIMIT)
    assert np.isfinite(found.vectors.astype(np.float32)).all()
    assert len(found) > 0
    assert found.vectors.nbytes <= max(LIMIT, path.stat().st_size)
    assert len(set(found.ids.tolist())) == len(found)
    assert found.class_counts().sum() == (found.labels >= 0).sum()
    assert all(found.class_counts() > 0)
    assert all(len(column) == len(found) for column in found.columns.values())
    assert all("\n" not in note for note in found.notes), found.notes
    found.take(np.arange(len(found))[::-1].copy())
    if found.pictures is not None:
        found.pictures.bytes_of(0)


def _beside(path: Path) -> None:
    """As the second file of a set of nine vectors."""
    table = read(path, limit=LIMIT, expected_rows=ROWS)
    assert propose(look_at(table)).reasons
    np.save(path.with_name("main.npy"), _numbers())
    found = open_embeddings(path.with_name("main.npy"), metadata=path, limit=LIMIT)
    assert len(found) == ROWS


# ---- for minutes, in a process of its own


def work(seed: int, folder: Path, until: float) -> None:
    """Reads file after file; ends at the first find, whose file and words stay in the folder."""
    import resource

    warnings.simplefilter("error")
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(hard, MOST_MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    signal.signal(signal.SIGALRM, _too_long)
    chance, files = random.Random(seed), sound_files()
    counted = {"files": 0, "opened": 0, "refused": 0, "peak_mb": 0, "grown_mb": 0}
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while time.time() < until:
        kind, content = a_broken_file(chance, files)
        path = folder / f"set.{kind}"
        path.write_bytes(content)
        (folder / "current").write_text(path.name)
        signal.alarm(SECONDS)
        try:
            counted["opened" if read_one(path) else "refused"] += 1
        except BaseException as find:
            import traceback

            signal.alarm(0)
            (folder / "find.txt").write_text("".join(traceback.format_exception(find)))
            raise SystemExit(3) from find
        finally:
            counted["files"] += 1
            signal.alarm(0)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            counted |= {"peak_mb": peak // 1024, "grown_mb": (peak - start) // 1024}
            if counted["files"] % 20 == 0 or (folder / "find.txt").exists():
                (folder / "counted.json").write_text(json.dumps(counted))
        path.unlink()
    (folder / "counted.json").write_text(json.dumps(counted))


def _too_long(*_: object) -> None:
    raise TimeoutError(f"one file took more than {SECONDS} seconds")


def fuzz(minutes: float, keep: Path, seed: int) -> int:
    """How many finds there were; their files are kept."""
    keep.mkdir(parents=True, exist_ok=True)
    end = time.time() + 60 * minutes
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    total = {"files": 0, "opened": 0, "refused": 0}
    peak = grown = finds = 0
    while time.time() < end - 1:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            words = [sys.executable, __file__, "--worker", name, "--seed", str(seed), "--until", str(end)]
            done = subprocess.run(words, check=False, capture_output=True, text=True, env=one_thread)
            counted = json.loads((folder / "counted.json").read_text()) if (folder / "counted.json").exists() else {}
            for key in total:
                total[key] += counted.get(key, 0)
            peak, grown = max(peak, counted.get("peak_mb", 0)), max(grown, counted.get("grown_mb", 0))
            if done.returncode:
                finds += 1
                if not (folder / "current").exists():
                    raise SystemExit(done.stderr)
                current = (folder / "current").read_text()
                if (folder / current).exists():
                    (keep / f"{seed}-{current}").write_bytes((folder / current).read_bytes())
                told = (folder / "find.txt").read_text() if (folder / "find.txt").exists() else done.stderr[-3000:]
                (keep / f"{seed}.txt").write_text(f"exit code {done.returncode}\n{told}")
                print(f"find {seed} ({current}, exit code {done.returncode}): {told.strip().splitlines()[-1:]}")
        seed += 1
    print(
        f"{total['files']:,} files in {minutes:g} min: {total['opened']:,} opened, {total['refused']:,} refused, "
        f"{finds} finds; peak memory {peak:,} MB, of which {grown:,} MB came while reading"
    )
    return finds


def led_by_coverage(minutes: float, keep: Path) -> None:
    """The same files, by atheris: the first byte says which kind, the rest is the file."""
    import atheris

    warnings.simplefilter("error")
    files, folder = sound_files(), Path(tempfile.mkdtemp())
    kinds = list(files)
    (keep / "corpus").mkdir(parents=True, exist_ok=True)
    for number, kind in enumerate(kinds):
        for place, content in enumerate(files[kind]):
            (keep / "corpus" / f"{kind}-{place}").write_bytes(bytes([number]) + content)

    def one(content: bytes) -> None:
        if content:
            path = folder / f"set.{kinds[content[0] % len(kinds)]}"
            path.write_bytes(content[1:])
            read_one(path)

    for found in pkgutil.iter_modules(embeddings.__path__, "tripletscope.embeddings."):
        for part in vars(importlib.import_module(found.name)).values():
            if inspect.isfunction(part) and part.__module__ == found.name:
                atheris.instrument_func(part)  # ours only: Arrow's and NumPy's own C is out of its sight
    options = [f"-max_total_time={round(60 * minutes)}", f"-artifact_prefix={keep}/", "-max_len=20000", "-timeout=20"]
    atheris.Setup([sys.argv[0], *options, str(keep / "corpus")], one)
    atheris.Fuzz()


def main() -> int:
    """0 without finds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("finds"), help="folder for the files behind finds")
    parser.add_argument("--atheris", action="store_true")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--until", type=float, default=0.0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        work(asked.seed, asked.worker, asked.until)
        return 0
    if asked.atheris:
        led_by_coverage(asked.minutes, asked.keep)
        return 0
    return 1 if fuzz(asked.minutes, asked.keep, asked.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
