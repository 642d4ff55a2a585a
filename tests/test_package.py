"""What an installed tripletscope needs to be: light to import, whole in the wheel, reachable without the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run_python(code: str, *, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def unpacked_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds just what the wheel brings."""
    out = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = out.glob("*.whl")
    site = out / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys; import tripletscope\n"
        "heavy = {'torch', 'streamlit', 'plotly', 'pandas', 'faiss', 'umap', 'sklearn', 'numpy'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = run_python(code)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_the_public_names_are_reachable() -> None:
    import tripletscope

    assert {"Recorder", "Run", "strategies"} <= set(dir(tripletscope))
    for name in tripletscope.__all__:
        assert getattr(tripletscope, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Recoder'"):
        _ = tripletscope.Recoder


def test_the_wheel_works_outside_the_checkout(unpacked_wheel: Path, tmp_path: Path) -> None:
    code = (
        "import json, tripletscope; from tripletscope.datasets import load, sample_data_dir\n"
        "from tripletscope.cli import main\n"
        "print(json.dumps([tripletscope.__file__, str(sample_data_dir()), load('emoji_faces').features.shape[0]]))\n"
        "raise SystemExit(main(['strategies']))"
    )
    done = run_python(code, cwd=tmp_path, PYTHONPATH=str(unpacked_wheel))
    assert done.returncode == 0, done.stderr
    home, samples, count = json.loads(done.stdout.splitlines()[0])
    assert home.startswith(str(unpacked_wheel))
    assert samples.startswith(str(unpacked_wheel))
    assert count == 855
    assert "semi-hard" in done.stdout


def test_the_wheel_holds_the_app_its_settings_and_the_licences(unpacked_wheel: Path) -> None:
    names = {path.relative_to(unpacked_wheel).as_posix() for path in unpacked_wheel.rglob("*") if path.is_file()}
    assert any(name.endswith("component/view.js") for name in names)
    assert any(name.endswith("component/instrument.css") for name in names)
    assert any(name.startswith("tripletscope/sample_data/licenses/") for name in names)
    assert any(name.startswith("tripletscope/sample_data/races/") and name.endswith("scalars.jsonl") for name in names)
    top = {name.split("/")[0] for name in names}
    assert top <= {"tripletscope", "tripletscope_app", "tripletscope-0.1.0.dist-info"}, top


def test_the_constraints_are_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*", line), line
    assert "torch==2.13.0" in lines


def test_every_dependency_is_pinned_by_the_constraints() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    for requirement in wanted:
        name = re.split(r"[\[<>=! ]", requirement)[0].lower().replace("_", "-")
        assert name == "tripletscope" or name in pinned, requirement
