"""Planned races: on the disk, a few at a time, alive without the server, told in words when something is wrong."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from tripletscope import Run
from tripletscope.cli import train
from tripletscope.config import TrainConfig, as_arguments
from tripletscope.errors import RunError, SettingError
from tripletscope_app.racing import plan as plans
from tripletscope_app.racing import yard as yard_module
from tripletscope_app.racing.plan import Plan, race
from tripletscope_app.racing.progress import sentence
from tripletscope_app.racing.yard import Yard

# Does what the trainer does, as far as a yard can see: a folder, a status, lines, an ear for requests.
FAKE = textwrap.dedent(
    """
    import json, os, pathlib, socket, sys, time
    given = dict(part.lstrip("-").partition("=")[::2] for part in sys.argv[1:] if "=" in part)
    out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
    steps, resume = int(given.get("steps", 400)), "--resume" in sys.argv
    if given.get("strategy") == "hardest":
        sys.exit("tripletscope: this cannot be, on any account.")
    lines = out / "scalars.jsonl"
    if resume:
        done = len(lines.read_text().splitlines())
        (out / "control").unlink(missing_ok=True)
        steps = json.loads((out / "config.json").read_text())["steps"]
    else:
        out.mkdir()
        done = 0
        config = {"format": 1, "margin": 1, "distance": "euclidean", "steps": steps}
        (out / "config.json").write_text(json.dumps(config))
    def status(state, message=None):
        told = {"state": state, "step": done, "heartbeat": time.time(), "pid": os.getpid(),
                "host": socket.gethostname(), "message": message}
        temporary = out / "status.tmp"
        temporary.write_text(json.dumps(told))
        temporary.replace(out / "status.json")
    def asked():
        try:
            return json.loads((out / "control").read_text())["ask"]
        except (OSError, ValueError):
            return "go"
    status("running")
    while done < steps:
        with lines.open("a") as file:
            file.write(json.dumps({"step": done, "time": time.time()}) + "\\n")
        done += 1
        time.sleep(0.01)
        while asked() == "pause":
            status("running", "paused")
            time.sleep(0.02)
        if asked() == "stop":
            status("stopped")
            sys.exit()
        status("running")
    status("finished")
    """
)


@pytest.fixture
def yards(tmp_path):
    made = []

    def make(**options):
        made.append(Yard(tmp_path / "runs", **{"command": [sys.executable, "-c", FAKE], **options}))
        return made[-1]

    yield make
    for yard in made:
        for each in yard.races():
            for run in each.runs:
                yard.cancel(each.folder, run.name)
        yard.close()


def until(condition, patience=240.0):
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


def states(yard, folder):
    return [run.state for run in yard.race(folder).runs]


CONFIG = TrainConfig(steps=40)


def test_a_race_starts_a_few_at_a_time_and_ends(yards):
    yard = yards(most=2)
    folder = yard.start(race(CONFIG, ["random", "semi-hard", "batch-hard"], [0], title="Three"), "My race: three!")
    assert folder.name == "My-race-three"
    seen = set()

    def over():
        now = yard.race(folder)
        seen.add(tuple(run.state for run in now.runs))
        assert sum(run.alive for run in now.runs) <= 2
        return now.over

    until(over)
    assert states(yard, folder) == ["finished"] * 3
    assert any("waiting" in told for told in seen), "the third had to wait"
    assert all(run.share == 1.0 and run.step == 40 for run in yard.race(folder).runs)
    assert [each.folder for each in yard.races()] == [folder]
    again = yard.start(race(CONFIG, ["random"], [0], title="Again"), "My race: three!")
    assert again.name == "My-race-three-2"


def test_pause_go_cancel_and_resume(yards):
    yard = yards(most=1)
    long = TrainConfig(steps=100_000)
    folder = yard.start(race(long, ["random", "semi-hard"], [0], title="Long"), "long")
    until(lambda: states(yard, folder) == ["running", "waiting"])
    run = folder / "random"
    yard.pause(run)
    until(lambda: states(yard, folder)[0] == "paused")
    at = yard.race(folder).runs[0].step
    time.sleep(0.2)
    assert yard.race(folder).runs[0].step == at
    yard.pause(run, go=True)
    until(lambda: yard.race(folder).runs[0].step > at)
    assert until(lambda: yard.race(folder).runs[0].rate) > 1
    assert yard.race(folder).runs[0].seconds_left > 10
    yard.cancel(folder, "semi-hard")
    assert states(yard, folder)[1] == "cancelled"
    yard.cancel(folder, "random")
    until(lambda: states(yard, folder)[0] == "stopped")
    stopped = yard.race(folder).runs[0].step
    yard.resume(run)
    until(lambda: states(yard, folder)[0] == "running" and yard.race(folder).runs[0].step > stopped)
    with pytest.raises(RunError, match="cannot go on"):
        yard.resume(run)
    assert not (folder / "semi-hard").exists()


def test_a_refusal_is_told_in_its_own_words(yards):
    yard = yards()
    folder = yard.start(race(CONFIG, ["hardest", "random"], [0], title="No"), "no")
    until(lambda: yard.race(folder).over)
    refused, fine = yard.race(folder).runs
    assert refused.state == "refused"
    assert refused.message == "this cannot be, on any account."
    assert fine.state == "finished"
    assert yard.log(folder, "hardest") == ["tripletscope: this cannot be, on any account."]


def test_a_killed_training_is_told_and_goes_on(yards):
    yard = yards()
    folder = yard.start(race(TrainConfig(steps=100_000), ["random"], [0], title="Kill"), "kill")
    until(lambda: states(yard, folder) == ["running"])
    os.kill(Run.open(folder / "random").status["pid"], signal.SIGKILL)
    dead = until(lambda: (now := yard.race(folder).runs[0]).state == "stopped" and now)
    assert "died" in dead.message
    yard.resume(folder / "random")
    until(lambda: states(yard, folder) == ["running"])


def test_a_new_server_knows_what_the_old_one_knew(yards, tmp_path):
    script = textwrap.dedent(
        f"""
        import pathlib, sys, time
        from tripletscope.config import TrainConfig
        from tripletscope_app.racing.plan import race
        from tripletscope_app.racing.yard import Yard
        yard = Yard(pathlib.Path({str(tmp_path / "runs")!r}), most=1, command=[sys.executable, "-c", {FAKE!r}])
        yard.start(race(TrainConfig(steps=150), ["random", "semi-hard"], [0], title="Two"), "two")
        print("started", flush=True)
        time.sleep(600)
        """
    )
    server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert server.stdout.readline().strip() == b"started"
    yard, folder = yards(most=1), tmp_path / "runs" / "two"
    until(lambda: yard.race(folder) and states(yard, folder) == ["running", "waiting"])
    yard.wake()
    time.sleep(1)
    assert not yard._hold(), "the other server starts what waits"
    server.kill()
    server.wait()
    server.stdout.close()
    assert states(yard, folder)[0] in ("running", "finished"), "the training does not need the server"
    until(lambda: yard.race(folder).over)
    assert states(yard, folder) == ["finished", "finished"]


def test_plans_are_read_back_and_nonsense_is_no_plan(tmp_path):
    made = race(TrainConfig(data="glyphs", margin=0.5, param={"cutoff": 0.5}), ["random"], [0, 7], title="<b>Ünï</b>")
    plans.write(tmp_path, made.without("random-seed-7"))
    assert plans.read(tmp_path) == made.without("random-seed-7")
    for nonsense in (
        "",
        "{",
        "[]",
        "{}",
        '{"version": 2}',
        '{"version": 1, "title": "x", "runs": {"../x": {}}, "cancelled": []}',
    ):
        (tmp_path / plans.FILE).write_text(nonsense)
        assert plans.read(tmp_path) is None
    with pytest.raises(SettingError, match="at least one strategy"):
        race(CONFIG, [], [0], title="")
    with pytest.raises(SettingError, match="twice"):
        race(CONFIG, ["random"], [1, 1], title="")


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(
            data="-odd name=x", label="=", margin=1e-7, lr=0.1, normalize=False, soft_margin=True, shadow=("all",)
        ),
        TrainConfig(
            strategy="distance-weighted", param={"cutoff": 0.5, "nonzero_loss_cutoff": 1.4}, model="mlp", dim=2
        ),
    ],
)
def test_settings_survive_the_command_line(config, tmp_path):
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    back, _ = train.settings(parser.parse_args([*as_arguments(config), "--out", str(tmp_path)]))
    assert back == config


#: The real trainer, until that many bytes were written: then the disk takes nothing more, whatever it is.
FULL = textwrap.dedent(
    """
    import sys
    from tripletscope.cli import main
    from tripletscope.store import append, layout
    left = [400_000]
    def take(size):
        left[0] -= size
        if left[0] < 0:
            raise OSError(28, "No space left on device")
    write, replace = append.AppendFile.write, layout.replace
    append.AppendFile.write = lambda self, piece: (take(len(piece)), write(self, piece))[1]
    layout.replace = lambda path, content, sync=False: (take(len(content)), replace(path, content, sync=sync))[1]
    sys.exit(main(["train", *sys.argv[1:]]))
    """
)


@pytest.mark.slow
def test_a_full_disk_ends_a_run_that_can_be_read_and_says_so(tmp_path):
    yard = Yard(tmp_path / "runs", command=[sys.executable, "-c", FULL])
    settings = TrainConfig(data="digits", dim=2, hidden=4, steps=5000)
    folder = yard.start(race(settings, ["random"], [0], title="Full"), "full")
    until(lambda: yard.race(folder).over, 300)
    yard.close()
    (run,) = yard.race(folder).runs
    assert run.state == "stopped"
    assert 0 < run.step < 5000
    assert "No space left on device" in run.message
    assert run.message.endswith("make room and resume the run.")
    opened = Run.open(run.path)
    assert opened.step_count == run.step
    assert len(opened.picks(step=run.step - 1))


def test_a_run_that_has_a_folder_and_no_status_yet_is_starting_for_every_server(tmp_path):
    """Also for one that did not start it: a page that took it for ended would stop looking."""
    yard = Yard(tmp_path / "runs")
    folder = yard.root / "begun"
    (folder / "random").mkdir(parents=True)
    (folder / "logs").mkdir()
    plans.write(folder, race(TrainConfig(steps=5), ["random"], [0], title="Begun"))
    (folder / "random" / "config.json").write_text("{}")
    assert [run.state for run in yard.race(folder).runs] == ["stopped"]
    yard_module.warm.note(folder / "logs" / "random.started", os.getpid())
    assert [run.state for run in yard.race(folder).runs] == ["starting"]
    assert not yard.race(folder).over


def test_while_the_disk_is_full_a_waiting_run_says_so_and_starts_when_there_is_room(yards, monkeypatch):
    full = [True]

    def room(_folder):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(yard_module, "_require_room", room)
    monkeypatch.setattr(yard_module, "AGAIN", 0.1)
    yard = yards(most=1)
    folder = yard.start(race(TrainConfig(steps=5), ["random", "semi-hard"], [0], title="Full"), "full")
    until(lambda: yard.race(folder).runs[0].message is not None)
    first, second = yard.race(folder).runs
    assert sentence(first) == "waits: the disk is full; it starts by itself when there is room"
    assert sentence(second) == "waits for its turn"
    full[0] = False
    until(lambda: yard.race(folder).over)
    assert [run.state for run in yard.race(folder).runs] == ["finished"] * 2
    (folder / "random" / "status.json").write_text('{"state": "stopped", "step": 5}')
    full[0] = True
    with pytest.raises(RunError, match="cannot go on: the disk is full: make room first"):
        yard.resume(folder / "random")


def test_a_run_whose_process_cannot_write_a_word_is_not_started_over_and_over(yards, monkeypatch):
    monkeypatch.setattr(yard_module.warm, "note", lambda *_: None)
    yard = yards(command=[sys.executable, "-c", "raise SystemExit(1)"], most=1)
    folder = yard.start(race(TrainConfig(steps=5), ["random"], [0], title="Mute"), "mute")
    until(lambda: yard.race(folder).runs[0].message is not None)
    assert sentence(yard.race(folder).runs[0]) == "waits: its process ended before it could write anything"
    assert yard.log(folder, "random") == []


def test_the_real_trainer(tmp_path):
    yard = Yard(tmp_path / "runs", most=2)
    settings = TrainConfig(data="digits", dim=2, hidden=4, steps=12)
    folder = yard.start(race(settings, ["random", "quadruplet-of-mine"], [3], title="Real"), "real")
    until(lambda: yard.race(folder).over, 120)
    yard.close()
    fine, refused = yard.race(folder).runs
    assert fine.state == "finished", yard.log(folder, "random")
    assert Run.open(fine.path).config["seed"] == 3
    assert refused.state == "refused"
    assert "quadruplet-of-mine" in refused.message
    assert isinstance(yard.race(folder).plan, Plan)
