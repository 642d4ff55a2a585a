# Everything a newcomer needs is `make app` and `make test`; both build what is missing and then stay out of the way.
# The virtual environment is rebuilt only when pyproject.toml or constraints.txt is newer than the last install.

VENV     := .venv
BIN      := $(VENV)/bin
# The first Python between 3.11 and 3.13 that starts; name another with `make app PYTHON=/path/to/python`.
PYTHON   ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
              $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)
ARGS     ?=
# One worker per core, four at the most: each loads torch.
WORKERS  ?= -n auto --maxprocesses 4 --dist loadfile
SOURCES  := core app tests examples benchmarks sample_data docs

.PHONY: app test lint format bench docs pictures chips recordings experiments wheel clean help

help:            ## this list
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "tripletscope needs Python 3.11, 3.12 or 3.13; none was found. Name one: make app PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of packages: the app, then the tests on top, then the linters on top.
$(VENV)/.installed-app: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@
$(VENV)/.installed-test: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@ $(VENV)/.installed-app
$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@ $(VENV)/.installed-test $(VENV)/.installed-app

app: $(VENV)/.installed-app   ## install what is missing, start the explorer and print its address
	$(BIN)/streamlit run app/main.py $(ARGS)

test: $(VENV)/.installed-test ## run the tests (browser tests where there is a Chromium)
	$(BIN)/python -m pytest $(WORKERS) $(ARGS)

lint: $(VENV)/.installed-dev  ## ruff, mypy, and that generated docs are current
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/python -m tripletscope.strategy_docs --check docs/strategies.md
	$(BIN)/python -m tripletscope.dialect_docs --check docs/dialects.md
	$(BIN)/python -m tripletscope.dataset_docs --check docs/datasets.md
	$(BIN)/python docs/make_experiments.py --check

format: $(VENV)/.installed-dev ## put imports and layout in order
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: $(VENV)/.installed-app  ## write the generated pages again
	$(BIN)/python -m tripletscope.strategy_docs docs/strategies.md
	$(BIN)/python -m tripletscope.dialect_docs docs/dialects.md
	$(BIN)/python -m tripletscope.dataset_docs docs/datasets.md
	$(BIN)/python -m tripletscope.inspection.check_docs docs/inspect.md
	$(BIN)/python docs/make_experiments.py

bench: $(VENV)/.installed-test ## print the tables of speed and memory (minutes; nothing fails on a number)
	$(BIN)/python benchmarks/bench_mining.py $(ARGS)
	$(BIN)/python benchmarks/bench_goals.py --scaling
	$(BIN)/python benchmarks/bench_recorder.py
	$(BIN)/python benchmarks/bench_app.py
	$(BIN)/python benchmarks/bench_ui.py
	$(BIN)/python benchmarks/bench_compare.py
	$(BIN)/python benchmarks/bench_umap.py
	$(BIN)/python benchmarks/bench_whole_set.py
	$(BIN)/python benchmarks/bench_map.py
	$(BIN)/python benchmarks/bench_peers.py --sizes 4000

pictures: $(VENV)/.installed-test ## take the pictures of the docs and the film of the README again
	$(BIN)/python docs/make_images.py $(ARGS)

chips: $(VENV)/.installed-app ## draw the pictures of the data sets again that the Race page shows
	$(BIN)/python -m tripletscope_app.racing.chips

recordings: $(VENV)/.installed-app ## record the shipped races again
	$(BIN)/python sample_data/make_recordings.py $(ARGS)

experiments: $(VENV)/.installed-app ## train the shipped experiments again and judge their claims (minutes)
	$(BIN)/python docs/make_experiments.py --record $(ARGS)

wheel: $(VENV)/.installed-dev ## build the wheel and the source archive into dist/
	$(BIN)/python -m build

clean:           ## remove the virtual environment and what was built
	rm -rf $(VENV) dist build
