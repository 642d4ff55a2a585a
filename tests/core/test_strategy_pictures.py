"""Every strategy has a picture of where it picks, and a word on when to use it; both come from its record."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tripletscope import strategies, strategy_docs, strategy_pictures
from tripletscope.batch import Batch
from tripletscope.palette import mark, outline
from tripletscope.strategies.base import STRATEGIES, strategy
from tripletscope.strategy_pictures import MARGIN, draw, example, picks, sentence
from tripletscope.triplets import Triplets


def zones_by_hand(found: Triplets) -> Counter[str]:
    distances = example().distances.tolist()
    counts: Counter[str] = Counter()
    for a, p, n in zip(found.anchor.tolist(), found.positive.tolist(), found.negative.tolist(), strict=True):
        gap = distances[a][n] - distances[a][p]
        counts["hard" if gap <= 0 else "semi-hard" if gap < MARGIN else "easy"] += 1
    return counts


@pytest.mark.parametrize("name", strategies.names())
def test_the_sentence_counts_the_zones(name: str) -> None:
    one = strategies.get(name)
    found, told = picks(one), sentence(one)
    numbers = [int(text) for text in re.findall(r"(\d+) %", told)]
    counts = zones_by_hand(found)
    if len(found) == 1:
        assert told == f"Its one pick is {next(iter(counts))}."
        return
    assert sum(numbers) == 100
    for zone, number in zip(("hard", "semi-hard", "easy"), numbers, strict=True):
        assert abs(number - 100 * counts[zone] / len(found)) < 1
    assert f"Of {len(found):,} picks" in told
    assert (one.abstained(example(), found) > 0) == ("have none" in told)


@pytest.mark.parametrize("name", strategies.names())
def test_the_picture_is_small_well_formed_and_always_the_same(name: str) -> None:
    one = strategies.get(name)
    text = draw(one)
    assert len(text.encode()) < 12 * 1024
    root = ElementTree.fromstring(text)
    assert root.find("{*}desc").text == sentence(one)
    colours = mark(one.order)
    light, dark = text.split("prefers-color-scheme:dark")
    assert colours["light"] in light
    assert colours["dark"] in dark
    strategy_pictures.example.cache_clear()
    assert draw(one) == text


def test_each_pick_has_a_mark_where_it_lies() -> None:
    one = strategies.get("batch-hard")
    drawn = ElementTree.fromstring(draw(one)).findall(".//{*}use")
    found, distances = picks(one), example().distances
    assert len(drawn) == len(found)
    assert len(found) == example().size
    low, high = strategy_pictures.LOW, strategy_pictures.HIGH
    places = set()
    for a, p, n in found.to_set():
        right, up = (float(distances[a, slot] - low) / (high - low) * strategy_pictures.SIDE for slot in (p, n))
        x, y = strategy_pictures.LEFT + right, strategy_pictures.TOP + strategy_pictures.SIDE - up
        places.add((x, y))
    for each in drawn:
        x, y = float(each.attrib["x"]), float(each.attrib["y"])
        assert min(max(abs(x - other), abs(y - another)) for other, another in places) < 0.051


def test_all_eligible_triplets_lie_on_the_plane() -> None:
    counts = strategy_pictures._cells(*strategy_pictures._eligible())
    assert counts.sum() == example().n_eligible
    zones = zones_by_hand(picks(strategies.get("batch-all")))
    assert min(zones.values()) > 0.1 * example().n_eligible  # each zone has something to pick from


def test_weights_decide_the_size_of_marks() -> None:
    assert draw(strategies.get("lifted")) != draw(strategies.get("batch-all")).replace("batch-all", "lifted")
    cells = strategy_pictures._cells
    d_ap, d_an = strategy_pictures._eligible()
    assert cells(d_ap, d_an, 2.0 * (d_an > 0)).sum() == 2 * len(d_ap)


@pytest.mark.parametrize("shape", ["square", "diamond", "triangle", "triangle-down", "star", "plus", "cross"])
def test_shapes_have_about_the_area_of_a_circle(shape: str) -> None:
    corners = outline(shape, 10.0)
    following = corners[1:] + corners[:1]
    area = abs(sum(x * v - u * y for (x, y), (u, v) in zip(corners, following, strict=True))) / 2
    assert 0.5 < area / (3.14159 * 100) < 1.1


@pytest.mark.parametrize("name", strategies.names())
def test_every_strategy_says_when_to_use_it_and_how_it_fails(name: str) -> None:
    advice = strategies.get(name).advice
    use, fails = advice.split("\n\n")
    assert use.startswith("**When to use it.** ")
    assert fails.startswith("**How it fails.** ")
    assert min(len(use), len(fails)) > 60


def test_a_new_strategy_gets_its_picture_and_an_old_one_is_cleared_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page, folder = tmp_path / "strategies.md", tmp_path / "images"
    assert strategy_docs.main([str(page)]) == 0
    assert strategy_docs.main([str(page), "--check"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(STRATEGIES, "_records", dict(STRATEGIES._records))

        @strategy(
            name="nobody",
            title="Nobody",
            summary="Nothing at all.",
            source="this test",
            order=35,
            zones={"easy"},
            granularity="pair",
        )
        def nobody(batch: Batch, *, margin: float, generator: object) -> Triplets:
            return Triplets.empty(batch.device)

        assert strategy_docs.main([str(page), "--check"]) == 1
        assert strategy_docs.main([str(page)]) == 0
        assert (folder / "strategy-nobody.svg").is_file()
        assert "It picks nothing from this batch." in page.read_text(encoding="utf-8")
    capsys.readouterr()
    assert strategy_docs.main([str(page), "--check"]) == 1
    assert "strategy-nobody.svg" in capsys.readouterr().err
    assert strategy_docs.main([str(page)]) == 0
    assert not (folder / "strategy-nobody.svg").exists()
    (folder / "strategy-easy.svg").write_text("another", encoding="utf-8")
    assert strategy_docs.main([str(page), "--check"]) == 1
