"""Finding runs, and seeing that one has grown."""

from tests.app import tiny

from tripletscope.store.shelf import find_runs, is_run, stamp


def test_runs_are_found_alone_in_a_folder_and_in_races(tmp_path):
    paths = tiny.race(tmp_path / "race")
    lone = tiny.record(tmp_path / "lone")
    assert find_runs(lone) == [lone]
    assert find_runs(tmp_path / "race") == sorted(paths)
    assert find_runs(tmp_path) == [lone, *sorted(paths)]
    assert find_runs(tmp_path / "nowhere") == []
    assert is_run(lone)
    assert not is_run(tmp_path)


def test_the_stamp_changes_with_the_recording_and_not_without(tmp_path):
    run = tiny.record(tmp_path / "run")
    before = stamp(run)
    assert stamp(run) == before
    tiny.kill(run, 4)
    assert stamp(run) != before
    assert len(stamp(tmp_path / "nowhere")) == len(before)
