"""Where a glide of the camera ends, whatever it began in."""

from __future__ import annotations

from typing import Any

import pytest

from tripletscope_app import component

pytestmark = pytest.mark.browser

# Glides from a camera to others, each begun before the last is over; tells where the camera was at the end of all.
GLIDE = """async ([code, camera, targets, pause]) => {
  const page = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  let held = { camera, gone: false };
  const state = { get: () => held, set: (change) => { held = { ...held, ...change }; } };
  const glides = [];
  for (const target of targets) {
    glides.push(page.glideCamera(state, target, 120));
    await new Promise((done) => setTimeout(done, pause));
  }
  await Promise.all(glides);
  await new Promise((done) => setTimeout(done, 300));
  return held.camera;
}"""
HOME = {"x": 0, "y": 0, "zoom": 1}


@pytest.fixture(scope="module")
def glide(browser: Any) -> Any:
    code = "\n".join(component._IMPORT.sub("", component._read(name)) for name in ("dom.js", "camera.js"))
    page = browser.new_page()
    yield lambda camera, targets, pause=0: page.evaluate(GLIDE, [code, camera, targets, pause])
    page.close()


@pytest.mark.parametrize("zoom", [2, 1.83, 1.7320508, 4.9, 61.3, 0.51])
def test_a_glide_ends_at_its_target_to_the_last_digit(glide: Any, zoom: float) -> None:
    assert glide({"x": 0.1, "y": -0.7, "zoom": zoom}, [HOME]) == HOME


@pytest.mark.parametrize("pause", [0, 40])
def test_of_two_glides_the_later_one_wins(glide: Any, pause: int) -> None:
    near = {"x": 0.3, "y": 0.2, "zoom": 3}
    assert glide({"x": 0.1, "y": 0.1, "zoom": 1.5}, [near, HOME], pause) == HOME
    assert glide({"x": 0.1, "y": 0.1, "zoom": 1.5}, [near, HOME, near], pause) == near
