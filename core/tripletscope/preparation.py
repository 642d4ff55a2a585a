"""What a training stands on: network, optimiser, sampler, strategies and probe set, checked against the data.

Everything that can be refused is refused here, before a run folder exists.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

import tripletscope
from tripletscope import models, strategies
from tripletscope.adam import Adam
from tripletscope.batch import Batch
from tripletscope.config import TrainConfig
from tripletscope.distances import DISTANCES
from tripletscope.errors import SettingError, UnknownNameError
from tripletscope.flaws import Planted, plant
from tripletscope.losses import LOSSES, Cost, Learning, Loss
from tripletscope.mining import filters
from tripletscope.mining.filtered import filtered
from tripletscope.samples import LabelledData
from tripletscope.sampling import PKSampler
from tripletscope.seeding import derive_seed, generator
from tripletscope.strategies import Strategy
from tripletscope.strategies.base import MOST_TRIPLETS
from tripletscope.triplets import Triplets

PROBE_LIMIT = 2000  # samples that are embedded at every frame
PROBE_PER_CLASS = 4  # at least, where the class has as many
PROBE_BLOCK = 512  # samples embedded at a time


Ids = list[str] | Int64[np.ndarray, "M"]


@dataclass(frozen=True)
class Setup:
    """A training that is ready to take steps; made by `prepare`.

    Its data are what is trained on, with the flaws that the settings plant; `source_digest` is that of the data before.
    """

    config: TrainConfig
    data: LabelledData
    planted: Planted
    source_digest: str
    device: torch.device
    model: str
    network: nn.Module
    optimiser: Adam
    sampler: PKSampler
    strategy: Strategy
    params: Mapping[str, float]  # of the strategy, as given
    cost: Loss
    cost_params: Mapping[str, float]  # of the loss, all of them
    centres: nn.Parameter | None  # one for every class, for a loss that learns them
    shadows: tuple[str, ...]
    left_out: tuple[str, ...]  # strategies that "all" could not include, because the space rules them out
    features: Float[Tensor, "N ..."]
    labels: Int64[Tensor, "N"]
    probe_rows: Int64[np.ndarray, "M"]
    probe_ids: Ids
    initial_weights: str  # their digest

    def inputs(self, rows: Int64[Tensor, "B"]) -> Float[Tensor, "B ..."]:
        """The network's inputs for these rows, on its device."""
        return self.features[rows].to(self.device)

    def candidates(self, batch: Batch) -> Batch:
        """The batch as the training strategy may choose from it: without the negatives that the filters rule out."""
        return filtered(batch, self.config.filter)

    def pick(self, batch: Batch, step: int) -> Triplets | None:
        """What the training strategy picks at this step; None where nothing is listed: batch-all, learned centres.

        Args:
            batch: what `candidates` gave. Where negatives were filtered, batch-all too lists what it learns from.
            step: decides the draw.
        """
        if (self.strategy.granularity == "all" and batch.floors is None) or self.cost.centres:
            return None
        chance = generator(self.config.seed, "strategy", self.strategy.name, step)
        return self.strategy.pick(batch, margin=self.config.margin, generator=chance, **self.params)

    def loss(
        self,
        distances: Float[Tensor, "B B"],
        labels: Int64[Tensor, "B"],
        triplets: Triplets | None,
        embeddings: Float[Tensor, "B D"] | None = None,
    ) -> Cost:
        """What the picks cost, or all eligible triplets where there is no list; 0 where there are none."""
        config = self.config
        seen = Learning(
            distances,
            labels,
            triplets,
            config.margin,
            config.distance,
            config.soft_margin,
            embeddings,
            self.centre_points(),
        )
        return self.cost.function(seen, **self.cost_params)

    def centre_points(self) -> Float[Tensor, "C D"] | None:
        """The learned centres as the loss sees them, of length 1 where the embeddings are; None without any."""
        if self.centres is None:
            return None
        return nn.functional.normalize(self.centres, dim=1) if self.config.normalize else self.centres

    def probe(self) -> tuple[Float[Tensor, "M D"], Ids]:
        """The probe set as the network sees it now, in eval mode, and its ids."""
        self.network.eval()
        with torch.no_grad():
            blocks = [
                self.network(self.inputs(torch.from_numpy(self.probe_rows[start : start + PROBE_BLOCK])))
                for start in range(0, len(self.probe_rows), PROBE_BLOCK)
            ]
        self.network.train()
        return torch.cat(blocks), self.probe_ids

    def state(self, step: int) -> dict[str, Any]:
        """A checkpoint: everything that decides the steps from `step` on."""
        return {
            "step": step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "sampler": self.sampler.state(),
            **({} if self.centres is None else {"centres": self.centres.detach()}),
        }

    def restore(self, checkpoint: dict[str, Any]) -> int:
        """The step that the checkpoint was made at; network, optimiser and sampler are as they were then."""
        self.network.load_state_dict(checkpoint["network"])
        self.optimiser.load_state_dict(checkpoint["optimiser"])
        self.sampler.set_state(checkpoint["sampler"])
        if self.centres is not None:
            with torch.no_grad():
                self.centres.copy_(checkpoint["centres"])
        return int(checkpoint["step"])

    def describe(self) -> dict[str, Any]:
        """What config.json says of the training, ready for JSON."""
        config, data = self.config, self.data
        flawed = (config.label_noise, config.imbalance) != (0.0, 1.0)
        batches = (data.digest, config.seed, config.classes_per_batch, config.samples_per_class)
        return {
            "train": config.to_dict(),
            "data": {
                "name": data.name,
                "digest": self.source_digest,
                "kind": data.kind,
                "shape": list(data.features.shape),
                "origin": data.origin,
                "licence": data.licence,
                "notes": [*data.notes, *self.planted.notes],
                # Of the data with their flaws: a run that goes on must find the same ones again.
                **({"planted": {"wrong": self.planted.wrong, "digest": data.digest}} if flawed else {}),
            },
            "model": {
                "name": self.model,
                "title": models.MODELS.get(self.model).title,
                "dim": config.dim,
                "hidden": config.hidden,
                "parameters": sum(p.numel() for p in self.network.parameters()),
            },
            "normalized": config.normalize,
            "soft_margin": config.soft_margin,
            "loss": {
                "name": self.cost.name,
                "title": self.cost.title,
                "values": dict(self.cost_params),
                **({"centres": True} if self.cost.centres else {}),
            },
            "classes_per_batch": config.classes_per_batch,
            "samples_per_class": config.samples_per_class,
            "steps": config.steps,
            # Runs with both digests equal start from the same weights and see the same batches: a race.
            "race": {"weights": self.initial_weights, "batches": _digest(repr(batches).encode())},
            "shadows_left_out": list(self.left_out),
            "device": str(self.device),
            "versions": {
                "tripletscope": tripletscope.__version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        }


def prepare(config: TrainConfig, data: LabelledData) -> Setup:
    """A training of these settings on these data, its weights initialised, nothing drawn yet.

    Raises:
        UnknownNameError: a strategy, model, distance, device or parameter that does not exist.
        SettingError: settings that contradict each other or the data.
        DataError: data that cannot be trained on.
    """
    DISTANCES.get(config.distance)
    strategy = strategies.get(config.strategy)
    cost = choose_loss(strategy, config)
    params, cost_params = split_parameters(strategy, cost, config.param)
    strategy.settings(config.margin, params)
    _require_space(strategy, config, params)
    require_filterable(strategy, cost, config)
    shadows, left_out = choose_shadows(config)
    device = choose_device(config.device)
    data.samples.check_trainable()
    source = data
    planted = plant_flaws(config, source)
    data = planted.data
    sampler = PKSampler(
        data.samples.labels,
        config.classes_per_batch,
        config.samples_per_class,
        generator=generator(config.seed, "batches"),
    )
    model = config.model or models.default_name(data.input_shape)
    network = models.build(
        model, data.input_shape, config.dim, normalize=config.normalize, hidden=config.hidden, seed=config.seed
    )
    weights = b"".join(value.numpy().astype("<f4").tobytes() for value in network.state_dict().values())
    network.to(device)
    centres = random_centres(cost, len(data.samples.class_names), config, device)
    values = cost.settings(cost_params)
    groups: list[dict[str, Any]] = [{"params": list(network.parameters())}]
    groups += [] if centres is None else [{"params": [centres], "lr": values["centre_lr"]}]
    # Balanced over the classes that the samples are really of: the probe set is there to measure.
    probe_rows = choose_probe(data.samples.true_or_given_labels, config.seed)
    return Setup(
        config=config,
        data=data,
        planted=planted,
        source_digest=source.digest,
        device=device,
        model=model,
        network=network,
        optimiser=Adam(groups, lr=config.lr),
        sampler=sampler,
        strategy=strategy,
        params=params,
        cost=cost,
        cost_params=values,
        centres=centres,
        shadows=shadows,
        left_out=left_out,
        features=torch.from_numpy(np.ascontiguousarray(data.features)),
        labels=torch.from_numpy(data.samples.labels).to(device),
        probe_rows=probe_rows,
        probe_ids=_ids_of(data, probe_rows),
        initial_weights=_digest(weights),
    )


def plant_flaws(config: TrainConfig, data: LabelledData) -> Planted:
    """The data with the wrong labels and the long tail that the settings ask for.

    Raises:
        SettingError: a share that these data do not bear, with the reason.
    """
    return plant(data, label_noise=config.label_noise, imbalance=config.imbalance, seed=config.seed)


def choose_loss(strategy: Strategy, config: TrainConfig) -> Loss:
    """The loss of that name; without one, the loss that the strategy brings along.

    Raises:
        UnknownNameError: no such loss.
        SettingError: it is not defined for these picks or this space, with the reason.

    Example:
        >>> choose_loss(strategies.get("sct"), TrainConfig()).name
        'sct'
        >>> choose_loss(strategies.get("semi-hard"), TrainConfig()).name
        'triplet'
    """
    chosen = LOSSES.get(config.loss or strategy.loss)
    whose = f"the loss {chosen.name!r}" + ("" if config.loss else f", which {strategy.name!r} brings along,")
    otherwise = "choose --loss triplet" if config.loss else "choose another strategy"
    if strategy.granularity == "all" and not chosen.everything:
        raise SettingError(
            f"{strategy.name!r} takes all triplets there are, and {whose} is one of listed picks: {otherwise}."
        )
    if chosen.centres and strategy.loss != chosen.name:
        raise SettingError(
            f"{whose[0].upper()}{whose[1:]} learns from centres and from nobody's picks, so it goes with the "
            f"strategy of that name only: {otherwise}, or use --strategy {chosen.name}."
        )
    if chosen.second and not strategy.second:
        raise SettingError(f"{strategy.name!r} picks no second negatives, which {whose} needs: {otherwise}.")
    if config.soft_margin and not chosen.soft:
        raise SettingError(
            f"--soft-margin has no meaning here, for {whose} has no soft form: leave it out, or {otherwise}."
        )
    if chosen.unit and not config.normalize:
        raise SettingError(
            f"{whose[0].upper()}{whose[1:]} needs embeddings of length 1: leave out --no-normalize, or {otherwise}."
        )
    return chosen


def require_filterable(strategy: Strategy, cost: Loss, config: TrainConfig) -> None:
    """Nothing, if the filters of these settings mean something, and exactly one thing, for what is trained with.

    Raises:
        UnknownNameError: no such filter.
        SettingError: a number out of its range; a space without cosine similarities; a strategy that this cannot be
            asked of, with the reason.

    Example:
        >>> config, picky = TrainConfig(filter={"perc-pos": 0.95}), strategies.get("quadruplet")
        >>> require_filterable(picky, choose_loss(picky, config), config)
        Traceback (most recent call last):
            ...
        tripletscope.errors.SettingError: --filter has no meaning for 'quadruplet': its second negative is compared \
with the first one, about which a filter says nothing. Leave it out, or choose another strategy.
    """
    for name, value in config.filter.items():
        try:
            filters.get(name).check(value)
        except SettingError as problem:
            raise SettingError(f"--filter: {problem}") from None
    if not config.filter:
        return
    if not config.normalize and config.distance != "cosine":
        raise SettingError(
            "--filter compares cosine similarities, which the distances of embeddings of any length do not tell: leave "
            "out --no-normalize, or use --distance cosine."
        )
    reason = "it learns from centres of classes, which are no candidates" if cost.centres else strategy.unfiltered
    if reason:
        raise SettingError(
            f"--filter has no meaning for {strategy.name!r}: {reason}. Leave it out, or choose another strategy."
        )
    rows = config.classes_per_batch * config.samples_per_class
    most = rows * (config.samples_per_class - 1) * (rows - config.samples_per_class)
    if strategy.granularity == "all" and most > MOST_TRIPLETS:
        raise SettingError(
            f"--filter with {strategy.name!r} has to list its triplets, and a batch of {rows:,} holds {most:,}, more "
            f"than {MOST_TRIPLETS:,}: use smaller batches, or leave it out."
        )


def random_centres(cost: Loss, classes: int, config: TrainConfig, device: torch.device) -> nn.Parameter | None:
    """A point for every class, drawn from a stream of its own; None for a loss without centres."""
    if not cost.centres:
        return None
    drawn = torch.randn(classes, config.dim, generator=generator(config.seed, "centres"))
    return nn.Parameter(drawn.to(device))


def split_parameters(
    strategy: Strategy, cost: Loss, given: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """(those of the strategy, those of the loss); a name that neither has stays with the strategy, which refuses it.

    Example:
        >>> split_parameters(strategies.get("top-n"), LOSSES.get("sct"), {"n": 2.0, "lam": 0.5})
        ({'n': 2.0}, {'lam': 0.5})
    """
    names = {parameter.name for parameter in cost.params} - {parameter.name for parameter in strategy.params}
    return {name: value for name, value in given.items() if name not in names}, {
        name: value for name, value in given.items() if name in names
    }


def choose_shadows(config: TrainConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The strategies that only watch, and those that `all` has to leave out because the space rules them out.

    Example:
        >>> watching, left_out = choose_shadows(TrainConfig(shadow=("all",), normalize=False))
        >>> len(watching), left_out
        (22, ('distance-weighted', 'sct'))
    """
    named = tuple(name for name in dict.fromkeys(config.shadow) if name not in (config.strategy, "all"))
    for name in named:
        strategies.get(name)  # beside "all" too: a misspelt name is not passed over
    if "all" not in config.shadow:
        for name in named:
            _require_space(strategies.get(name), config, {})
        return named, ()
    others = [each for each in strategies.all() if each.name != config.strategy]
    reasons = {each.name: misfit(each, config, {}) for each in others}
    chosen = tuple(name for name in named if name not in reasons)  # compositions, which "all" does not know
    fitting = tuple(name for name, reason in reasons.items() if not reason)
    return fitting + chosen, tuple(name for name, reason in reasons.items() if reason)


def left_out(config: TrainConfig) -> list[str]:
    """Why each of the strategies that `all` leaves out cannot watch, in a sentence."""
    return [misfit(strategies.get(name), config, {}) for name in choose_shadows(config)[1]]


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first CUDA device when there is one, else MPS, else the CPU.

    Raises:
        UnknownNameError: no such kind of device.
        SettingError: the kind exists, but not on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, colon, place = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and not place.isdecimal()):
        raise UnknownNameError("device", name, ["auto", "cpu", "cuda", "cuda:1", "mps"])
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[kind]
    if count == 0 or int(place or 0) >= count:
        raise SettingError(f"This machine has no device {name!r} that torch can use: leave out --device, or use cpu.")
    return torch.device(name)


def choose_probe(labels: Int64[np.ndarray, "N"], seed: int, limit: int = PROBE_LIMIT) -> Int64[np.ndarray, "M"]:
    """The rows that every frame shows, rising: all up to `limit`, else `limit` of them, balanced over the classes.

    Classes take turns in giving one more sample, so that a small class is in with all it has. With so many classes
    that this would leave fewer than PROBE_PER_CLASS of each, only some classes, drawn by chance, take part: a sample
    that is alone in its class has no neighbour that retrieval could find.

    Example:
        >>> choose_probe(np.repeat([0, 1, 2], [90, 8, 2]), seed=0, limit=20).shape
        (20,)
    """
    if len(labels) <= limit:
        return np.arange(len(labels), dtype=np.int64)
    rng = np.random.default_rng(derive_seed(seed, "probe"))
    classes, codes = np.unique(labels, return_inverse=True)
    place = rng.permutation(len(classes))[codes]  # the classes in a random order
    rows = rng.permutation(len(labels))
    rows = rows[np.argsort(place[rows], kind="stable")]  # class after class, in random order within
    rows = rows[place[rows] < max(2, limit // PROBE_PER_CLASS)]
    _, starts, counts = np.unique(place[rows], return_index=True, return_counts=True)
    turn = np.arange(len(rows)) - np.repeat(starts, counts)
    return np.sort(rows[np.argsort(turn, kind="stable")[:limit]]).astype(np.int64)


def _ids_of(data: LabelledData, rows: Int64[np.ndarray, "M"]) -> Ids:
    ids = data.samples.ids
    return ids[rows] if isinstance(ids, np.ndarray) else [ids[row] for row in rows.tolist()]


def misfit(strategy: Strategy, config: TrainConfig, params: Mapping[str, float]) -> str:
    """Why this strategy cannot choose in this space, or in batches of this shape; "" where it can."""
    if "unit" in strategy.needs and not config.normalize:
        return f"{strategy.name!r} needs embeddings of length 1: leave out --no-normalize, or choose another strategy."
    if "dim" in strategy.needs and config.dim < 2:
        return f"{strategy.name!r} needs at least 2 dimensions: use --dim 2 or more, or choose another strategy."
    return strategy.misfit(config.classes_per_batch, config.samples_per_class, params)


def _require_space(strategy: Strategy, config: TrainConfig, params: Mapping[str, float]) -> None:
    if reason := misfit(strategy, config, params):
        raise SettingError(reason)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
