"""Mining over a whole set of embeddings: hard triplets out of vectors and labels, exact, on one machine or several.

- `whole_set`: `mine`, the door; `mine_rows` for programs.
- `picks`: what each strategy picks when the set is its batch.
- `pairs`: the positives of each anchor, by choice or from a file.
- `filters`: leave out negatives that are probably positives without the label.
- `shard`: exact nearest rows by class, `nearest(queries, shard, k) -> TopK`, and how the answers of shards merge.
- `curve`: the share of violating pairs against the margin.
- `kernels`: the compiled inner loops.
"""
