"""The house keeps its floors: a file imports from lower floors only, and each rule is seen to fail once."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "tripletscope"
APP = ROOT / "app" / "tripletscope_app"

# Lowest floor first. A module may import from its own floor's package and from lower floors.
FLOORS: list[set[str]] = [
    {"errors", "schema", "registry", "seeding", "zones", "composition", "samples", "palette"},
    {"distances", "rows", "sampling", "flaws", "store"},
    {"triplets", "batch", "metrics"},
    {"strategies", "losses", "models", "adam", "uploads", "readers", "embeddings"},
    {
        "datasets",
        "store.reader",
        "store.recompute",
        "store.views",
        "store.parcel",
        "testing",
        "dialects",
        "dialect_docs",
        "strategy_docs",
        "strategy_pictures",
        "dataset_docs",
        "mining",
    },
    {"step_record", "recorded_strategies", "frames", "recorder", "export", "analysis", "doctor", "inspection", "film"},
    {"config", "preparation", "training"},
    {"sweep"},
    {"experiments"},
    {"cli", "__main__", "__init__"},
]

# Names of files inside a run: whoever writes one of them opens run files, and that is the store's alone.
RUN_FILES = ("scalars.jsonl", "status.json", "picks.parquet", "thumbs.png", "samples.arrows", "plane.parquet")
HEAVY_SCREEN = ("streamlit", "plotly", "altair", "tripletscope_app")


def module_name(path: Path, package_root: Path) -> str:
    parts = path.relative_to(package_root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imported_modules(source: str) -> set[str]:
    """Every module that the source imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor_of(name: str) -> int | None:
    """Number of the floor on which a module of the engine lives, by its longest listed prefix."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        for number, floor in enumerate(FLOORS):
            if prefix in floor:
                return number
    return None


def upward_imports(name: str, source: str) -> list[str]:
    """Imports of the engine's module `name` that reach a higher floor, or a neighbour outside its own package."""
    mine = floor_of(name)
    assert mine is not None, f"{name} is on no floor: add it to FLOORS"
    wrong = []
    for imported in imported_modules(source):
        if not imported.startswith("tripletscope.") or imported == "tripletscope.__version__":
            continue
        target = imported.removeprefix("tripletscope.")
        floor = floor_of(target)
        if floor is not None and floor > mine:
            wrong.append(f"{name} (floor {mine}) imports {target} (floor {floor})")
    return wrong


def screen_imports(source: str) -> set[str]:
    return {name for name in imported_modules(source) if name.split(".")[0] in HEAVY_SCREEN}


def run_file_names(source: str) -> set[str]:
    """Names of run files that stand in the code as strings; docstrings and comments may talk about them."""
    tree = ast.parse(source)
    prose = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose.add(id(node.value))
    strings = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    }
    return {name for name in RUN_FILES for text in strings if text == name or text.endswith("/" + name)}


def core_files() -> Iterator[tuple[str, str]]:
    for path in sorted(CORE.rglob("*.py")):
        yield module_name(path, CORE), path.read_text(encoding="utf-8")


FILES = list(core_files())


@pytest.mark.parametrize(("name", "source"), FILES, ids=[name for name, _ in FILES])
def test_a_module_of_the_engine_imports_from_lower_floors(name: str, source: str) -> None:
    assert upward_imports(name, source) == []


@pytest.mark.parametrize(("name", "source"), FILES, ids=[name for name, _ in FILES])
def test_the_engine_knows_no_screen(name: str, source: str) -> None:
    assert screen_imports(source) == set()


@pytest.mark.parametrize(("name", "source"), FILES, ids=[name for name, _ in FILES])
def test_only_the_store_opens_run_files(name: str, source: str) -> None:
    if not name.startswith("store"):
        assert run_file_names(source) == set()


@pytest.mark.parametrize(
    "name",
    ["answers.py", "asides.py", "selection.py", "tables.py", "theme.py", "component/pack.py", "component/aside.py"],
)
def test_what_works_in_a_notebook_too_knows_no_streamlit(name: str) -> None:
    assert "streamlit" not in screen_imports((APP / name).read_text(encoding="utf-8"))


def test_the_app_reads_runs_through_the_store() -> None:
    for path in sorted(APP.rglob("*.py")):
        assert run_file_names(path.read_text(encoding="utf-8")) == set(), path.name


def test_the_rules_can_fail() -> None:
    assert upward_imports("distances", "from tripletscope.strategies import get")
    assert upward_imports("triplets", "def late():\n    import tripletscope.recorder")
    assert not upward_imports("recorder", "from tripletscope.strategies import get")
    assert screen_imports("import streamlit as st")
    assert screen_imports("from plotly import graph_objects")
    assert run_file_names('open(folder / "scalars.jsonl")')
    assert not run_file_names('"""Reads scalars.jsonl."""')
    with pytest.raises(AssertionError, match="on no floor"):
        upward_imports("attic", "")


def test_what_the_first_page_needs_loads_no_torch() -> None:
    code = (
        "import sys\n"
        "import tripletscope.store.reader, tripletscope.export, tripletscope.samples, tripletscope.schema\n"
        "import tripletscope.analysis.projection\n"
        "heavy = {'torch', 'sklearn', 'faiss', 'umap', 'plotly', 'streamlit'} & set(sys.modules)\n"
        "sys.exit(f'loaded {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nobody_keeps_the_way_to_the_sample_data() -> None:
    """A module that takes the function over by name keeps whatever a test has put in its place when it was imported."""
    kept = [
        str(path.relative_to(ROOT))
        for package in (CORE, APP)
        for path in package.rglob("*.py")
        if package / "datasets" not in path.parents
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and any(alias.name == "sample_data_dir" for alias in node.names)
    ]
    assert kept == [], "import datasets, and ask it when the folder is wanted"
