"""Selectively contrastive: hard picks only push the negative away; the others are pulled and pushed by a softmax."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tripletscope.distances import COSINE, EUCLIDEAN
from tripletscope.losses.base import Cost, Learning, cost_of, loss
from tripletscope.registry import Parameter


def similarities(distances: Float[Tensor, " T"], distance: str) -> Float[Tensor, " T"]:
    """The cosine similarity of unit vectors that are this far from each other.

    Example:
        >>> similarities(torch.tensor([0.0, 1.0, 2.0]), "euclidean")
        tensor([ 1.0000,  0.5000, -1.0000])
    """
    if distance == COSINE.name:
        return 1 - distances
    return 1 - (distances.square() if distance == EUCLIDEAN.name else distances) / 2


@loss(
    name="sct",
    title="Selectively contrastive",
    summary="Where the negative is nearer than the positive only its similarity is taken away; else a softmax of both.",
    source='Xuan, Stylianou, Liu & Pless 2020, "Hard Negative Examples are Hard, but Useful", §4',
    order=20,
    unit=True,
    params=(
        Parameter("lam", 1.0, 0.0, 10.0, "How much the similarity to a hard negative counts (λ)."),
        Parameter("temperature", 0.1, 0.01, 10.0, "Of the softmax over the two similarities (τ)."),
        Parameter("hard_above", 1.0, -1.0, 1.0, "A negative more similar than this counts as hard in any case."),
    ),
    notes="""
With s = 1 − d²/2 for unit vectors a distance d apart: λ s(a,n) where s(a,n) > s(a,p), and else
−log( exp(s(a,p)/τ) / (exp(s(a,p)/τ) + exp(s(a,n)/τ)) ); the mean over the picks.

On the unit sphere the gradients of a hard triplet get into each other's way: the part along the radius is lost by
the normalisation, and a negative that is near both others is moved with them. So a hard negative is only pushed away,
and its positive is left alone. Every pick has a slope, so all count as active; the value is no distance from a margin,
and with hard picks of negative similarity it can fall below 0.

**Departures.** None from the formula that we know of. The authors' published code also takes s(a,n) > 0.8 for hard
(`hard_above=0.8`), leaves out positives with s > 0.9999 as duplicates and picks with s(a,n) = s(a,p), and is otherwise
the same; the numbers of section and equation were not at hand to be checked.
""",
)
def sct(seen: Learning, *, lam: float, temperature: float, hard_above: float) -> Cost:
    """One term a pick; softplus is the logarithm of the softmax, without its overflow."""
    picks = seen.listed
    d_ap, d_an = seen.distances[picks.anchor, picks.positive], seen.distances[picks.anchor, picks.negative]
    s_ap, s_an = similarities(d_ap, seen.distance), similarities(d_an, seen.distance)
    # By the distances, which have not lost the digits that a similarity near 1 lacks.
    hard = (d_an < d_ap) | (s_an > hard_above)
    terms = torch.where(hard, lam * s_an, F.softplus((s_an - s_ap) / temperature))
    return cost_of(terms, seen, all_active=True)
