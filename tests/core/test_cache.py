"""The cache folder: named by the environment, whole files or none, a way out where it cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import tripletscope
from tripletscope.store import cache


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_environment_names_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.cache_folder() == folder
    monkeypatch.delenv(cache.ENVIRONMENT)
    assert cache.cache_folder().name == "tripletscope"
    assert not folder.exists()


def test_what_is_kept_is_found_again(folder: Path) -> None:
    assert cache.kept("asides", "ab12.bin") is None
    place = cache.keep("asides", "ab12.bin", b"numbers")
    assert place.read_bytes() == b"numbers"
    assert folder in place.parents
    assert cache.kept("asides", "ab12.bin") == place
    assert cache.kept("layouts", "ab12.bin") is None
    assert [each.name for each in place.parent.iterdir()] == [place.name]  # no leftover of the writing


def test_another_version_of_the_package_looks_for_other_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.keep("asides", "ab12.bin", b"numbers")
    monkeypatch.setattr(tripletscope, "__version__", "99.0")
    assert cache.kept("asides", "ab12.bin") is None


def test_a_name_stays_inside_the_folder(folder: Path) -> None:
    place = cache.keep("..", "../../evil.bin", b"x")
    assert folder in place.resolve().parents


def test_a_cache_that_cannot_be_written_gives_way_to_a_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder can be made in here")
    monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "file" / "cache"))
    place = cache.keep("asides", "cd34.bin", b"numbers")
    assert place.read_bytes() == b"numbers"
    assert cache.kept("asides", "cd34.bin") == place


def test_a_disk_that_is_full_leaves_no_part_of_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def full(source: str, target: Path) -> None:
        if folder in Path(target).parents:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    place = cache.keep("asides", "ef56.bin", b"numbers")
    assert folder not in place.parents
    assert list((folder / "asides").iterdir()) == []


def test_what_nobody_looked_at_for_longest_goes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_KEPT", 250)
    for age, name in ((30, "a"), (20, "b"), (10, "c")):
        place = cache.keep("asides", name, bytes(100))
        os.utime(place, (1e9 - age, 1e9 - age))
    assert cache.kept("asides", "b") is not None  # used just now
    cache.keep("asides", "d", bytes(100))
    assert [name for name in "abcd" if cache.kept("asides", name)] == ["b", "d"]
    broken = folder / "asides" / ".x.part"
    broken.write_bytes(b"half")
    os.utime(broken, (1e9, 1e9))
    cache.keep("asides", "e", b"")
    assert not broken.exists()
