"""A warm process that starts trainings, kills them at given instants, and resumes them; run as a script.

Importing torch takes seconds, and a child forked after the import starts at once. This is a process of its own
because pytest's has threads, which a fork would leave behind.

Arguments: JSON {"argv": [...], "jobs": [{"out", "step", "delay"}]}. Each job trains into `out` and is killed `delay`
seconds after `step` steps are on record; a job with `step` null resumes and runs to its end. Prints the exit codes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

DEADLINE = 120.0


def recorded_steps(out: Path) -> int:
    """Whole lines of scalars.jsonl: a step is on record when its line is."""
    try:
        return (out / "scalars.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def wait_for(out: Path, steps: int, alive: object = lambda: True) -> None:
    begun = time.monotonic()
    while recorded_steps(out) < steps and alive():  # type: ignore[operator]
        if time.monotonic() - begun > DEADLINE:
            raise TimeoutError(f"{out} has {recorded_steps(out)} steps after {DEADLINE} s, not {steps}")
        time.sleep(0.0005)


def run_job(argv: list[str], out: Path, step: int | None, delay: float) -> int:
    from tripletscope.cli import main

    child = os.fork()
    if child == 0:
        code = main([*argv, "--out", str(out), *(["--resume"] if step is None else [])])
        os._exit(code)
    if step is not None:
        wait_for(out, step)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    import tripletscope.cli.train
    import tripletscope.readers.archive
    import tripletscope.training  # noqa: F401

    task = json.loads(sys.argv[1])
    print([run_job(task["argv"], Path(job["out"]), job["step"], job["delay"]) for job in task["jobs"]])
