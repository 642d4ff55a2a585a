"""Record your own PyTorch loop: the lines marked with # <- are all there is to it.

python examples/own_training_loop.py runs/own
tripletscope app --run runs/own
"""

from __future__ import annotations

import sys

import torch
from sklearn.datasets import load_digits

from tripletscope import Recorder, strategies


def train(out: str, steps: int = 100) -> None:
    """The run in `out`: a small network trained on the digits."""
    digits = load_digits()
    images = torch.tensor(digits.data / 16.0, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    miner = strategies.get("semi-hard")  # or any miner of yours that returns three tensors of batch slots
    probe = torch.arange(0, len(images), 6)  # 300 samples, embedded at about forty steps: the map

    with Recorder(out, margin=1.0, strategies=["random", "batch-hard"]) as recorder:  # <-
        for _ in range(steps):
            rows = torch.randperm(len(images))[:32]
            embeddings = network(images[rows])
            triplets = miner(torch.cdist(embeddings, embeddings), labels[rows], margin=1.0)
            a, p, n = (embeddings[slots] for slots in (triplets.anchor, triplets.positive, triplets.negative))
            loss = torch.relu((a - p).norm(dim=1) - (a - n).norm(dim=1) + 1.0).sum() / max(len(triplets), 1)
            if recorder.frame_due:  # <-
                with torch.no_grad():
                    recorder.frame(network(images[probe]), ids=probe, labels=labels[probe])  # <-
            recorder.step(embeddings, labels[rows], ids=rows, triplets=triplets, loss=loss)  # <-
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            recorder.frame(network(images[probe]), ids=probe)  # <- where it ended


if __name__ == "__main__":
    train(sys.argv[1] if len(sys.argv) > 1 else "runs/own")
