"""The Recorder in other people's loops: what it takes, what it refuses and how, and when frames are due."""

from __future__ import annotations

import importlib.util
import math
from itertools import pairwise, takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from tests.core import recorded

from tripletscope import Recorder, Run, strategies
from tripletscope.batch import Batch
from tripletscope.errors import DataError, RunError, SettingError, UnknownNameError
from tripletscope.frames import frame_schedule
from tripletscope.triplets import Triplets

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recorder(tmp_path: Path) -> Any:
    with Recorder(tmp_path / "run", margin=1.0, samples=recorded.samples()) as made:
        yield made


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "labels"), [("own_training_loop", 10), ("own_numpy_loop", 3)])
def test_the_examples_record_runs_that_learn(name: str, labels: int, tmp_path: Path) -> None:
    example(name).train(str(tmp_path / "run"), steps=60)
    run = Run.open(tmp_path / "run")
    assert (run.state_text, run.notes) == ("finished, 60 steps", [])
    assert len(run.samples.class_names) == labels
    assert run.lines[-1]["closing"]
    assert run.lines[-1]["recall_at_1"] > run.lines[0]["recall_at_1"]
    assert len(run.picks(training=True)) > 500
    assert set(run.picks(training=False)["strategy"]) <= set(run.strategies[1:])


def test_torch_and_numpy_lists_and_doubles_record_the_same(tmp_path: Path) -> None:
    x, labels = recorded.points(0)[:9], recorded.LABELS[:9]
    triplets = (np.array([0, 1]), np.array([1, 2]), np.array([6, 7]))
    forms: list[tuple[Any, Any, Any, Any]] = [
        (x, labels, np.arange(9), triplets),
        (torch.from_numpy(x), torch.from_numpy(labels), torch.arange(9), [torch.from_numpy(one) for one in triplets]),
        (x.astype(np.float64), labels.tolist(), list(range(9)), [one.tolist() for one in triplets]),
        (torch.from_numpy(x).requires_grad_(), torch.from_numpy(labels), range(9), strategies_triplets(triplets)),
        (x.tolist(), labels.astype(np.int16), np.arange(9, dtype=np.uint8), triplets),
    ]
    found = []
    for number, (embeddings, classes, ids, picks) in enumerate(forms):
        with Recorder(tmp_path / str(number), margin=1.0, strategies=["hardest"]) as made:
            made.step(embeddings, classes, ids, triplets=picks, loss=torch.tensor(0.5, requires_grad=True))
        found.append(recorded.facts(Run.open(tmp_path / str(number))))
    assert all(one == found[0] for one in found)


def strategies_triplets(slots: tuple[np.ndarray, ...]) -> Any:
    from tripletscope.triplets import Triplets

    return Triplets(*(torch.from_numpy(one) for one in slots))


def test_nothing_is_asked_of_the_global_generators(tmp_path: Path) -> None:
    torch.manual_seed(5)
    shadows = ["random", "semi-hard-random"]
    with Recorder(tmp_path / "run", margin=1.0, strategies=shadows, samples=recorded.samples()) as made:
        recorded.record_steps(made, 0, 4)
    with_recorder = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), with_recorder)


def test_inputs_are_left_as_they_were(recorder: Recorder) -> None:
    embeddings = torch.from_numpy(recorded.points(0)[:6].copy()).requires_grad_()
    before = embeddings.detach().clone()
    loss = embeddings.sum()
    recorder.step(embeddings, recorded.LABELS[:6], rows=np.arange(6), loss=loss)
    assert torch.equal(embeddings, before)
    loss.backward()  # the graph is still there
    assert embeddings.grad is not None


def test_weights_of_picks_are_kept(tmp_path: Path) -> None:
    from tripletscope.triplets import Triplets

    slots = [torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([3, 4])]
    with Recorder(tmp_path / "run", margin=1.0, strategies=["hardest"]) as made:
        made.step(
            recorded.points(0)[:9], [0, 0, 0, 1, 1, 1, 2, 2, 2], range(9), Triplets(*slots, torch.tensor([0.25, 4.0]))
        )
    run = Run.open(tmp_path / "run")
    assert run.picks(training=True)["weight"].tolist() == [0.25, 4.0]
    assert set(run.picks(training=False)["weight"]) == {1.0}


def test_numbers_of_ones_own_are_recorded(recorder: Recorder) -> None:
    line = recorder.step(np.eye(3), [0, 0, 0], rows=[0, 1, 2], loss=math.nan, lr=torch.tensor(0.5), note=math.inf, n=3)
    assert (line["loss"], line["lr"], line["note"], line["n"]) == (None, 0.5, None, 3)
    assert Run.open(recorder.path).lines[0]["lr"] == 0.5
    with pytest.raises(SettingError, match="records 'spread' itself"):
        recorder.step(np.eye(3), [0, 0, 0], rows=[0, 1, 2], spread=1.0)


def test_a_batch_without_triplets_is_a_normal_step(tmp_path: Path) -> None:
    names = [one.name for one in strategies.all() if "unit" not in one.needs]
    none = (np.array([], int), [], torch.empty(0, dtype=torch.int64))
    with Recorder(tmp_path / "run", margin=1.0, strategies=names) as made:
        one_class = made.step(np.random.default_rng(0).normal(size=(4, 2)), [1] * 4, range(4), none, 0.0)
        singles = made.step(np.zeros((3, 2)), [5, 6, 7], [14, 15, 16], none, 0.0)
    for line in (one_class, singles):
        assert (line["eligible"], line["mined"], line["violating"], line["loss"]) == (0, 0, 0, 0.0)
        assert (line["active_share"], line["mean_d_ap"], line["abstained"]) == (None, None, None)
        assert all(told["mined"] == 0 for told in line["shadows"].values())
    assert one_class["shadows"]["semi-hard"]["abstained"] == one_class["shadows"]["batch-all"]["abstained"] == 12
    assert one_class["shadows"]["batch-hard"]["abstained"] == 4
    assert singles["shadows"]["hardest"]["abstained"] == 0
    run = Run.open(tmp_path / "run")
    assert len(run.picks()) == 0
    assert run.plane(0)[1].sum() == 0
    assert run.notes == []


def test_a_sample_may_occur_twice_in_a_batch(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run", margin=1.0) as made:
        made.step(np.eye(4, 2), [0, 0, 1, 1], [7, 7, 8, 9], triplets=([0], [1], [2]))
    run = Run.open(tmp_path / "run")
    assert run.batch(0)[0].tolist() == [0, 0, 1, 2]
    assert run.picks()[["anchor", "positive", "negative"]].values.tolist() == [[7, 7, 8]]


GOOD: dict[str, Any] = {"embeddings": np.eye(4, 2), "labels": [0, 0, 1, 1], "ids": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"embeddings": np.eye(4)[0]}, r"have shape \(4,\): give one row per sample"),
        ({"embeddings": np.array([[0, 0], [1, np.nan], [0, 1], [np.inf, 0]])}, r"Row 1 .*not finite \(2 of 4"),
        ({"labels": [0, 0, 1]}, "4 embeddings, 3 labels and 4 ids"),
        ({"labels": [0.5, 0, 1, 1]}, "labels are a list of float and int mixed"),
        ({"labels": ["a", 1, 2, 3]}, "labels are a list of str and int mixed"),
        ({"ids": [1, "2", 3, 4]}, "ids are a list of int and str mixed"),
        ({"ids": "abcd"}, "ids are a str"),
        ({"ids": None}, "either as `ids=` or as `rows=`"),
        ({"rows": [0, 1, 2, 3]}, "either as `ids=` or as `rows=`"),
        ({"ids": [1, 2, 3, 1]}, "row 0 of samples. has label 0, but now it comes with 1"),
        ({"triplets": [[0], [1]]}, "give .anchors, positives, negatives. as batch slots"),
        ({"triplets": [[0.5], [1], [2]]}, "give .anchors, positives, negatives. as batch slots"),
        ({"triplets": [[0, 1], [1], [2]]}, "2 anchors, 1 positives and 1 negatives"),
        ({"triplets": [[0], [1], [4]]}, "Among the negatives of step 0 is 4, but the batch has slots 0 to 3"),
        ({"triplets": [[-1], [1], [2]]}, "Among the anchors of step 0 is -1"),
        ({"triplets": [[0], [2], [1]]}, r"Triplet 0 .* with labels 0, 1, 0: .*check their order"),
        ({"triplets": [[0], [0], [2]]}, "a positive is another sample"),
        (
            {"triplets": Triplets(*torch.tensor([[0], [2], [1]]))},
            r"Triplet 0 .* with labels 0, 1, 0: .*check their order",
        ),
        ({"triplets": Triplets(*torch.tensor([[0], [1], [4]]))}, "Among the negatives of step 0 is 4"),
        ({"embeddings": [[0.0], [1.0, 2.0], [0.0], [0.0]]}, "no table of numbers"),
        ({"embeddings": [["a"]] * 4}, "no table of numbers"),
        ({"ids": np.array([1, 2, 3, 2**63], np.uint64)}, "no 64-bit whole number: give such numbers as texts"),
        ({"ids": [1, 2, 3, 2**63]}, "no 64-bit whole number: give such numbers as texts"),
        ({"loss": torch.ones(2)}, "loss is .*: give one number, or None"),
        ({"phase": "warm"}, "phase is 'warm': give one number, or None"),
        ({"batch": Batch.from_embeddings(torch.eye(3), torch.tensor([0, 0, 1]))}, "holds 3 samples.*has 4"),
        (
            {"batch": Batch.from_embeddings(torch.eye(4), torch.tensor([0, 0, 1, 1]), "cosine")},
            "in cosine distances.*4 in euclidean",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence_and_not_recorded(
    wrong: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with Recorder(tmp_path / "run", margin=1.0) as made:
        with pytest.raises(DataError, match=sentence) as refused:
            made.step(**{**GOOD, **wrong})
        assert "\n" not in str(refused.value)
        assert made.committed == -1
        made.step(**GOOD)
    run = Run.open(tmp_path / "run")
    assert run.step_count == 1
    assert list(run.samples.ids) == [1, 2, 3, 4]


def test_a_margin_may_come_from_numpy_or_torch(tmp_path: Path) -> None:
    for name, margin in (("numpy", np.float32(0.5)), ("torch", torch.tensor(0.5))):
        with Recorder(tmp_path / name, margin=margin) as made:
            assert made.margin == 0.5


def test_a_closed_recorder_says_so(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run", margin=1.0) as made:
        made.step(**GOOD)
    with pytest.raises(RunError, match="is closed: record inside its `with` block"):
        made.step(**GOOD)


def test_settings_are_checked_before_anything_is_on_disk(tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"margin": -1.0}, SettingError, "margin is -1.0"),
        ({"margin": math.nan}, SettingError, "margin is nan"),
        ({"distance": "manhattan"}, UnknownNameError, "no distance called 'manhattan'"),
        ({"strategies": ["semihard"]}, UnknownNameError, "Did you mean 'semi-hard'"),
        ({"training": "semihard"}, UnknownNameError, "Did you mean 'semi-hard'"),
        ({"strategies": {"distance-weighted": {"cutof": 0.5}}}, UnknownNameError, "parameter of distance-weighted"),
    ]
    for settings, error, sentence in wrong:
        with pytest.raises(error, match=sentence):
            Recorder(tmp_path / "run", **{"margin": 1.0, **settings})
    assert not (tmp_path / "run").exists()


def test_a_strategy_that_needs_unit_vectors_says_so(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", margin=1.0, strategies=["distance-weighted"])
    with recorder as made, pytest.raises(SettingError, match="vectors of length 1"):
        made.step(5 * np.eye(4), [0, 0, 1, 1], range(4))


def test_samples_that_are_known_are_held_to(recorder: Recorder) -> None:
    with pytest.raises(DataError, match="id 7 is not among the 24 samples"):
        recorder.step(np.eye(2), [0, 1], [7, 8])
    with pytest.raises(DataError, match="whole numbers from 0 to 23"):
        recorder.step(np.eye(2), [0, 1], rows=[0, 24])
    with pytest.raises(DataError, match="has label 0, but now it comes with 1"):
        recorder.step(np.eye(2), [1, 1], rows=[0, 6])
    recorder.step(np.eye(2), ["ant", "bee"], rows=[0, 6])
    with pytest.raises(DataError, match="'cow' is no class name"):
        recorder.step(np.eye(2), ["cow", "bee"], rows=[0, 6])


def test_the_training_strategy_is_recorded_from_what_is_given(tmp_path: Path) -> None:
    folder = recorded.record(tmp_path / "run", 4, training="semi-hard", strategies=["semi-hard", "random"])
    run = Run.open(folder)
    assert run.strategies == ["semi-hard", "random"]
    assert len(run.picks(strategy="semi-hard")) == 8  # the two given ones of each step, not its own choice
    assert run.picks(strategy="semi-hard")["training"].all()
    assert list(run.lines[0]["shadows"]) == ["random"]
    assert run.lines[0]["mined"] == 2


def test_frames_are_due_often_at_first() -> None:
    steps = list(takewhile(lambda step: step < 400, frame_schedule()))
    assert steps[:10] == list(range(10))
    assert len(steps) == 39
    assert all(later - earlier <= max(1, 0.12 * earlier + 1) for earlier, later in pairwise(steps))


def test_a_collapse_and_a_starved_miner_get_a_frame_each(tmp_path: Path) -> None:
    labels, none = [0, 0, 1, 1], ([], [], [])
    shape = np.random.default_rng(0).normal(size=(4, 2))

    def loop(folder: Path, probe: bool) -> list[int]:
        with Recorder(folder, margin=1.0, frame_steps=[0]) as made:
            for step in range(8):
                x = shape * (0.01 if step >= 3 else 1.0)
                if not probe and made.frame_due:
                    made.frame(x, range(4), labels)
                triplets = none if step >= 5 else ([0], [1], [2])
                made.step(x, labels, range(4), triplets, probe=(lambda x=x: (x, range(4))) if probe else None)
        return Run.open(folder).frame_steps

    assert loop(tmp_path / "probe", True) == [0, 3, 5, 8]  # and the closing one
    assert loop(tmp_path / "frame", False) == [0, 4, 6]  # one late: the loop is told at the next step


def test_a_frame_shows_the_same_samples_every_time(recorder: Recorder) -> None:
    ids = recorded.samples().ids
    recorder.frame(recorded.points(0)[:6], ids[:6])
    recorded.record_steps(recorder, 0, 1)
    with pytest.raises(DataError, match="other samples than the first one, or in another order"):
        recorder.frame(recorded.points(1)[:6], ids[:6][::-1])
    with pytest.raises(DataError, match=r"has 7 dimensions and the frames before it [0-9]"):
        recorder.frame(np.zeros((6, 7)), ids[:6])
    with pytest.raises(DataError, match="6 embeddings but 5 ids"):
        recorder.frame(recorded.points(1)[:6], ids[:5])
    with pytest.raises(DataError, match="not finite"):
        recorder.frame(np.full((6, 2), np.nan), ids[:6])


def test_a_frame_of_unknown_samples_needs_their_labels(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run", margin=1.0) as made:
        with pytest.raises(DataError, match="id 'x' is not recorded yet: give `labels=`"):
            made.frame(np.eye(2), ["x", "y"])
        made.frame(np.eye(2), ["x", "y"], [0, 1])
        made.step(np.eye(2), [1, 1], ["y", "z"])
    run = Run.open(tmp_path / "run")
    assert list(run.samples.ids) == ["x", "y", "z"]
    assert run.frame_steps == [0]


def record_then(problem: BaseException, folder: Path) -> None:
    with Recorder(folder, margin=1.0, samples=recorded.samples()) as made:
        recorded.record_steps(made, 0, 3)
        raise problem


def test_an_error_in_the_loop_is_the_end_of_the_run(tmp_path: Path) -> None:
    for number, (problem, state, message) in enumerate(
        [
            (ZeroDivisionError("by nought"), "failed", "ZeroDivisionError: by nought"),
            (KeyboardInterrupt(), "stopped", "interrupted"),
        ]
    ):
        with pytest.raises(type(problem)):
            record_then(problem, tmp_path / str(number))
        run = Run.open(tmp_path / str(number))
        assert (run.state, run.status["message"]) == (state, message)
        assert run.state_text.startswith(f"{state} at step 2")
        assert run.steps == [0, 1, 2]  # no closing frame: nobody knows what state the model is in


def test_a_diverged_model_leaves_no_closing_frame_and_says_why(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run", margin=1.0) as made:
        made.step(**GOOD, probe=lambda: (np.full((4, 2), np.nan if made.committed == 0 else 1.0), [1, 2, 3, 4]))
    run = Run.open(tmp_path / "run")
    assert run.frame_steps == [0]
    assert "no closing frame" in run.status["message"]


def test_resuming_needs_the_same_settings(tmp_path: Path) -> None:
    folder = recorded.record(tmp_path / "run", 2)
    same: dict[str, Any] = {"margin": 1.0, "strategies": ["semi-hard", "random"], "resume": True}
    for other, sentence in (
        ({"margin": 0.5}, "recorded with margin 1.0 and cannot go on with 0.5"),
        ({"seed": 3}, "recorded with seed 0 and cannot go on with 3"),
        ({"strategies": ["random"]}, "recorded with strategies"),
        ({"distance": "cosine"}, "recorded with distance 'euclidean'"),
    ):
        with pytest.raises(SettingError, match=sentence):
            Recorder(folder, **{**same, **other})
    with Recorder(folder, **same) as made, pytest.raises(SettingError, match="give 0 to 2"):
        made.step_number = 5
    assert Run.open(folder).steps == [0, 1, 2]  # the closing frame is still there


def test_counts_can_be_left_out(tmp_path: Path) -> None:
    folder = recorded.record(tmp_path / "run", 2, counts=False)
    run = Run.open(folder)
    assert "eligible" not in run.lines[0]
    assert run.lines[0]["mined"] == 2
    assert run.plane(0)[1].sum() == 0
    assert np.isnan(run.series(["violating_share"])).all()
