"""status.json: whether a run is still being written, and by whom."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from tripletscope.store import layout

#: What a run that is being recorded says while it waits to be told to go on.
PAUSED = "paused"
STATES = ("running", "finished", "stopped", "failed")
#: A writer that has not been heard of for so long is taken for dead, unless its steps are that slow.
SILENCE = 30.0


def write_status(run: Path, state: str, step: int, message: str | None, *, sync: bool = False) -> None:
    """Nothing; status.json says this, with the time, this process and this machine."""
    status = {
        "state": state,
        "step": step,
        "heartbeat": round(time.time(), 3),
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "message": message,
    }
    layout.replace(run / layout.STATUS, json.dumps(status, ensure_ascii=False).encode(), sync=sync)


def read_status(run: Path) -> dict[str, Any] | None:
    """The content of status.json; None when it is missing or damaged."""
    try:
        status = json.loads((run / layout.STATUS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(status, dict) or status.get("state") not in STATES:
        return None
    numbers = (status.get("heartbeat", 0), status.get("pid", 0))
    return status if all(isinstance(one, int | float | None) for one in numbers) else None


def true_state(status: dict[str, Any] | None, slowest_step: float = 0.0) -> str:
    """The state of a run: what it says of itself, but "stopped" when it says running and nobody writes any more.

    Args:
        status: content of status.json, or None.
        slowest_step: seconds; silence of up to ten such steps is patience, not death.
    """
    if not status:
        return "stopped"
    state = str(status["state"])
    if state != "running":
        return state
    silence = time.time() - float(status.get("heartbeat") or 0.0)
    if silence > max(SILENCE, 10 * slowest_step):
        return "stopped"
    same_machine = status.get("host") == socket.gethostname()
    return "stopped" if same_machine and not _alive(int(status.get("pid") or 0)) else "running"


def _alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # signal 0 ends a process on Windows; there the heartbeat alone decides
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0 and not _defunct(pid)


def _defunct(pid: int) -> bool:
    """Whether the process is dead but not yet fetched by its parent: it answers signal 0 all the same."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except (OSError, IndexError):
        return False
