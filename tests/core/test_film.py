"""Animations: decoded again they show what was recorded; lines go to the right negatives; no half a file is left."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image, ImageSequence
from tests.app import tiny

from tripletscope import Run, strategies
from tripletscope.analysis.probe import probe_batch, probe_labels
from tripletscope.analysis.projection import Projection, project
from tripletscope.analysis.work import CancelledError
from tripletscope.cli import main
from tripletscope.errors import RunError, SettingError, UnknownNameError
from tripletscope.film import KINDS, Film, drawing, encode, make_film
from tripletscope.film import scene as scene_of
from tripletscope.film.drawing import Painter
from tripletscope.film.lettering import legible
from tripletscope.film.picks import NOBODY
from tripletscope.film.scene import MOST_RUNS, Shot, shots, stage
from tripletscope.palette import ZONE_LINES, mix, rgb
from tripletscope.zones import ZONES

SHIPPED = Path(__file__).resolve().parents[2] / "sample_data" / "races"
SHORT = {"width": 640, "seconds": 2.0, "hold": 1.0, "fps": 6}
#: Seen with this anchor, some points stand alone in the first picture and in the last.
ANCHOR, WIDE = 6, {"width": 960, "seconds": 2.0, "hold": 1.0, "fps": 6}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run.open(tiny.record(tmp_path_factory.mktemp("film") / "semi-hard"))


@pytest.fixture(scope="module")
def films(run, tmp_path_factory):
    """The run in every kind."""
    folder = tmp_path_factory.mktemp("made")
    for kind in KINDS:
        make_film([run], folder / f"film{KINDS[kind]}", Film(kind, anchor=ANCHOR, **WIDE))
    return folder


def decoded(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """(pictures, when each begins in seconds and when the last ends), read by other code than ours."""
    if path.suffix == ".gif":
        with Image.open(path) as gif:
            pictures, times = [], [0.0]
            for frame in ImageSequence.Iterator(gif):
                pictures.append(np.asarray(frame.convert("RGB")))
                times.append(times[-1] + frame.info["duration"] / 1000)
        return pictures, times
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        pictures = [frame.to_ndarray(format="rgb24") for frame in frames]
        times = [float(frame.pts * stream.time_base) for frame in frames]
        return pictures, [*times, times[-1] + 1 / float(stream.average_rate)]


# ---- when


@given(
    some.lists(some.integers(0, 500), min_size=1, max_size=40, unique=True).map(sorted),
    some.integers(1, 25),
    some.floats(0.1, 10),
    some.floats(0, 4),
)
def test_the_way_through_time(ticks, fps, seconds, hold):
    order = shots(ticks, fps=fps, seconds=seconds, hold=hold)
    assert (order[0].tick, order[-1].tick) == (ticks[0], ticks[-1])
    assert all(one.step < other.step for one, other in pairwise(order))
    assert all(shot.lasts >= 1 for shot in order)
    beats = max(round(fps * seconds), 1)
    assert len(order) <= beats + 1
    shown = {shot.tick for shot in order if shot.step == shot.tick}
    assert all(shot.tick in ticks and shot.tick <= shot.step for shot in order)
    assert shown == set(ticks) or len(ticks) - 1 > beats, "every recorded step is seen where there is time"
    assert order[-1].lasts == max(round(fps * hold), 1)


def test_between_two_frames_points_go_straight(run):
    scene = stage([run])
    (actor,) = scene.actors
    first, second = (np.asarray(run.frames[step], np.float64) for step in run.frame_steps[3:5])
    here, there = run.frame_steps[3:5]
    middle = actor.places_at(here + 0.25 * (there - here))
    np.testing.assert_allclose(middle, first + 0.25 * (second - first), atol=1e-6)
    assert np.array_equal(actor.places_at(here), run.frames[here])
    assert np.array_equal(actor.places_at(10**6), run.frames[run.frame_steps[-1]])


# ---- the files


@pytest.mark.parametrize("kind", KINDS)
def test_size_number_and_duration(run, films, kind):
    pictures, times = decoded(films / f"film{KINDS[kind]}")
    scene = stage([run], anchor=ANCHOR)
    order = shots(scene.ticks, fps=6, seconds=2, hold=1)
    painter = Painter(scene, 960, "light")
    assert painter.size == (960, pictures[0].shape[0])
    assert painter.size[1] % 2 == 0
    beats = sum(shot.lasts for shot in order)
    assert len(pictures) == (len(order) if kind == "gif" else beats)
    assert times[-1] == pytest.approx(beats / 6, abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", [0, -1])
def test_points_are_where_they_were_recorded_in_the_colour_of_their_class(run, films, kind, end):
    pictures, _ = decoded(films / f"film{KINDS[kind]}")
    scene = stage([run], anchor=ANCHOR)
    painter = Painter(scene, 960, "light")
    shot = shots(scene.ticks, fps=6, seconds=2, hold=1)[end]
    spots = painter.spots(0, shot)
    # By hand from the frame: the square about all frames, with a rim of 4 %.
    frames = np.concatenate([np.asarray(run.frames[step], np.float64) for step in run.frame_steps])
    low, high = frames.min(0), frames.max(0)
    half = (high - low).max() / 2 * 1.04
    (frame,) = painter.frames
    points = np.asarray(run.frames[run.frame_steps[end]], np.float64) - (low + high) / 2
    wanted = frame.width / 2 + np.array([1, -1]) * points * frame.width / 2 / half + (frame.left, frame.top)
    np.testing.assert_allclose(spots, wanted, atol=0.01)
    seen = 0
    for sample in alone(scene, spots):
        x, y = np.floor(spots[sample]).astype(int)
        expected = mix(painter.colours[scene.labels[sample]], painter.ground, 0.92)
        found = pictures[end][y, x].astype(int)
        # Video keeps a quarter of the colour's pixels: there it is the brightness that can be held to.
        loss = abs(found - expected).max() if kind == "gif" else abs(luma(found) - luma(expected))
        assert loss <= (12 if kind == "gif" else 40), (sample, found, expected)
        seen += 1
    assert seen >= 3


def luma(colour) -> float:
    return float(np.dot(colour, (0.2126, 0.7152, 0.0722)))


def alone(scene, spots) -> list[int]:
    """Samples that nothing else is near of: no point, no pin, no line, no class name."""
    at = scene.anchor
    spoken = [at, *np.unique([scene.actors[0].picks.positive, scene.actors[0].picks.negative])]
    spoken = [sample for sample in spoken if sample != NOBODY]
    found = []
    for sample in range(len(spots)):
        others = np.delete(spots, sample, axis=0)
        if np.hypot(*(others - spots[sample]).T).min() < 9:
            continue
        if np.hypot(*(spots[spoken] - spots[sample]).T).min() < 70:
            continue
        members = [np.median(spots[scene.labels == label], axis=0) for label in np.unique(scene.labels)]
        if np.hypot(*(np.array(members) - spots[sample]).T).min() < 40:
            continue
        ends = [spots[one] for one in spoken[1:]]
        ways = [spots[at] + (end - spots[at]) * share for end in ends for share in np.linspace(0, 1, 40)]
        if np.hypot(*(np.array(ways) - spots[sample]).T).min() > 12:
            found.append(sample)
    return found


def test_a_gif_comes_out_the_same_byte_for_byte_and_with_one_palette(run, films, tmp_path):
    again = tmp_path / "again.gif"
    make_film([run], again, Film("gif", anchor=ANCHOR, **WIDE))
    assert again.read_bytes() == (films / "film.gif").read_bytes()
    pictures, _ = decoded(again)
    colours = {tuple(colour) for picture in pictures for colour in np.unique(picture.reshape(-1, 3), axis=0)}
    assert len(colours) <= encode.MOST_COLOURS


def test_an_mp4_plays_while_it_is_loaded(films):
    content = (films / "film.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


# ---- who is picked


def semi_hard_by_hand(run: Run, frame: np.ndarray, anchor: int, positive: int) -> int:
    """The nearest negative with 0 < gap < margin among the candidates, in plain loops; -1 without any."""
    labels, best, nearest = probe_labels(run), NOBODY, np.inf
    d_ap = np.float32(np.sqrt(((frame[anchor].astype(np.float64) - frame[positive]) ** 2).sum()))
    for other in probe_batch(run, anchor).tolist():
        d_an = np.float32(np.sqrt(((frame[anchor].astype(np.float64) - frame[other]) ** 2).sum()))
        if labels[other] != labels[anchor] and 0 < d_an - d_ap < run.margin and d_an < nearest:
            best, nearest = other, d_an
    return best


def share_of(picture: Image.Image, start: np.ndarray, end: np.ndarray, colour) -> float:
    """How much of the middle of that line has that colour."""
    pixels = np.asarray(picture).astype(int)
    ways = [start + (end - start) * share for share in np.linspace(0.2, 0.8, 60)]
    return float(np.mean([abs(pixels[int(y), int(x)] - colour).max() < 30 for x, y in ways]))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_line_goes_to_the_negative_in_the_colour_of_its_zone(run, theme):
    lines = abstained = 0
    for row in range(0, tiny.CLASSES * tiny.EACH, 3):
        scene = stage([run], anchor=row)
        painter = Painter(scene, 1280, theme)
        (actor,) = scene.actors
        for place, step in enumerate(actor.steps):
            frame = np.asarray(run.frames[step])
            positive, negative = int(actor.picks.positive[place]), int(actor.picks.negative[place])
            assert negative == semi_hard_by_hand(run, frame, scene.anchor, positive)
            if place % 4:
                continue
            shot = Shot(step, float(step))
            spots = painter.spots(0, shot)
            start = spots[scene.anchor]
            if negative != NOBODY and np.hypot(*(spots[negative] - start)) > 160:
                colour = rgb(ZONE_LINES[theme][ZONES[actor.picks.zone[place]]])
                assert share_of(painter.draw(shot), start, spots[negative], colour) > 0.5, (row, step)
                lines += 1
            if negative == NOBODY and np.hypot(*(spots[positive] - start)) > 160:
                # Dashes: ink and seam take turns.
                inked = share_of(painter.draw(shot), start, spots[positive], painter.ink)
                assert 0.2 < inked < 0.8, (row, step)
                abstained += 1
    assert lines >= 3
    assert abstained >= 1


def test_a_strategy_that_brings_its_own_positive_is_drawn_with_that_one(tmp_path):
    run = Run.open(tiny.record(tmp_path / "batch-hard", "batch-hard"))
    scene = stage([run], anchor=7)
    (actor,) = scene.actors
    labels = probe_labels(run)
    for place, step in enumerate(actor.steps):
        frame = np.asarray(run.frames[step], np.float64)
        near = {other: np.hypot(*(frame[other] - frame[7])) for other in probe_batch(run, 7).tolist() if other != 7}
        positives = {other: d for other, d in near.items() if labels[other] == labels[7]}
        negatives = {other: d for other, d in near.items() if labels[other] != labels[7]}
        assert actor.picks.positive[place] == max(positives, key=positives.get)
        assert actor.picks.negative[place] == min(negatives, key=negatives.get)


@pytest.mark.parametrize("name", ["n-pair", "multi-similarity", "ohem"])
def test_several_negatives_have_a_line_each(name, tmp_path, monkeypatch):
    run = Run.open(tiny.record(tmp_path / name, name))
    labels, lines, counts = probe_labels(run), 0, set()
    for anchor in (0, 7, 14, 21):
        scene = stage([run], anchor=anchor)
        (actor,) = scene.actors
        assert actor.picks.kind == "several"
        painter = Painter(scene, 1280, "light")
        members = probe_batch(run, anchor)
        for place, step in enumerate(actor.steps):
            frame = np.asarray(run.frames[step], np.float64)
            d = np.sqrt(((frame[members, None] - frame[None, members]) ** 2).sum(-1)).astype(np.float32)
            asked = strategies.get(name)(torch.from_numpy(d), torch.from_numpy(labels[members]), margin=run.margin)
            mine = [(int(members[p]), int(members[n])) for a, p, n in asked.to_set() if a == 0]
            taken = actor.picks.several[place]
            assert sorted(taken.negatives.tolist()) == sorted(n for p, n in mine if p == taken.positive)
            assert bool(len(taken.negatives)) == bool(mine), "where the chosen positive has none, another's are shown"
            counts.add(len(taken.negatives))
            d_ap = np.float32(np.linalg.norm(frame[anchor] - frame[taken.positive]))
            told = said(painter, Shot(step, float(step)), monkeypatch)
            if not mine:
                assert "abstains" in told
                continue
            gaps = [np.float32(np.linalg.norm(frame[anchor] - frame[n])) - d_ap for n in taken.negatives]
            by_hand = ["hard" if gap <= 0 else "semi-hard" if gap < run.margin else "easy" for gap in gaps]
            assert [ZONES[code] for code in taken.zones] == by_hand
            assert gaps == sorted(gaps)
            if len(by_hand) > 1:
                zones = ", ".join(f"{by_hand.count(zone)} {zone}" for zone in ZONES if zone in by_hand)
                assert f"takes {len(by_hand)} negatives: {zones}" in told
            spots = painter.spots(0, Shot(step, float(step)))
            far = [n for n in taken.negatives if np.hypot(*(spots[n] - spots[anchor])) > 200]
            if far and place % 4 == 0:
                zone = ZONES[taken.zones[taken.negatives.tolist().index(far[0])]]
                picture = painter.draw(Shot(step, float(step)))
                assert share_of(picture, spots[anchor], spots[far[0]], rgb(ZONE_LINES["light"][zone])) > 0.4
                lines += 1
    assert lines
    assert max(counts) > 1


def test_one_triplet_of_the_whole_batch_is_said_to_be_that(tmp_path, monkeypatch):
    run = Run.open(tiny.record(tmp_path / "msml", "msml"))
    scene = stage([run], anchor=7)
    assert scene.actors[0].picks.kind == "unknown"
    assert "picks once for a whole batch" in said(Painter(scene, 960, "light"), Shot(0, 0.0), monkeypatch)


@pytest.mark.parametrize("dim", [2, 3])
def test_learned_centres_are_drawn_where_they_are_and_learned_from(dim, tmp_path, monkeypatch):
    run = Run.open(tiny.centred(tmp_path / "run", dim=dim))
    scene = stage([run], anchor=7)
    (actor,) = scene.actors
    painter = Painter(scene, 1280, "light")
    (frame,) = painter.frames
    labels, marks, lines = probe_labels(run), 0, 0
    shown = project([np.asarray(run.frames[step], np.float32) for step in run.frame_steps])
    for place, step in enumerate(actor.steps):
        shot = Shot(step, float(step))
        told, spots, kept = said(painter, shot, monkeypatch), painter.centre_spots(0, shot), run.centres(step)
        assert "ringed crosses: learned centres" in told
        if kept is None:
            assert np.isnan(spots).all()
            assert "none were kept here" in told
            continue
        places = shown.place(kept)
        wanted = np.array([1, -1]) * (places - actor.centre) * frame.width / 2 / actor.extent + frame.width / 2
        np.testing.assert_allclose(spots - (frame.left, frame.top), wanted, atol=0.01)
        assert ((wanted >= 0) & (wanted <= frame.width)).all(), "none is off the map"
        far, own = np.linalg.norm(run.frames[step][7] - kept, axis=1), int(labels[7])
        rival = min((c for c in range(tiny.CLASSES) if c != own), key=lambda c: far[c])
        gap = float(far[rival] - far[own])
        zone = "hard" if gap <= 0 else "semi-hard" if gap < run.margin else "easy"
        assert (actor.picks.rival[place], actor.picks.zone_name(place)) == (rival, zone)
        assert f"learns from the centres of class {own} and class {rival}: {zone}, gap {gap:.2g}" in told
        picture = painter.draw(shot)
        start = painter.spots(0, shot)[7]
        if np.hypot(*(spots[rival] - start)) > 160:
            assert share_of(picture, start, spots[rival], rgb(ZONE_LINES["light"][zone])) > 0.5
            lines += 1
        x, y = np.floor(spots[rival]).astype(int)
        seen = np.asarray(picture)[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).astype(int)
        marks += bool((abs(seen - mix(painter.colours[rival], painter.ground, 0.92)).max(1) < 40).any())
    assert lines >= 2
    assert marks >= 0.6 * len(actor.steps), "a pin may lie over one"


def test_centres_far_from_every_sample_are_on_the_map(tmp_path):
    folder = tiny.centred(tmp_path / "run")
    for path in folder.rglob("*centres*.npy"):
        np.save(path, np.load(path) * 20)
    scene = stage([Run.open(folder)], anchor=7)
    painter = Painter(scene, 960, "light")
    (frame,) = painter.frames
    inside = painter.centre_spots(0, Shot(5, 5.0)) - (frame.left, frame.top)
    assert ((inside >= 0) & (inside <= frame.width)).all()


def test_a_umap_and_a_run_without_have_no_centres(run, tmp_path):
    assert stage([run]).actors[0].centres is None
    both = stage([run, Run.open(tiny.centred(tmp_path / "run"))])
    assert [actor.centres is None for actor in both.actors] == [True, False]
    umap = Projection(np.zeros((2, 3, 2), np.float32), False, float("nan"), "UMAP")
    assert scene_of._centres_on(Run.open(tmp_path / "run"), umap) is None


def test_the_positive_can_be_chosen(run):
    first = stage([run], anchor=0)
    others = [row for row in probe_batch(run, 0).tolist()[1:] if row < tiny.EACH]
    chosen = next(row for row in others if row != first.actors[0].picks.positive[0])
    (actor,) = stage([run], anchor=0, positive=chosen).actors
    assert set(actor.picks.positive.tolist()) == {chosen}
    frame = np.asarray(run.frames[actor.steps[4]])
    assert actor.picks.negative[4] == semi_hard_by_hand(run, frame, 0, chosen)


def test_it_opens_with_the_anchor_of_the_race_and_stands_side_by_side():
    names = ("random", "semi-hard", "batch-hard")
    scene = stage([Run.open(SHIPPED / "digits-2d" / name) for name in names])
    told = json.loads((SHIPPED / "digits-2d" / "race.json").read_text())["opening"]
    assert scene.anchor == told["anchor"]
    assert scene.actors[0].picks.positive[0] == told["positive"]
    assert [actor.title for actor in scene.actors] == ["Random", "Semi-hard", "Batch hard"]
    assert len({(actor.centre, actor.extent) for actor in scene.actors}) == 1, "one scale for all"
    painter = Painter(scene, 960, "light")
    assert [frame.top for frame in painter.frames] == [painter.frames[0].top] * 3
    assert painter.frames[0].left + painter.frames[0].width < painter.frames[1].left


def said(painter: Painter, shot: Shot, monkeypatch) -> str:
    words: list[str] = []
    write, halo = Painter._write, Painter._halo
    monkeypatch.setattr(Painter, "_write", lambda self, pen, at, text, *a, **k: (
        words.append(text), write(self, pen, at, text, *a, **k)))  # fmt: skip
    monkeypatch.setattr(Painter, "_halo", lambda self, pen, at, text, *a, **k: (
        words.append(text), halo(self, pen, at, text, *a, **k)))  # fmt: skip
    painter.draw(shot)
    return "\n".join(words)


def test_a_collapsed_run_is_said_to_be_one_and_numbers_are_of_recorded_steps(monkeypatch):
    run = Run.open(SHIPPED / "digits-2d" / "batch-hard")
    scene = stage([run, Run.open(SHIPPED / "digits-2d" / "semi-hard")])
    words = said(Painter(scene, 960, "light"), Shot(30, 31.5), monkeypatch)
    assert "all 1,797 points are in this dot" in words
    assert "step 30" in words
    assert "2-D embedding: mined here" in words
    recall = run.series(["recall_at_1"])[0][run.steps.index(30)]
    assert f"R@1 {recall:.2f}" in words


def test_more_dimensions_are_named_honestly(monkeypatch, tmp_path):
    emoji = Run.open(SHIPPED / "emoji-32d" / "semi-hard")
    for space, wanted in (("own", "PCA picture, 34% of variance"), ("umap", "UMAP picture")):
        scene = stage([emoji], space=space)
        assert not scene.actors[0].rings
        words = said(Painter(scene, 960, "dark"), Shot(20, 20.0), monkeypatch)
        assert f"{wanted}: distances are not the mined ones" in words
    deep = Run.open(tiny.record(tmp_path / "deep", dim=4))
    with pytest.raises(RunError, match="tripletscope project"):
        stage([deep], space="umap")


def test_a_sample_without_a_place_is_left_out(run, monkeypatch):
    scene = stage([run])
    scene.actors[0].positions.setflags(write=True)
    lost = [scene.anchor, 5]
    scene.actors[0].positions[:, lost] = np.nan
    Painter(scene, 640, "light").draw(Shot(0, 0.0))


def test_words_that_the_font_cannot_write():
    assert legible("Zoë – naïve") == "Zoe - naive"
    assert legible("Ωμέγα", otherwise="class 4") == "class 4"
    assert legible("", otherwise="class 0") == "class 0"
    assert len(legible("x" * 80, most=14)) == 14


# ---- what is refused, and what is left


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancel_leaves_nothing(run, tmp_path, kind):
    out = tmp_path / f"film{KINDS[kind]}"
    out.write_bytes(b"mine")
    drawn: list[int] = []

    def note(done, total):
        drawn.append(done)

    with pytest.raises(CancelledError):
        make_film(
            [run],
            out,
            Film(kind, **SHORT),
            overwrite=True,
            progress=note,
            should_stop=lambda: max(drawn, default=0) > 9,
        )
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_bytes() == b"mine"
    assert max(drawn) > 9


def test_ctrl_c_and_a_full_disk_leave_nothing(run, tmp_path, monkeypatch):
    def interrupt(done, total):
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_film([run], tmp_path / "a.gif", Film("gif", **SHORT), progress=interrupt)

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(encode.Image.Image, "save", full)
    with pytest.raises(SettingError, match="No space left on device"):
        make_film([run], tmp_path / "a.gif", Film("gif", **SHORT))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_made_is_refused_in_one_sentence(run, tmp_path, capsys, monkeypatch):
    there = tmp_path / "there.gif"
    there.write_bytes(b"mine")
    path = str(run.path)
    wrong = [
        ([path, "--what", "gif", "--out", str(there)], "exists"),
        ([path, "--what", "gif", "--out", str(tmp_path / "film.mp4")], "end in .gif"),
        ([path, "--what", "gif", "--out", str(tmp_path / "no" / "film.gif")], "no folder"),
        ([path, "--what", "gif", "--out", str(tmp_path / "a.gif"), "--anchor", "24"], "0 to 23"),
        ([path, "--what", "gif", "--out", str(tmp_path / "a.gif"), "--anchor", "-1"], "0 to 23"),
        ([path, "--what", "gif", "--out", str(tmp_path / "a.gif"), "--anchor", "0", "--positive", "23"], "--positive"),
        ([path, "--what", "gif", "--out", str(tmp_path / "a.gif"), "--width", "90"], "--width"),
        ([path, "--what", "gif", "--out", str(tmp_path / "a.gif"), "--fps", "0"], "--fps"),
        ([path, "--what", "gif", "--out", str(tmp_path / "a.gif"), "--seconds", "nan"], "--seconds"),
        ([path, "--what", "gif", "--out", str(tmp_path / "a.gif"), "--steps", "900:901"], "no frame"),
        ([path, "--what", "gif", "--out", str(tmp_path / "a.gif"), "--raw"], "--raw"),
        ([path] * (MOST_RUNS + 1) + ["--what", "gif", "--out", str(tmp_path / "a.gif")], "at most 6"),
        ([path, "--what", "scalars", "--out", str(tmp_path / "a.csv"), "--theme", "dark"], "--theme"),
    ]
    for arguments, sentence in wrong:
        assert main(["export", *arguments]) == 2, arguments
        told = capsys.readouterr().err.strip()
        assert told.startswith("tripletscope: "), told
        assert sentence in told, told
        assert "\n" not in told
    monkeypatch.setattr(encode, "find_spec", lambda name: None)
    assert main(["export", path, "--what", "webm", "--out", str(tmp_path / "a.webm")]) == 2
    assert "needs the extra: pip install 'tripletscope[video]'" in capsys.readouterr().err
    assert (
        main(
            [
                "export",
                path,
                "--what",
                "gif",
                "--out",
                str(tmp_path / "b.gif"),
                "--width",
                "240",
                "--seconds",
                "1",
                "--quiet",
            ]
        )
        == 0
    )
    assert there.read_bytes() == b"mine"
    assert {found.name for found in tmp_path.iterdir()} == {"there.gif", "b.gif"}
    with pytest.raises(UnknownNameError):
        Film("avi").check()


def test_runs_of_other_samples_are_not_put_side_by_side(run, tmp_path):
    who = tiny.samples().take(np.arange(0, tiny.CLASSES * tiny.EACH, 2))
    other = Run.open(tiny.record(tmp_path / "other", samples=who))
    with pytest.raises(RunError, match="other samples"):
        stage([run, other])


def test_steps_can_be_chosen(run):
    scene = stage([run], steps=range(3, 7))
    assert scene.ticks == [step for step in run.frame_steps if 3 <= step < 7]


@pytest.mark.slow
def test_for_programs_it_tells_lines_and_ends_with_its_listener(run, tmp_path):
    command = [sys.executable, "-m", "tripletscope", "export", str(run.path), "--what", "gif", "--lines", "--out"]
    small = ["--width", "240", "--seconds", "1"]
    with subprocess.Popen(
        [*command, str(tmp_path / "whole.gif"), *small], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as listened:
        told = [json.loads(line) for line in listened.stdout]
    assert listened.returncode == 0
    assert told[0]["state"] == "running"
    assert told[-1]["state"] == "ready"
    long = [*command, str(tmp_path / "long.gif"), "--width", "1920", "--seconds", "60", "--fps", "30"]
    ended = subprocess.run(long, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 128 + 15
    assert json.loads(ended.stdout.splitlines()[-1])["state"] == "cancelled"
    assert os.listdir(tmp_path) == ["whole.gif"]


@pytest.mark.slow
def test_the_shipped_run_stays_small(tmp_path):
    out = tmp_path / "digits.gif"
    make_film([Run.open(SHIPPED / "digits-2d" / "semi-hard")], out, Film("gif"))
    assert out.stat().st_size < 5_000_000


def test_every_mark_has_a_shape():
    from tripletscope.palette import mark

    blank = Image.new("RGB", (40, 40), "white")
    seen = set()
    for order in range(10, 90, 10):
        sheet = blank.copy()
        drawing._paint_mark(drawing.ImageDraw.Draw(sheet), mark(order)["shape"], (20, 20), 12, (0, 0, 0))
        seen.add(sheet.tobytes())
    assert len(seen) == 8
