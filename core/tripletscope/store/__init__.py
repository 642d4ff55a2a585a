"""Runs on disk. Only this package opens the files of a run; `docs/run-format.md` describes them."""
