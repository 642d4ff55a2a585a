"""Runs travel as a zip; what a stranger packed is refused whole, in one sentence, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from pathlib import Path

import pytest
from tests.core import recorded

from tripletscope import Recorder, Run
from tripletscope.cli import main
from tripletscope.errors import DataError, RunError
from tripletscope.store import parcel


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return recorded.record(tmp_path_factory.mktemp("runs") / "first")


def zipped(runs, path):
    with path.open("wb") as file:
        parcel.pack(runs, file)
    return path


def test_a_run_comes_back_as_it_was(run, tmp_path):
    file = zipped([run, run], tmp_path / "runs.zip")
    first, second = parcel.unpack(file, tmp_path / "here")
    assert (first.name, second.name) == ("first", "first-2")
    assert Run.open(first).digest == Run.open(run).digest
    assert Run.open(first).picks().equals(Run.open(run).picks())
    assert not list(first.glob("checkpoints/*"))
    (again,) = parcel.unpack(zipped([run], tmp_path / "one.zip"), tmp_path / "here")
    assert again.name == "first-3", "nothing is overwritten"
    again, other = io.BytesIO(), io.BytesIO()
    parcel.pack([run], again)
    parcel.pack([run], other)
    assert again.getvalue() == other.getvalue()


def test_the_inside_of_a_run_folder_is_a_parcel_too(run, tmp_path):
    file = tmp_path / "packed by hand.zip"
    with zipfile.ZipFile(file, "w") as made:
        for path in run.rglob("*"):
            if path.is_file() and "checkpoints" not in path.parts and "views" not in path.parts:
                made.write(path, path.relative_to(run).as_posix())
    (found,) = parcel.unpack(file, tmp_path / "here")
    assert found.name == "packed-by-hand"
    assert Run.open(found).digest == Run.open(run).digest


def content(run, **changes):
    """Entries of an honest parcel with some changed: name -> bytes, None to leave it out."""
    held = {f"x/{path.relative_to(run).as_posix()}": path.read_bytes() for path in run.rglob("*") if path.is_file()}
    held = {name: data for name, data in held.items() if "checkpoints" not in name and "views" not in name}
    return {name: data for name, data in (held | changes).items() if data is not None}


def hostile(kind: str, run: Path, path: Path) -> Path:
    entries = content(run)
    config = json.loads(entries["x/config.json"])
    if kind == "slip":
        entries["x/../../evil.txt"] = b"!"
    elif kind == "absolute":
        entries["/etc/evil"] = b"!"
    elif kind == "drive":
        entries["C:\\evil"] = b"!"
    elif kind == "backslash slip":
        entries["x\\..\\..\\evil"] = b"!"
    elif kind == "foreign file":
        entries["x/run.py"] = b"print()"
    elif kind == "checkpoint":
        entries["x/checkpoints/step-0000001.pt"] = b"weights"
    elif kind == "no config":
        del entries["x/config.json"]
    elif kind == "newer format":
        entries["x/config.json"] = json.dumps({**config, "format": 99}).encode()
    elif kind == "damaged config":
        entries["x/config.json"] = b"{"
    elif kind == "empty":
        entries = {}
    elif kind == "twice":
        entries["X/CONFIG.JSON".lower().replace("x/", "x//")] = b"{}"
    elif kind == "damaged frame":
        name = next(one for one in entries if "frames/step" in one)
        entries[name] = b"\x93NUMPY not really"
    if kind == "no zip":
        path.write_bytes(b"hello")
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in entries.items():
            made.writestr(name, data)
        if kind == "link":
            link = zipfile.ZipInfo("x/status.json.link")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            made.writestr(link, "/etc/passwd")
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


WRONG = {
    "slip": "leads out of its folder",
    "absolute": "leads out of its folder",
    "drive": "leads out of its folder",
    "backslash slip": "leads out of its folder",
    "foreign file": "no file of a run",
    "checkpoint": "no file of a run",
    "no config": "holds no config.json",
    "empty": "holds no config.json",
    "newer format": "format version 99, this tripletscope reads up to version 1: update",
    "damaged config": "cannot be read",
    "damaged frame": "",
    "twice": "twice",
    "link": "holds the link",
    "truncated": "cannot be read as a zip",
    "no zip": "cannot be read as a zip",
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_honest_parcel_is_refused_whole(kind, run, tmp_path):
    file = hostile(kind, run, tmp_path / "sent.zip")
    here = tmp_path / "deep" / "here"
    if kind == "damaged frame":  # a frame that cannot be read is left out, and the run says so, as for a run on disk
        (found,) = parcel.unpack(file, here)
        assert Run.open(found).notes
        return
    with pytest.raises(DataError) as refusal:
        parcel.unpack(file, here)
    said = str(refusal.value)
    assert WRONG[kind] in said, said
    assert "\n" not in said
    assert str(tmp_path) not in said, "the sentence is for whoever sent the file"
    assert list(here.iterdir()) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["deep", "sent.zip"]


def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_does(run, tmp_path):
    file = tmp_path / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in content(run).items():
            made.writestr(name, data)
        made.writestr("x/frames/step-0000999.npy", bytes(50_000_000))
    assert file.stat().st_size < 10_000_000
    with pytest.raises(DataError, match=r"would fill .* MB are the limit"):
        parcel.unpack(file, tmp_path / "here", limit=20_000_000)
    # The same with a size that is a lie: what comes out is counted.
    raw = bytearray(file.read_bytes())
    for sign in (b"PK\x01\x02", b"PK\x03\x04"):
        at, size_at = raw.rfind(sign), {b"PK\x01\x02": 24, b"PK\x03\x04": 22}[sign]
        assert int.from_bytes(raw[at + size_at : at + size_at + 4], "little") == 50_000_000
        raw[at + size_at : at + size_at + 4] = (1000).to_bytes(4, "little")
    file.write_bytes(raw)
    with pytest.raises(DataError):
        parcel.unpack(file, tmp_path / "here", limit=20_000_000)
    assert list((tmp_path / "here").iterdir()) == []


def test_runs_are_renamed_deleted_and_brought_back(run, tmp_path):
    (here,) = parcel.unpack(zipped([run], tmp_path / "one.zip"), tmp_path / "runs")
    there = parcel.rename(here, "better")
    assert there.name == "better"
    for wrong in ("", "..", "a/b", "better"):
        with pytest.raises(RunError):
            parcel.rename(there, wrong)
    gone = parcel.discard(there)
    assert not there.exists()
    assert Run.open(gone).name == "better"
    (taken,) = parcel.unpack(zipped([run], tmp_path / "one.zip"), tmp_path / "runs")
    parcel.rename(taken, "better")
    assert parcel.restore(gone).name == "better-2"
    with pytest.raises(RunError, match="not there any more"):
        parcel.restore(gone)
    with pytest.raises(RunError, match="no run folder"):
        parcel.discard(tmp_path)
    with Recorder(tmp_path / "runs" / "live", margin=0.5) as live:
        with pytest.raises(RunError, match="stop it first"):
            parcel.discard(live.path)
        with pytest.raises(RunError, match="being recorded"):
            parcel.rename(live.path, "dead")


def test_the_command_line_packs_and_takes_in(run, tmp_path, capsys):
    out = tmp_path / "sent.zip"
    assert main(["export", str(run), "--what", "zip", "--out", str(out)]) == 0
    assert main(["export", str(run), "--what", "zip", "--out", str(out)]) == 2, "it exists"
    assert main(["export", str(run), "--what", "zip", "--out", str(tmp_path / "sent.csv")]) == 2
    assert main(["export", str(tmp_path), "--what", "zip", "--out", str(tmp_path / "none.zip")]) == 2
    assert sorted(one.name for one in tmp_path.iterdir()) == ["sent.zip"]
    assert main(["runs", str(tmp_path / "there"), "--import", str(out), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["name"] == "first"
    assert told["state"] == "finished"
    out.write_bytes(b"nothing")
    assert main(["runs", str(tmp_path / "there"), "--import", str(out)]) == 2
    assert [one.name for one in (tmp_path / "there").iterdir()] == ["first"]
