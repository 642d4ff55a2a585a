"""`tripletscope app`: the explorer from the command line, also from an installed wheel."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tripletscope.cli.command import Command
from tripletscope.errors import RunError, SettingError
from tripletscope.store.shelf import find_runs

DOOR = Path(__file__).parent / "door" / "main.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs to show, and where the page is served."""
    parser.add_argument(
        "--run", metavar="DIR", action="append", default=[], help="a run, or a folder of runs, to open; may be repeated"
    )
    parser.add_argument("--port", type=int, default=None, help="port (default: the first free one from 8501)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 lets others on the network in (default: %(default)s)",
    )
    parser.add_argument("--browser", action="store_true", help="open a browser window as well")


def check_run(path: str) -> Path:
    """The absolute folder, when it holds a run or runs.

    Raises:
        RunError: when it does not.
    """
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        raise RunError(f"There is no folder {path}; record a run with `tripletscope train --out {path}`.")
    if not find_runs(folder):
        raise RunError(f"{path} is no run folder: it has no config.json; name a folder that `tripletscope train` made.")
    return folder


def free_port(host: str, first: int = 8501, tries: int = 100) -> int:
    """The first port from `first` on which nobody listens."""
    for port in range(first, first + tries):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise SettingError(f"All ports from {first} to {first + tries - 1} are taken; name a free one with --port.")


def command_line(runs: list[Path], host: str, port: int, browser: bool) -> list[str]:
    """What starts the server; the settings beside the door do the rest."""
    # -P: a click.py that lies in the user's folder must not be taken for the package of that name.
    streamlit = [sys.executable, "-P", "-m", "streamlit", "run", str(DOOR)]
    streamlit += [f"--server.address={host}", f"--server.port={port}", f"--server.headless={str(not browser).lower()}"]
    return [*streamlit, "--", *(part for run in runs for part in ("--run", str(run)))]


def run(args: argparse.Namespace) -> int:
    """Serves the explorer until Ctrl-C; the exit code."""
    runs = [check_run(path) for path in args.run]
    if args.port is not None and not 1 <= args.port <= 65535:
        raise SettingError(f"--port is {args.port}, but a port is a number from 1 to 65535.")
    port = args.port or free_port(args.host)
    shown = f"[{args.host}]" if ":" in args.host else args.host
    print(f"tripletscope is on http://{shown}:{port}  (Ctrl-C ends it)", flush=True)  # noqa: T201 (a command's output)
    server = subprocess.Popen(command_line(runs, args.host, port, args.browser), env={**os.environ})
    # The server hears Ctrl-C itself; a polite end of ours is passed on.
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    while True:
        try:
            return max(server.wait(), 0)
        except KeyboardInterrupt:
            continue


command = Command(
    name="app",
    help="start the explorer in the browser",
    example="tripletscope app --run runs/semi-hard --run runs/hard",
    add_arguments=add_arguments,
    run=run,
    order=10,
)
