"""Train on mined triplets: embed, mine the whole set, train a little, and again, because a triplet grows old.

python examples/train_on_triplets.py

The same from files: `tripletscope mine vectors.npz --format index --out triplets.parquet` and `pandas.read_parquet`.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits

from tripletscope import mine
from tripletscope.metrics import retrieval

MARGIN, DIM, ROUNDS, BATCH = 0.5, 8, 3, 256


def train(seed: int = 0) -> list[float]:
    """Recall@1 of digits that were not trained on: before, and after each round."""
    digits = load_digits()
    images = torch.tensor(digits.data / 16.0, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    held_out = torch.arange(len(images)) % 3 == 0
    rows, classes = images[~held_out], labels[~held_out]

    torch.manual_seed(seed)
    network = torch.nn.Linear(64, DIM)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    loss_of = torch.nn.TripletMarginLoss(margin=MARGIN)

    def recall() -> float:
        with torch.no_grad():
            return retrieval(network(images[held_out]), labels[held_out])["recall_at_1"]

    told = [recall()]
    for round_ in range(ROUNDS):
        with torch.no_grad():
            embeddings = network(rows)
        table = mine(  # <- ids are row numbers unless you name your own
            embeddings, classes, strategy="semi-hard", margin=MARGIN, distance="euclidean", positives_per_anchor=4,
            cap_per_negative=50, seed=round_,
        )  # fmt: skip
        triplets = torch.tensor(table[["anchor_id", "positive_id", "negative_id"]].to_numpy(np.int64, copy=True))
        for some in torch.split(triplets[torch.randperm(len(triplets))], BATCH):
            anchor, positive, negative = (network(rows[slot]) for slot in some.T)
            loss = loss_of(anchor, positive, negative)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        told.append(recall())
        print(f"round {round_ + 1}: {len(triplets):,} triplets, Recall@1 {told[-2]:.3f} -> {told[-1]:.3f}")
    return told


if __name__ == "__main__":
    train()
