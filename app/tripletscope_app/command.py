"""`tripletscope app`: the explorer from the command line, also from an installed wheel."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
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
    parser.add_argument(
        "--open",
        metavar="FILE",
        action="append",
        default=[],
        help="embeddings to inspect; repeated: labels or pictures that belong to them",
    )
    parser.add_argument(
        "--limit", type=float, metavar="GB", help="memory that a set may take once opened on the page (default: 8)"
    )
    parser.add_argument(
        "--upload", type=int, metavar="MB", help="size of a file that is dropped on the page (default: 200)"
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


def check_files(paths: list[str]) -> list[Path]:
    """The absolute paths of files to inspect, when they are there and of a kind that can be read.

    Raises:
        DataError, SettingError: when they are not.
    """
    from tripletscope_app.inspecting.arrivals import at_path

    files = [Path(path).expanduser().absolute() for path in paths]
    if files:
        at_path(*map(str, files))
    return files


def command_line(
    runs: list[Path],
    host: str,
    port: int,
    browser: bool,
    *,
    files: Sequence[Path] = (),
    upload: int | None = None,
) -> list[str]:
    """What starts the server; the settings beside the door do the rest."""
    # -P: a click.py that lies in the user's folder must not be taken for the package of that name.
    streamlit = [sys.executable, "-P", "-m", "streamlit", "run", str(DOOR)]
    streamlit += [f"--server.address={host}", f"--server.port={port}", f"--server.headless={str(not browser).lower()}"]
    streamlit += [f"--server.maxUploadSize={upload}"] if upload else []
    given = [part for run in runs for part in ("--run", str(run))]
    given += [part for file in files for part in ("--open", str(file))]
    return [*streamlit, "--", *given]


def run(args: argparse.Namespace) -> int:
    """Serves the explorer until Ctrl-C; the exit code."""
    runs, files = [check_run(path) for path in args.run], check_files(args.open)
    if args.port is not None and not 1 <= args.port <= 65535:
        raise SettingError(f"--port is {args.port}, but a port is a number from 1 to 65535.")
    if args.limit is not None and not 0 < args.limit < 2**20:
        raise SettingError(f"--limit is {args.limit:g}, but it has to be a number of gigabytes above 0.")
    if args.upload is not None and not 1 <= args.upload <= 2**20:
        raise SettingError(f"--upload is {args.upload}, but it has to be a number of megabytes from 1 up.")
    port = args.port or free_port(args.host)
    shown = f"[{args.host}]" if ":" in args.host else args.host
    page = "/inspect" if files else ""
    print(f"tripletscope is on http://{shown}:{port}{page}  (Ctrl-C ends it)", flush=True)  # noqa: T201 (for the person)
    limit = {} if args.limit is None else {"TRIPLETSCOPE_LIMIT": repr(args.limit)}
    server = subprocess.Popen(
        command_line(runs, args.host, port, args.browser, files=files, upload=args.upload), env={**os.environ, **limit}
    )
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
