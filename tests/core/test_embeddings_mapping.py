"""Which column plays which part: what is proposed, why, and that a person's word counts more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tripletscope.embeddings.mapping import ColumnLook, Mapping, TableLook, chosen, propose
from tripletscope.embeddings.opening import open_embeddings, read
from tripletscope.embeddings.table import look_at
from tripletscope.errors import SettingError, UnknownNameError


def proposed(folder: Path, frame: pd.DataFrame) -> Mapping:
    """The same for Parquet and CSV, as far as the CSV can hold it."""
    frame.to_parquet(folder / "t.parquet")
    found = propose(look_at(read(folder / "t.parquet")))
    if not any(isinstance(cell, list) for cell in frame.iloc[0]):
        frame.to_csv(folder / "t.csv", index=False)
        again = propose(look_at(read(folder / "t.csv")))
        assert again.used() == found.used()
    return found


ROWS = 30


def a_frame(**more: object) -> pd.DataFrame:
    return pd.DataFrame({"kind": [["cat", "dog", "eel"][row % 3] for row in range(ROWS)], **more})


def test_a_list_column_is_the_vector(tmp_path: Path) -> None:
    frame = a_frame(score=np.linspace(0, 1, ROWS), embedding=[[1.0, 2.0, row] for row in range(ROWS)])
    found = proposed(tmp_path, frame)
    assert (found.vector, found.label) == (("embedding",), "kind")
    assert found.reasons["vector"] == "column 'embedding' holds a list of 3 numbers in each row"
    assert found.reasons["label"] == "column 'kind' has 3 different values in 30 rows"
    assert found.warnings == ()
    made = open_embeddings(tmp_path / "t.parquet")
    assert made.columns["score"].tolist() == frame["score"].tolist()


def test_of_two_list_columns_the_named_one_is_taken_and_the_other_said(tmp_path: Path) -> None:
    lists = [[1.0, 2.0, row] for row in range(ROWS)]
    found = proposed(tmp_path, a_frame(boxes=[[*one, 4.0] for one in lists], embedding=lists))
    assert found.vector == ("embedding",)
    assert found.alternatives["vector"] == ("boxes",)
    assert found.warnings == ("Several columns could be the vector; 'embedding' is taken, and not 'boxes'.",)


def numbered(prefix: str, count: int) -> dict[str, np.ndarray]:
    return {f"{prefix}{place}": np.linspace(place, place + 0.5, ROWS) for place in range(count)}


@pytest.mark.parametrize("prefix", ["emb_", "dim_", "", "feature-", "PC"])
def test_a_block_of_numbered_columns_is_the_vector_in_the_order_of_its_numbers(tmp_path: Path, prefix: str) -> None:
    columns = numbered(prefix, 12)
    shuffled = {name: columns[name] for name in sorted(columns)}  # emb_0, emb_1, emb_10, ...
    found = proposed(tmp_path, a_frame(weight=np.linspace(0, 1, ROWS), **shuffled))
    assert found.vector == tuple(columns)
    assert found.reasons["vector"] == f"12 columns have numbered names, '{prefix}0' to '{prefix}11'"


def test_the_larger_block_wins_and_the_other_is_said(tmp_path: Path) -> None:
    found = proposed(tmp_path, a_frame(**numbered("layer1_", 8), **numbered("layer2_", 9)))
    assert found.vector == tuple(f"layer2_{place}" for place in range(9))
    assert "'layer1_0' to 'layer1_7'" in found.warnings[0]


def test_places_of_one_grid_are_one_block(tmp_path: Path) -> None:
    grid = {f"{row}x{column}": np.linspace(0, 1, ROWS) for row in range(1, 11) for column in range(1, 11)}
    assert proposed(tmp_path, a_frame(**grid)).vector == tuple(grid)


def test_without_list_or_block_all_numbers_are_taken_with_a_warning(tmp_path: Path) -> None:
    found = proposed(tmp_path, a_frame(height=np.arange(ROWS) * 7 % 11, width=np.linspace(0, 1, ROWS)))
    assert found.vector == ("height", "width")
    assert found.warnings == (
        "All 2 numeric columns are taken as the vector ('height', 'width'), because no column holds lists and no "
        "block has numbered names; standardise them if their units differ.",
    )


def test_a_column_that_counts_the_rows_is_no_number_of_the_vector(tmp_path: Path) -> None:
    found = proposed(tmp_path, pd.DataFrame({"": range(ROWS), "a": np.linspace(0, 1, ROWS), "b": 0.5}))
    assert found.vector == ("a", "b")
    assert "The column without a name only counts the rows and is not part of the vector." in found.warnings


def test_every_part_is_found_with_its_reason(tmp_path: Path) -> None:
    frame = a_frame(
        uid=[f"u{row}" for row in range(ROWS)],
        split=["train", "test"] * (ROWS // 2),
        caption=[f"a long sentence about animal number {row}" for row in range(ROWS)],
        photo=[f"pictures/{row}.png" for row in range(ROWS)],
        umap_x=np.linspace(-1, 1, ROWS),
        umap_y=np.linspace(1, 2, ROWS),
        **numbered("e", 8),
    )
    found = proposed(tmp_path, frame)
    assert (found.label, found.id, found.split, found.text) == ("kind", "uid", "split", "caption")
    assert (found.image, found.x, found.y) == ("photo", "umap_x", "umap_y")
    assert set(found.reasons) == {"vector", "label", "id", "split", "text", "image", "x", "y"}
    made = open_embeddings(tmp_path / "t.csv")
    assert made.split_names == ["test", "train"]
    assert made.positions is not None
    np.testing.assert_array_equal(made.positions, np.float32(frame[["umap_x", "umap_y"]]))
    assert any("not in the folder of t.csv" in note for note in made.notes)


def test_x_and_y_alone_are_the_vector(tmp_path: Path) -> None:
    found = proposed(tmp_path, a_frame(x=np.linspace(-1, 1, ROWS), y=np.linspace(1, 2, ROWS)))
    assert found.vector == ("x", "y")
    assert found.x is None


def test_whole_numbers_are_a_label_only_where_the_vector_is_settled(tmp_path: Path) -> None:
    digit = np.arange(ROWS) % 3
    assert proposed(tmp_path, pd.DataFrame({"digit": digit, **numbered("e", 8)})).label == "digit"
    loose = proposed(tmp_path, pd.DataFrame({"digit": digit, "height": np.linspace(0, 1, ROWS)}))
    assert loose.label is None
    assert loose.vector == ("digit", "height")
    assert loose.alternatives["label"] == ("digit",)


def test_an_id_that_occurs_twice_is_not_proposed_and_said(tmp_path: Path) -> None:
    found = proposed(tmp_path, a_frame(id=[0, *range(ROWS - 1)], **numbered("e", 8)))
    assert found.id is None
    assert "Column 'id' has values that occur twice, so it is not taken as id" in found.warnings[0]


def test_a_persons_mapping_counts_more(tmp_path: Path) -> None:
    frame = a_frame(breed=[["x", "y"][row % 2] for row in range(ROWS)], code=range(100, 100 + ROWS), **numbered("e", 9))
    frame.to_csv(tmp_path / "t.csv", index=False)
    path = tmp_path / "t.csv"
    assert open_embeddings(path).class_names == ["cat", "dog", "eel"]
    made = open_embeddings(path, mapping={"label": "breed", "id": "code", "vector": ["e1", "e0"]})
    assert (made.class_names, made.dim, made.ids.tolist()[:2]) == (["x", "y"], 2, [100, 101])
    assert made.vectors[0].tolist() == [1, 0]
    assert open_embeddings(path, mapping=Mapping(label="breed")).dim == 9
    assert open_embeddings(path, mapping={"label": None}).class_names == []
    # A column taken out of the vector is a label as it is written.
    by_place = open_embeddings(path, mapping={"label": "e0"})
    assert by_place.dim == 8
    assert by_place.class_names[0] == "0.0"


def test_a_mapping_that_cannot_be_is_refused(tmp_path: Path) -> None:
    a_frame(**numbered("e", 9)).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UnknownNameError, match=r"no column called 'knd'\. Did you mean 'kind'\?"):
        open_embeddings(tmp_path / "t.csv", mapping={"label": "knd"})
    with pytest.raises(UnknownNameError, match="no part of a mapping called 'lable'"):
        open_embeddings(tmp_path / "t.csv", mapping={"lable": "kind"})
    with pytest.raises(SettingError, match="Column 'e0' is both vector and label"):
        open_embeddings(tmp_path / "t.csv", mapping={"label": "e0", "vector": ["e0", "e1"]})
    with pytest.raises(SettingError, match="Positions need both x and y"):
        open_embeddings(tmp_path / "t.csv", mapping={"x": "e0"})


def test_a_proposal_is_a_function_of_the_look_alone() -> None:
    look = TableLook(9, (ColumnLook("v", "list", 9, width=4), ColumnLook("class", "text", 9, distinct=9)))
    assert propose(look) == propose(look)
    assert propose(look).label == "class"  # the name says so, however many values
    assert chosen(propose(look), None) == propose(look)


def test_the_real_sets_are_mapped_as_their_makers_meant(real_data: Path) -> None:
    pages = open_embeddings(real_data / "page_blocks.parquet")
    assert (pages.dim, len(pages), len(pages.class_names)) == (10, 5473, 5)
    bank = open_embeddings(real_data / "banking77_minilm_f16.npy", metadata=real_data / "banking77.parquet")
    assert (bank.vectors.dtype.name, len(bank.class_names), bank.split_names) == ("float16", 77, ["test", "train"])
    assert bank.texts is not None
    omniglot = open_embeddings(real_data / "omniglot.npz")
    assert (omniglot.dim, len(omniglot.class_names)) == (784, 178)
    assert omniglot.pictures is not None
    assert (omniglot.pictures.bytes_of(3) or b"").startswith(b"\x89PNG")
