"""`tripletscope app`: one sentence for a folder that is no run, and a server that answers on its address."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tripletscope.cli import main
from tripletscope_app import command


def test_a_folder_that_is_no_run_is_one_sentence_and_exit_2(tmp_path, capsys):
    assert main(["app", "--run", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "is no run folder" in said
    assert said.count("\n") == 1
    assert main(["app", "--run", str(tmp_path / "nowhere")]) == 2
    assert "There is no folder" in capsys.readouterr().err


def test_a_port_that_is_no_port(capsys):
    assert main(["app", "--port", "99999"]) == 2
    assert "--port is 99999" in capsys.readouterr().err


def test_the_help_has_an_example(capsys):
    assert main(["app", "--help"]) == 0
    assert "tripletscope app --run" in capsys.readouterr().out


def test_the_runs_come_after_the_settings(tmp_path):
    line = command.command_line([tmp_path / "a", tmp_path / "b"], "127.0.0.1", 8600, False)
    assert line[line.index("--") :] == ["--", "--run", str(tmp_path / "a"), "--run", str(tmp_path / "b")]
    assert {"--server.address=127.0.0.1", "--server.port=8600", "--server.headless=true"} <= set(line)


def test_a_taken_port_is_passed_over():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert command.free_port("127.0.0.1", port) > port


@pytest.mark.skipif(os.name != "posix", reason="ends the server with a signal")
def test_it_serves_from_any_folder_and_prints_its_address(tmp_path):
    port = command.free_port("127.0.0.1", 8750)
    (tmp_path / "click.py").write_text("raise RuntimeError('not the package of that name')\n")
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "tripletscope", "app", "--port", str(port)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert f"http://127.0.0.1:{port}" in server.stdout.readline()
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as reply:
                    assert reply.read() == b"ok"
                break
            except OSError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.3)
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_files_to_inspect_and_limits_are_passed_on(tmp_path):
    file = tmp_path / "v.npy"
    file.write_bytes(b"x")
    assert command.check_files([str(file)]) == [file]
    line = command.command_line([], "127.0.0.1", 8600, False, files=[file], upload=500)
    assert line[-2:] == ["--open", str(file)]
    assert "--server.maxUploadSize=500" in line


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--open", "nowhere.npy"], "There is no file"),
        (["--open", __file__], "of no kind that can be read"),
        (["--limit", "0"], "--limit is 0"),
        (["--upload", "0"], "--upload is 0"),
    ],
)
def test_what_cannot_be_opened_is_said_before_a_server_starts(capsys, given, said):
    assert main(["app", *given]) == 2
    assert said in capsys.readouterr().err
