"""Which strategies have a lane, in a real browser: the chooser, a strategy of one's own, a parameter that is tried."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.app.harness import fake
from tests.app.harness.page import calls, root, sentence, settle, wait_for

from tripletscope.composition import composer, parse
from tripletscope_app.lanes import GROUPS, company

pytestmark = pytest.mark.browser

SHOWN = "harness.root().tripletscope.state().strategies.map(s => s.name)"
MORE = 17  # strategies beyond the fake eight: 25 in all


def cards() -> list[dict[str, Any]]:
    """The fake eight and 17 more, as the engine would describe them."""
    first = [
        {
            "name": name,
            "title": title,
            "summary": words,
            "order": 10 * (k + 1),
            "stochastic": draws,
            "granularity": each,
        }
        for k, (name, (title, words, draws, each)) in enumerate(fake.TITLES.items())
    ]
    kinds = ("pair", "anchor", "many")
    more = [
        {
            "name": f"extra-{k}",
            "title": f"Extra {k}",
            "summary": f"the {k}th of many",
            "order": 100 + 10 * k,
            "stochastic": k % 5 == 4,
            "granularity": kinds[k % 3],
            "params": [{"name": "n", "default": 3, "low": 1, "high": 9, "help": "how many", "whole": True}],
        }
        for k in range(MORE)
    ]
    return [*first, *more]


@pytest.fixture(scope="module")
def crowd(site: tuple[Path, str], truth: dict[str, Any]) -> str:
    """Name of a view with 25 strategies in groups."""
    lanes = company(cards(), trained=list(fake.RACE), recorded=fake.RACE)
    told = {**truth["view"], "strategies": lanes, "groups": GROUPS}
    (site[0] / "plain" / "crowd.json").write_text(json.dumps(told))
    return "?view=crowd.json"


def shown(page: Any) -> list[str]:
    return page.evaluate(SHOWN)


def last_told(page: Any) -> dict[str, Any]:
    return [call["value"] for call in calls(page) if call["name"] == "selection"][-1]


def opened(page: Any) -> Any:
    page.locator(".ts-lineup-button").click()
    page.locator(".ts-lineup").wait_for()
    return page.locator(".ts-lineup")


def test_it_opens_on_few_lanes_those_that_train_first(open_page: Callable[..., Any], crowd: str) -> None:
    page = open_page(query=crowd)
    names = shown(page)
    assert names[:3] == list(fake.RACE)
    assert sorted(names) == sorted(fake.TITLES), "the first eight, none of the many"
    assert page.inner_text(".ts-lineup-button").startswith("8 of 25 strategies")
    lanes = page.locator(".ts-lane-name:not([hidden])")
    assert lanes.count() == 8, "none has to be scrolled to"
    assert page.locator(".ts-lane-more").is_hidden()


def test_the_chooser_shows_groups_and_every_press_is_told(open_page: Callable[..., Any], crowd: str) -> None:
    page = open_page(query=crowd)
    map_box = page.locator(".ts-map").bounding_box()
    ruler = page.locator(".ts-ruler-plot").bounding_box()
    chooser = opened(page)
    assert chooser.locator("[data-strategy]").count() == 25
    titles = chooser.locator(".ts-lineup-title").all_inner_texts()
    assert titles == [words for group, words in GROUPS.items() if group not in ("composed", "batch")]
    assert chooser.bounding_box() == map_box, "over the map: the ruler stays in sight"
    assert page.locator(".ts-ruler-plot").bounding_box() == ruler
    chooser.locator("[data-strategy=extra-0]").click()
    wait_for(page, "e.tripletscope.state().strategies.length === 9")
    assert "extra-0" in shown(page)
    assert set(last_told(page)["lanes"]) == {*(set(fake.TITLES) - set(fake.RACE)), "extra-0"}
    expect(page.locator(".ts-lane-name[data-lane=extra-0]")).to_be_visible()
    chooser.locator("[data-strategy=extra-0]").click()
    wait_for(page, "e.tripletscope.state().strategies.length === 8")
    assert last_told(page)["lanes"] is None, "as it opens: the link stays short"
    chooser.get_by_role("button", name="all", exact=True).click()
    wait_for(page, "e.tripletscope.state().strategies.length === 25")
    assert last_told(page)["lanes"] == ["all"]
    chooser.get_by_role("button", name="only those that train").click()
    wait_for(page, "e.tripletscope.state().strategies.length === 3")
    assert last_told(page)["lanes"] == ["none"]
    assert shown(page) == list(fake.RACE)
    # What trains has a lane whatever one does; a press makes it the one that is spoken of.
    chooser.locator("[data-strategy=semi-hard]").click()
    wait_for(page, "e.dataset.lane === 'semi-hard'")
    assert shown(page) == list(fake.RACE)


def test_the_chooser_by_keys(open_page: Callable[..., Any], crowd: str) -> None:
    page = open_page(query=crowd)
    step = root(page, "step")
    page.locator(".ts-lineup-button").focus()
    page.keyboard.press("Enter")
    active = "harness.root().getRootNode().activeElement"
    page.wait_for_function(f"{active}?.type === 'search'")
    page.keyboard.type("EXTRA 16")
    page.wait_for_function("harness.root().querySelectorAll('.ts-lineup-pill:not([hidden])').length === 1")
    assert page.locator(".ts-lineup-group:not([hidden])").count() == 1, "a group without a hit is left out"
    page.keyboard.press("Enter")
    wait_for(page, "e.tripletscope.state().strategies.some(s => s.name === 'extra-16')")
    page.keyboard.press("Escape")  # clears the search; the next one closes
    page.wait_for_function("harness.root().querySelectorAll('.ts-lineup-pill:not([hidden])').length === 25")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(f"{active}.dataset.strategy") is not None
    assert page.locator(".ts-lineup-pill[tabindex='0']").count() == 1, "one stop of the Tab key"
    page.keyboard.press("End")
    last = page.evaluate(f"{active}.dataset.strategy")
    before = last in shown(page)
    page.keyboard.press("Space")
    wait_for(page, f"e.tripletscope.state().strategies.some(s => s.name === '{last}') !== {str(before).lower()}")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(f"{active}.dataset.strategy") != last
    page.keyboard.press("Escape")
    expect(page.locator(".ts-lineup")).to_be_hidden()
    assert page.evaluate(f"{active}.className") == "ts-lineup-button", "the focus goes back"
    assert root(page, "step") == step, "no key of these moved time"
    assert page.locator(".ts-lineup-button").get_attribute("aria-expanded") == "false"


def test_a_search_without_a_find_says_so(open_page: Callable[..., Any], crowd: str) -> None:
    page = open_page(query=crowd)
    chooser = opened(page)
    chooser.get_by_role("searchbox").fill("<b>nothing")
    expect(chooser.locator(".ts-lineup-words")).to_have_text("No strategy is called so.")
    assert chooser.locator(".ts-lineup-group:not([hidden])").count() == 0


def test_python_restores_what_a_link_says(open_page: Callable[..., Any], crowd: str) -> None:
    page = open_page(query=crowd)
    chosen = {**page.evaluate("harness.data.selection"), "rev": 99, "lanes": ["extra-1", "hardest"], "lane": "extra-2"}
    page.evaluate("chosen => harness.push({selection: chosen})", chosen)
    wait_for(page, "e.dataset.lane === 'extra-2'")
    assert set(shown(page)) == {*fake.RACE, "extra-1", "hardest", "extra-2"}, "the chosen lane is always there"
    link = page.evaluate("harness.root().tripletscope.state().selection")
    assert link["lanes"] == ["extra-1", "hardest"]


def test_titles_of_hidden_strategies_stay_known(open_page: Callable[..., Any], crowd: str) -> None:
    """The panels of recorded picks name strategies whether or not they have a lane."""
    page = open_page(query=crowd)
    opened(page).get_by_role("button", name="only those that train").click()
    page.locator(".ts-rivals").scroll_into_view_if_needed()
    page.wait_for_selector(".ts-rival-choice")
    texts = page.locator(".ts-rival-choice").all_inner_texts()
    titles = {title for title, *_ in fake.TITLES.values()}
    assert texts
    assert set(texts) <= titles, texts


# --- a strategy of one's own ---


MINE = "pair:all, negative:farthest, lower:positive, upper:margin, fallback:random"


def composing(page: Any) -> Any:
    """The open composer, as Python tells of it."""
    run = page.evaluate("harness.root().dataset.run")
    told = {
        **composer(),
        "commands": {run: 'tripletscope train --margin=1.0 --strategy "{strategy}" --out runs/{name}'},
    }
    page.evaluate("told => harness.news({composer: told})", told)
    chooser = opened(page)
    chooser.get_by_role("button", name="Compose your own").click()
    chooser.locator("select").first.wait_for()
    return chooser


def choose(chooser: Any, text: str) -> None:
    """Sets every axis."""
    made = parse(text)
    for axis in ("positive", "negative", "lower", "upper", "fallback"):
        chooser.locator(f"select[data-axis={axis}]").select_option(getattr(made, axis))


def arrive(page: Any, *texts: str) -> None:
    """Python's cast with these compositions."""
    names = [parse(text).name for text in texts]
    page.evaluate(
        "s => harness.push({strategies: s})",
        company(cards(), trained=list(fake.RACE), recorded=fake.RACE, composed=names),
    )
    settle(page)


def test_composing_says_the_sentence_and_the_lane_comes_and_goes(open_page: Callable[..., Any], crowd: str) -> None:
    page = open_page(query=crowd)
    chooser = composing(page)
    assert chooser.locator("label").all_inner_texts()[0].startswith("Which positive")
    choose(chooser, MINE)
    made = parse(MINE)
    expect(chooser.locator(".ts-composer-sentence")).to_have_text(made.summary)
    expect(chooser.locator(".ts-composer-text")).to_have_text(made.text)
    command = chooser.locator(".ts-composer-command").inner_text()
    assert command == f'tripletscope train --margin=1.0 --strategy "{made.text}" --out runs/{made.name}'
    chooser.get_by_role("button", name="Show it as a lane").click()
    wait_for(page, f"e.tripletscope.state().composed?.includes('{made.name}')")
    assert last_told(page)["composed"] == [made.name]
    arrive(page, MINE)
    assert shown(page)[3] == made.name, "after those that train"
    assert root(page, "lane") == made.name
    lane = page.locator(f".ts-lane-name[data-lane={made.name}]")
    assert "the engine is being asked" in (lane.get_attribute("aria-label") or "")
    assert sentence(page).startswith("Asking the engine what")
    assert chooser.get_by_role("button", name="Show it as a lane").is_disabled(), "once is enough"
    # One click at its lane takes it away, at once.
    page.locator(".ts-lane-remove").click()
    wait_for(page, "!e.tripletscope.state().strategies.some(s => s.group === 'composed')")
    assert last_told(page)["composed"] is None
    assert root(page, "lane") == "random", "the sentence speaks of the trainer again"
    # By key: Delete on the lane.
    chooser.get_by_role("button", name="Show it as a lane").click()
    wait_for(page, "e.tripletscope.state().strategies.some(s => s.group === 'composed')")
    lane.focus()
    page.keyboard.press("Delete")
    wait_for(page, "!e.tripletscope.state().strategies.some(s => s.group === 'composed')")


def test_what_makes_no_sense_is_refused_beside_its_axis(open_page: Callable[..., Any], crowd: str) -> None:
    page = open_page(query=crowd)
    chooser = composing(page)
    choose(chooser, "pair:all, negative:nearest")
    for axis, value, at in (("lower", "margin", None), ("upper", "positive", "upper"), ("upper", "margin", "upper")):
        chooser.locator(f"select[data-axis={axis}]").select_option(value)
        wrong = chooser.locator("select[aria-invalid=true]")
        assert [select.get_attribute("data-axis") for select in wrong.all()] == ([at] if at else [])
        assert chooser.get_by_role("button", name="Show it as a lane").is_disabled() is bool(at)
    refused = chooser.locator(".ts-composer-refused:not([hidden])")
    assert refused.inner_text() == composer()["refused"]["margin/margin/none"][1]
    described = chooser.locator("select[data-axis=upper]").get_attribute("aria-describedby")
    assert refused.get_attribute("id") == described
    choose(chooser, "pair:all, negative:nearest")
    chooser.locator("select[data-axis=fallback]").select_option("random")
    assert "never asked" in chooser.locator(".ts-composer-refused[data-axis=fallback]").inner_text()
    assert chooser.locator(".ts-composer-train").is_hidden()


def test_four_at_a_time(open_page: Callable[..., Any], crowd: str) -> None:
    page = open_page(query=crowd)
    chooser = composing(page)
    texts = [f"anchor:{value}, negative:nearest" for value in ("nearest", "farthest", "random")]
    texts.append("pair:all, negative:random, lower:margin")
    for k, text in enumerate(texts):
        choose(chooser, text)
        chooser.get_by_role("button", name="Show it as a lane").click()
        arrive(page, *texts[: k + 1])
    choose(chooser, MINE)
    assert chooser.get_by_role("button", name="Show it as a lane").is_disabled()
    expect(chooser.locator(".ts-composer-why")).to_have_text("4 at a time: remove one first.")
    chooser.locator(".ts-composed-remove").first.click()
    expect(chooser.get_by_role("button", name="Show it as a lane")).to_be_enabled()
    assert last_told(page)["composed"] == [parse(text).name for text in texts[1:]]


# --- parameters ---


def test_a_parameter_is_tried_on_the_chosen_lane_and_undone(open_page: Callable[..., Any], crowd: str) -> None:
    page = open_page(query=crowd)
    chooser = opened(page)
    chooser.locator("[data-strategy=extra-0]").click()
    page.locator(".ts-lane-name[data-lane=extra-0]").click()
    # Without an engine, in an exported page, there is nobody to ask.
    assert page.locator(".ts-tune").is_hidden()
    assert chooser.get_by_role("button", name="Compose your own").is_hidden()
    page.evaluate("told => harness.news({composer: told})", {**composer(), "commands": {}})
    expect(page.locator(".ts-tune")).to_be_visible()
    page.locator(".ts-lane-name[data-lane=random]").click()
    expect(page.locator(".ts-tune")).to_be_hidden()  # it has no parameter
    page.locator(".ts-lane-name[data-lane=extra-0]").click()
    field = page.locator(".ts-tune").get_by_label("n", exact=True)
    assert field.input_value() == "3"
    field.fill("5")
    field.press("Tab")
    wait_for(page, "e.tripletscope.state().tuned?.length === 1")
    assert last_told(page)["tuned"] == [["extra-0", "n", 5]]
    field.fill("99")
    field.press("Tab")
    expect(field).to_have_attribute("aria-invalid", "true")
    assert field.get_attribute("title") == "a whole number from 1 to 9"
    assert last_told(page)["tuned"] == [["extra-0", "n", 5]], "what is out of range is not asked"
    page.locator(".ts-tune-reset").click()
    wait_for(page, "e.tripletscope.state().tuned === null")
    assert last_told(page)["tuned"] is None
    assert field.input_value() == "3"


@pytest.mark.parametrize("width", [900, 1280])
def test_nothing_is_wider_than_the_page(open_page: Callable[..., Any], crowd: str, width: int) -> None:
    page = open_page(query=crowd, width=width)
    chooser = composing(page)
    box = chooser.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for field in chooser.locator("select").all():
        inside = field.bounding_box()
        assert inside["x"] + inside["width"] <= box["x"] + box["width"]
