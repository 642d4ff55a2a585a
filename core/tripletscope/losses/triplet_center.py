"""Every sample against the learned centre of its class, and against the nearest centre of another."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tripletscope.distances import pairwise
from tripletscope.losses.base import Cost, Learning, loss
from tripletscope.registry import Parameter


def to_centres(seen: Learning) -> Float[Tensor, "B C"]:
    """The distance of every sample to every centre, with its graph."""
    assert seen.embeddings is not None
    assert seen.centres is not None
    together = torch.cat([seen.embeddings, seen.centres.to(seen.embeddings)])
    return pairwise(together, seen.distance)[: len(seen.embeddings), len(seen.embeddings) :]


@loss(
    name="triplet-center",
    title="Triplet-centre",
    summary="How far the distance to the nearest centre of another class falls short of that to one's own + margin.",
    source='He, Zhou, Zhou, Bai & Bai 2018, "Triplet-Center Loss for Multi-View 3D Object Retrieval", §3',
    order=50,
    soft=True,
    centres=True,
    params=(Parameter("centre_lr", 0.01, 0.0, 10.0, "The learning rate of Adam for the centres."),),
    notes="""
Every class j has a centre c_j, a point of the space that is learnt with the weights. For every sample a of class y:
max(0, margin + d(a, c_y) − min { d(a, c_j) : j ≠ y }), or ln(1 + exp(−gap)) of the same gap with the soft margin; the
mean over the batch. *All* classes of the data have a part in the minimum, not only those of the batch.

Positive and negative are no samples, so a run lists no picks that were trained on: `mined`, the zones and the mean
distances of its lines are those to the centres, one for every sample, and `Run.centres(step)` has the centres of every
frame. They start at random (standard normal), from a stream of their own, and are kept in checkpoints.

**Departures.** The centres are moved by Adam with a rate of their own, not by the paper's averaged step; where the
embeddings have length 1, so have the centres; the distance is the run's, the paper's a squared one. The paper also adds
a softmax loss; here there is none. What the paper says was checked against its first author's published code, not
against the paper: that has plain distances, and a second version whose minimum is over the classes of the batch.
""",
)
def triplet_center(seen: Learning, *, centre_lr: float) -> Cost:
    """One term a sample; `centre_lr` is the optimiser's."""
    d = to_centres(seen)
    if not len(d) or d.shape[1] < 2:
        return Cost(d.sum() * 0.0, 0, (d.new_empty(0), d.new_empty(0)))
    own = F.one_hot(seen.labels, d.shape[1]).bool()
    d_ap = d.gather(1, seen.labels[:, None])[:, 0]
    d_an = d.masked_fill(own, torch.inf).amin(dim=1)
    gap = d_an - d_ap
    terms = F.softplus(-gap) if seen.soft else torch.relu(seen.margin - gap)
    active = len(terms) if seen.soft else int((terms > 0).sum())
    return Cost(terms.mean(), active, (d_ap.detach(), d_an.detach()))
