"""Mining over a whole set of embeddings: hard triplets out of vectors and labels, on one machine or several.

- `whole_set`: `mine`, the door; `mine_rows` for programs. `entrance`: what is refused, and which rows take part.
- `picks`: what each strategy picks when the set is its batch.
- `pairs`: the positives of each anchor, by choice or from a file.
- `filters`: leave out negatives that are probably positives without the label.
- `filtered`: the same inside a batch, for training.
- `questions`: what is asked, and `TopK`, what comes back and merges.
- `shard`: rows made ready. `search`: exact search in one shard, `nearest(queries, shard, k) -> TopK`.
- `cells`: search in a part of the set. `approximate`: which part, and the recall of it.
- `cluster`: the shards of several machines.
- `graph`: the nearest neighbours of every row, whatever its class.
- `curve`: the share of violating pairs against the margin.
- `forecast`: what mining would give, from a sample of anchors.
- `kernels`: the compiled inner loops.
"""
