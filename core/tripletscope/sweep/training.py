"""One cell: trained as `tripletscope train` does it, measured, and kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch

from tripletscope import datasets, training
from tripletscope.config import TrainConfig
from tripletscope.errors import RunError
from tripletscope.samples import LabelledData
from tripletscope.store.reader import Run
from tripletscope.store.shelf import is_run
from tripletscope.training import OnStep, ShouldStop


def load(config: TrainConfig, stamp: str = "") -> LabelledData:
    """The data of these settings; the last few sets stay in memory, for cells that share them.

    Args:
        config: of a cell.
        stamp: changes when the file behind the data does.
    """
    return _loaded(config.data, config.label, config.image_size, config.standardize, stamp)


@lru_cache(maxsize=4)
def _loaded(spec: str, label: str | None, image_size: int | None, standardize: bool, stamp: str) -> LabelledData:
    return datasets.load(spec, label=label, image_size=image_size, standardize=standardize)


def train(
    config: TrainConfig,
    out: Path,
    *,
    stamp: str = "",
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
) -> Run | None:
    """The finished run in `out`, which goes on where an earlier process left it; None when it was stopped.

    Args:
        config: of a cell.
        out: folder of the run.
        stamp: as for `load`.
        on_step: as for `training.record`.
        should_stop: as for `training.record`.

    Raises:
        TripletscopeError: whatever `training.record` raises.
    """
    torch.set_num_threads(config.threads)
    data = load(config, stamp)
    if out.exists():
        finished = _go_on(config, data, out, on_step, should_stop)
        if finished is not None:
            return Run.open(out) if finished else None
        shutil.rmtree(out)
    result = training.record(config, data, out, on_step=on_step, should_stop=should_stop)
    return Run.open(out) if result.state == "finished" else None


def _go_on(
    config: TrainConfig, data: LabelledData, out: Path, on_step: OnStep | None, should_stop: Callable[[], bool] | None
) -> bool | None:
    """Whether the run that lies there is finished now; None where it is no run that can go on."""
    try:
        if not is_run(out) or Run.open(out).state == "failed":
            return None
        if Run.open(out).state == "finished":
            return True
        result = training.record(config, data, out, resume=True, on_step=on_step, should_stop=should_stop)
    except RunError:  # killed before its first step, or damaged: it is made again
        return None
    return result.state == "finished"
