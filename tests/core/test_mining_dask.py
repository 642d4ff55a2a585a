"""Two workers of a Dask cluster find what one machine finds, byte for byte."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from tripletscope.cli import main
from tripletscope.errors import SettingError
from tripletscope.mining import cluster
from tripletscope.mining.whole_set import mine_rows

distributed = pytest.importorskip("distributed")
# Dask closes its loops and sockets in its own time.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a scheduler with two workers, each a process of its own."""
    # Each runs the main module again, and a page test that ran before in this process has left its page there.
    before, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as two:
        sys.modules["__main__"] = before
        yield two.scheduler_address


def rows_of(path: str, places: np.ndarray) -> np.ndarray:
    return np.asarray(np.load(path, mmap_mode="r")[places])


@pytest.fixture(scope="module")
def points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    rows = np.round(chance.normal(size=(900, 5)), 1).astype(np.float32)  # with ties
    return rows, chance.integers(-1, 12, 900), chance.permutation(900)


class Inline:
    """Stands in for a client of three workers, all of them here."""

    def scheduler_info(self, n_workers: int) -> dict[str, dict[str, None]]:
        return {"workers": dict.fromkeys("abc")}

    def scatter(self, one: object, **_: object) -> object:
        return one

    def submit(self, function: Callable[..., object], *given: object, pure: bool) -> object:
        done: Future[object] = Future()
        done.set_result(
            function(*([one.result() if isinstance(one, Future) else one for one in given[0]],))
            if isinstance(given[0], list)
            else function(*given)
        )
        return done

    def cancel(self, futures: list[object]) -> None:
        assert futures == []


STRATEGIES = ["hardest", "batch-hard", "semi-hard", "semi-hard-random", "easy-positive", "distance-weighted"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_merged_answers_of_parts_are_those_of_the_whole(
    points: tuple[np.ndarray, np.ndarray, np.ndarray], strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "BLOCK_ROWS", 200)
    rows, classes, ids = points
    given = {"strategy": strategy, "margin": 0.4, "distance": "cosine", "negatives_per_anchor": 3}
    one = mine_rows(rows, classes, ids, **given)  # type: ignore[arg-type]
    parts: list[int] = []

    def load(places: np.ndarray) -> np.ndarray:
        parts.append(len(places))
        return rows[places]

    two = mine_rows(
        rows, classes, ids, searcher=lambda shard: cluster.Cluster(Inline(), shard, load), **given  # type: ignore[arg-type]
    )  # fmt: skip
    for name in ("anchor", "positive", "negative", "d_ap", "d_an"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.settings == two.settings
    assert len(parts) == 3
    assert sum(parts) == (classes >= 0).sum()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["hardest", "batch-hard", "semi-hard", "semi-hard-random", "easy-positive"])
def test_two_workers_find_the_same(
    address: str, points: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path, strategy: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(cluster, "BLOCK_ROWS", 200)
    rows, classes, ids = points
    np.save(tmp_path / "rows.npy", rows)
    given = {"strategy": strategy, "margin": 0.4, "distance": "euclidean", "negatives_per_anchor": 3}
    told: list[tuple[int, int]] = []
    one = mine_rows(rows, classes, ids, **given)  # type: ignore[arg-type]
    with cluster.connected(address, partial(rows_of, str(tmp_path / "rows.npy"))) as searcher:
        two = mine_rows(
            rows, classes, ids, searcher=searcher, progress=lambda *done: told.append(done), **given  # type: ignore[arg-type]
        )  # fmt: skip
    for name in ("anchor", "positive", "negative", "d_ap", "d_an"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.settings == two.settings
    assert told[-1][0] == told[-1][1]
    assert len(told) > 3


@pytest.mark.slow
@pytest.mark.parametrize("form", ["npy", "parquet", "arrow"])
def test_the_command_writes_the_same_bytes(
    address: str, points: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path, form: str
) -> None:
    rows, classes, ids = points
    table = pd.DataFrame({"kind": [f"k{c}" if c >= 0 else None for c in classes], "key": [f"i{i}" for i in ids]})
    if form == "npy":
        np.save(tmp_path / "v.npy", rows.astype(np.float16))
        table.to_csv(tmp_path / "rows.csv", index=False)
        words = [tmp_path / "v.npy", "--metadata", tmp_path / "rows.csv"]
    else:
        table["vector"] = list(rows)
        file = tmp_path / f"rows.{form}"
        table.to_parquet(file) if form == "parquet" else table.to_feather(file)
        words = [file]
    words += ["--label", "kind", "--id", "key", "--strategy", "distance-weighted", "--quiet"]
    assert main(["mine", *map(str, words), "--out", str(tmp_path / "one.csv")]) == 0
    cluster_words = ["--engine", "dask", "--scheduler", address]
    assert main(["mine", *map(str, words), *cluster_words, "--out", str(tmp_path / "two.csv")]) == 0
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    told = [(tmp_path / f"{name}.settings.json").read_text().replace(name, "") for name in ("one", "two")]
    assert told[0] == told[1]


def test_what_is_missing_is_said_in_a_sentence(
    points: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    rows, classes, _ = points
    file = tmp_path / "rows.parquet"
    pd.DataFrame({"kind": classes.astype(str), "vector": list(rows)}).to_parquet(file)
    words = ["mine", str(file), "--label", "kind", "--flagged", "ignore", "--out", str(tmp_path / "t.csv"), "--quiet"]

    def refused(*more: str) -> str:
        assert main([*words, *more]) == 2
        said = capsys.readouterr().err.strip()
        assert "\n" not in said
        return said

    assert "--engine dask needs --scheduler" in refused("--engine", "dask")
    assert "leave it out" in refused("--scheduler", "tcp://127.0.0.1:1")
    assert "searches exactly" in refused(
        "--engine", "dask", "--scheduler", "tcp://127.0.0.1:1", "--search", "approximate"
    )
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        assert "pip install 'tripletscope[dask]'" in refused("--engine", "dask", "--scheduler", "tcp://127.0.0.1:1")
    monkeypatch.setattr(cluster, "TIMEOUT", "1s")
    assert "No Dask scheduler answers at 'tcp://127.0.0.1:1'" in refused(
        "--engine", "dask", "--scheduler", "tcp://127.0.0.1:1"
    )
    with pytest.raises(SettingError, match="No Dask scheduler"), cluster.connected("nonsense://x", lambda at: at):
        pass


@pytest.mark.slow
def test_a_file_that_the_workers_do_not_see_is_said(
    address: str, points: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    rows, classes, ids = points
    with (
        cluster.connected(address, partial(rows_of, "/nowhere/rows.npy")) as searcher,
        pytest.raises(Exception, match="one path that all machines see"),
    ):
        mine_rows(rows, classes, ids, strategy="hardest", margin=0.4, searcher=searcher)
