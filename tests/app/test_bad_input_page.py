"""What bad input gets on the page: the sentence of the command line, or a set with its warnings; the page lives on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.app.inspected import drop, formats, until, words
from tests.app.test_inspect_page import app, desk, is_open, press  # noqa: F401 (fixtures)
from tests.core.test_bad_input_cli import LOADED, REFUSED

from tripletscope_app.inspecting import arrivals

#: What only a command line can say: a name of nothing, an option twice, a limit that is none.
TYPED = {
    "a part twice",
    "no limit at all",
    "a limit that is no number",
    "a folder",
    "missing",
    "missing metadata",
}
PARTS = ("--label", "--id", "--text", "--vector")


def told(given: list[str]) -> tuple[dict[str, str], dict[str, str], str | None]:
    """(files by part, columns by part, gigabytes) of a command line's words."""
    files, columns, limit = {"path": given[0]}, {}, None
    for option, value in zip(given[1::2], given[2::2], strict=True):
        if option in PARTS:
            columns[option.removeprefix("--")] = value
        elif option == "--limit":
            limit = value
        else:
            files[option.removeprefix("--")] = value
    return files, columns, limit


def look(desk: Any, given: list[str]) -> dict[str, Any]:  # noqa: F811
    """What the person's own process says of these files."""
    files, columns, limit = told(given)
    bound = None if limit is None else round(float(limit) * 2**30)
    reply = desk.ask("look", **files, mapping=columns or None, limit=bound).reply(60)
    assert reply is not None
    return reply


@pytest.mark.parametrize("case", sorted(set(REFUSED) - TYPED))
def test_the_process_refuses_in_the_same_sentence(desk: Any, tmp_path: Path, case: str) -> None:  # noqa: F811
    reply = look(desk, REFUSED[case].build(tmp_path))
    said = reply.get("error") or reply.get("refused")
    assert said, reply
    assert re.search(REFUSED[case].says, said), said
    assert "\n" not in said
    assert "Traceback" not in said
    assert "not foreseen" not in said


@pytest.mark.parametrize("case", sorted(LOADED))
def test_the_process_loads_with_the_same_warnings(desk: Any, tmp_path: Path, case: str) -> None:  # noqa: F811
    reply = look(desk, LOADED[case].build(tmp_path))
    assert "error" not in reply, reply
    assert "refused" not in reply, reply["refused"]
    assert reply["set"]["rows"] == LOADED[case].used
    notes = " ".join(reply["set"]["notes"]).encode("ascii", "backslashreplace").decode()
    wanted = LOADED[case].notes
    assert re.search(wanted, notes) or re.search(wanted, " ".join(reply["set"]["notes"])), notes


@pytest.mark.slow
def test_dropped_on_the_page_each_is_a_sentence_and_the_next_one_opens(
    app: Any,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = app()
    for place, (case, wanted) in enumerate([*REFUSED.items(), *LOADED.items()]):
        folder = tmp_path / str(place)
        folder.mkdir()
        if case in TYPED:
            continue
        given = wanted.build(folder)
        files, columns, limit = told(given)
        if columns or any(not Path(file).is_file() for file in files.values()):
            continue  # a column that somebody names on the command line is chosen on the card of the columns
        monkeypatch.setenv(arrivals.LIMIT, limit or "8")
        drop(at, [(Path(file).name, Path(file).read_bytes()) for file in files.values()])
        if case in LOADED:
            until(at, is_open)
            press(at, "drop.another")
            continue
        until(at, lambda app: app.warning or is_open(app))
        assert not is_open(at), case
        said = [one for one in words(at) if len(one) > 20]
        assert any(re.search(wanted.says, one) for one in said), (case, said)
        assert not any("Traceback" in one or "not foreseen" in one for one in said), said
        if any(button.key == "mapping.another" for button in at.button):
            press(at, "mapping.another")
        else:
            at.run()
    monkeypatch.delenv(arrivals.LIMIT)
    until(drop(at, formats()["csv"]), is_open)
