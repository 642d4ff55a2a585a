"""What goes with vectors: a second table, pictures, TensorBoard's pairs; and files of tensors."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.core.data_files import a_picture, colour

from tripletscope.embeddings.embedding_set import EmbeddingSet
from tripletscope.embeddings.opening import open_embeddings
from tripletscope.errors import DataError

VECTORS = np.float32([[1, 2], [3, 4], [5, 6]])


def vectors_file(folder: Path) -> Path:
    np.save(folder / "v.npy", VECTORS)
    return folder / "v.npy"


def png(value: int) -> bytes:
    made = io.BytesIO()
    Image.fromarray(colour(value)).save(made, "PNG")
    return made.getvalue()


def classes(found: EmbeddingSet) -> list[str | None]:
    return [found.class_of(row) for row in range(len(found))]


def test_metadata_goes_with_the_vectors_in_order(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,label\nc,x\na,y\nb,x\n")
    found = open_embeddings(vectors_file(tmp_path), metadata=tmp_path / "m.csv")
    assert (found.ids.tolist(), classes(found)) == (["c", "a", "b"], ["x", "y", "x"])
    assert isinstance(found.vectors, np.memmap)
    assert found.notes == ("The rows of m.csv go with those of v.npy in their order.",)
    np.save(tmp_path / "labels.npy", np.array([4, 5, 4]))
    assert classes(open_embeddings(tmp_path / "v.npy", metadata=tmp_path / "labels.npy")) == ["4", "5", "4"]


def test_metadata_is_joined_by_id_where_both_have_one(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a", "b", "c"], "v": list(VECTORS)}).to_parquet(tmp_path / "v.parquet")
    (tmp_path / "m.csv").write_text("id,label\nc,x\na,y\nz,q\n")
    found = open_embeddings(tmp_path / "v.parquet", metadata=tmp_path / "m.csv")
    assert (found.ids.tolist(), classes(found)) == (["a", "b", "c"], ["y", None, "x"])
    assert found.notes[:3] == (
        "The rows of m.csv go with those of v.parquet by 'id'.",
        "1 row has no line in m.csv ('b'): kept without what it would say.",
        "Left out 1 line of m.csv: no vector in v.parquet has that id.",
    )
    (tmp_path / "m.csv").write_text("id,label\nc,x\na,y\nc,q\n")
    with pytest.raises(DataError, match=r"m.csv, the id 'c' stands in row 2 and row 4 of column 'id'"):
        open_embeddings(tmp_path / "v.parquet", metadata=tmp_path / "m.csv")
    (tmp_path / "m.csv").write_text("id,label\nq,x\nr,y\ns,q\n")
    with pytest.raises(DataError, match=r"No id in column 'id' of .* stands in column 'id'"):
        open_embeddings(tmp_path / "v.parquet", metadata=tmp_path / "m.csv")


@given(order=st.permutations(range(3)))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_join_by_id_does_not_depend_on_the_order_of_lines(tmp_path: Path, order: list[int]) -> None:
    pd.DataFrame({"id": ["a", "b", "c"], "v": list(VECTORS)}).to_parquet(tmp_path / "v.parquet")
    lines = [f"{'abc'[row]},{'xyx'[row]}\n" for row in order]
    (tmp_path / "m.csv").write_text("id,label\n" + "".join(lines))
    assert classes(open_embeddings(tmp_path / "v.parquet", metadata=tmp_path / "m.csv")) == ["x", "y", "x"]


def a_projector(folder: Path, metadata: str) -> None:
    folder.mkdir(exist_ok=True)
    np.savetxt(folder / "tensors.tsv", VECTORS, delimiter="\t")
    (folder / "metadata.tsv").write_text(metadata)


def test_tensorboards_pairs_are_read_with_and_without_header(tmp_path: Path) -> None:
    a_projector(tmp_path / "p", "word\tlabel\nhi\tx\nyo\ty\nha\tx\n")
    for path in (tmp_path / "p", tmp_path / "p" / "tensors.tsv"):
        found = open_embeddings(path)
        assert found.vectors.tolist() == VECTORS.tolist()
        assert classes(found) == ["x", "y", "x"]
        assert "The rows of metadata.tsv go with those of tensors.tsv in their order." in found.notes
    a_projector(tmp_path / "q", "hi\nyo\nha\n")  # a single column has no header
    found = open_embeddings(tmp_path / "q", mapping={"text": "metadata"})
    assert found.texts == ["hi", "yo", "ha"]


def test_tensorboards_configuration_names_the_files(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "a.tsv", VECTORS, delimiter="\t")
    (tmp_path / "b.tsv").write_text("word\tlabel\nhi\tx\nyo\ty\nha\tx\n")
    config = tmp_path / "projector_config.pbtxt"
    config.write_text('embeddings {\n  tensor_path: "a.tsv"\n  metadata_path: "b.tsv"\n}\n')
    assert classes(open_embeddings(tmp_path)) == ["x", "y", "x"]
    config.write_text('embeddings { tensor_path: "../../etc/passwd" }')
    with pytest.raises(DataError, match="which is outside its folder"):
        open_embeddings(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_are_found_by_path_or_id_and_read_only_when_asked(tmp_path: Path, packed: bool) -> None:
    for name, value in (("cats/a.png", 1), ("dogs/b.png", 2), ("notes.txt", 0)):
        a_picture(tmp_path / "pictures" / name, colour(value), format="PNG")
    root = tmp_path / "pictures"
    if packed:
        root = tmp_path / "pictures.zip"
        with zipfile.ZipFile(root, "w") as archive:
            for file in sorted((tmp_path / "pictures").rglob("*.*")):
                archive.write(file, file.relative_to(tmp_path))
    (tmp_path / "m.csv").write_text("id,label\na,x\nb,y\nc,x\n")
    found = open_embeddings(vectors_file(tmp_path), metadata=tmp_path / "m.csv", pictures=root)
    assert found.pictures is not None
    assert found.pictures.bytes_of(0) == (tmp_path / "pictures/cats/a.png").read_bytes()
    assert found.pictures.bytes_of(2) is None
    assert "1 row has no picture of its path or id in" in " ".join(found.notes)
    assert found.pictures.take(np.array([1])).bytes_of(0) == (tmp_path / "pictures/dogs/b.png").read_bytes()
    (tmp_path / "m.csv").write_text("picture,label\npictures/dogs/b.png,x\n./cats/a.png,y\nb.png,x\n")
    found = open_embeddings(vectors_file(tmp_path), metadata=tmp_path / "m.csv", pictures=root)
    assert found.pictures is not None
    assert [found.pictures.bytes_of(row) for row in range(3)] == [
        (tmp_path / "pictures" / name).read_bytes() for name in ("dogs/b.png", "cats/a.png", "dogs/b.png")
    ]


def test_no_picture_at_all_is_refused(tmp_path: Path) -> None:
    a_picture(tmp_path / "pictures" / "other.png")
    with pytest.raises(DataError, match=r"No row has a picture in .*: name the files by the rows' ids"):
        open_embeddings(vectors_file(tmp_path), pictures=tmp_path / "pictures")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        open_embeddings(vectors_file(tmp_path), pictures=tmp_path / "empty")


def test_a_path_or_link_that_leads_out_of_the_folder_gives_no_picture(tmp_path: Path) -> None:
    a_picture(tmp_path / "secret.png")
    home = tmp_path / "home"
    a_picture(home / "a.png", colour(1))
    (home / "link.png").symlink_to(tmp_path / "secret.png")
    np.save(home / "v.npy", VECTORS)
    (home / "m.csv").write_text(f"image,label\na.png,x\n../secret.png,y\n{tmp_path}/secret.png,x\n")
    found = open_embeddings(home / "v.npy", metadata=home / "m.csv")
    assert found.pictures is not None
    assert [found.pictures.bytes_of(row) is None for row in range(3)] == [False, True, True]
    (home / "m.csv").write_text("image,label\na.png,x\nlink.png,y\nlink.png,x\n")
    found = open_embeddings(home / "v.npy", metadata=home / "m.csv")
    assert found.pictures is not None
    assert found.pictures.bytes_of(1) is None
    found = open_embeddings(home / "v.npy", metadata=home / "m.csv", pictures=home)
    assert found.pictures is not None
    assert found.pictures.bytes_of(1) is None
    assert "Left out link.png of home: links that lead out of the folder." in found.notes


def test_pictures_in_a_column_and_in_an_array(tmp_path: Path) -> None:
    cells = [png(1), None, png(3)]
    pd.DataFrame({"v": list(VECTORS), "image": cells}).to_parquet(tmp_path / "v.parquet")
    found = open_embeddings(tmp_path / "v.parquet")
    assert found.pictures is not None
    assert [found.pictures.bytes_of(row) for row in range(3)] == cells
    assert "image" not in found.columns
    nested = [None if cell is None else {"bytes": cell, "path": "x.png"} for cell in cells]
    pd.DataFrame({"v": list(VECTORS), "image": nested}).to_parquet(tmp_path / "v.parquet")
    found = open_embeddings(tmp_path / "v.parquet")
    assert found.pictures is not None
    assert [found.pictures.bytes_of(row) for row in range(3)] == cells
    address = "data:image/png;base64," + base64.b64encode(png(1)).decode()
    pd.DataFrame({"v": list(VECTORS), "image": [address] * 3}).to_parquet(tmp_path / "v.parquet")
    found = open_embeddings(tmp_path / "v.parquet")
    assert found.pictures is not None
    assert found.pictures.bytes_of(2) == png(1)
    np.savez(tmp_path / "v.npz", embeddings=VECTORS, images=np.stack([colour(value) for value in range(3)]))
    found = open_embeddings(tmp_path / "v.npz")
    assert found.dim == 2
    assert found.pictures is not None
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(found.pictures.bytes_of(2) or b""))), colour(2))


def test_web_addresses_are_never_fetched(tmp_path: Path) -> None:
    pd.DataFrame({"v": list(VECTORS), "image": ["http://localhost/a.png"] * 3}).to_parquet(tmp_path / "v.parquet")
    found = open_embeddings(tmp_path / "v.parquet")
    assert found.pictures is None
    assert "are on the web and are not fetched" in " ".join(found.notes)


TENSOR = torch.from_numpy(VECTORS)


@pytest.mark.parametrize(
    "content",
    [
        TENSOR,
        {"embeddings": TENSOR, "labels": ["x", "y", "x"]},
        {"embeddings": TENSOR, "labels": torch.tensor([0, 1, 0]), "class_names": ["x", "y"]},
        (TENSOR, torch.tensor([0, 1, 0])),
        list(TENSOR),
        {"a": TENSOR[0], "b": TENSOR[1], "c": TENSOR[2]},
        {"embeddings": TENSOR.double(), "epoch": 3},
        {"embeddings": TENSOR.bfloat16()},
        TENSOR.half().requires_grad_(),
    ],
)
def test_tensors_are_read_in_the_shapes_people_save(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "v.pt")
    found = open_embeddings(tmp_path / "v.pt")
    assert found.vectors.astype(np.float32).tolist() == VECTORS.tolist()
    if isinstance(content, dict) and "labels" in content:
        assert classes(found) == ["x", "y", "x"]
    if isinstance(content, dict) and "a" in content:
        assert found.ids.tolist() == ["a", "b", "c"]
    if isinstance(content, dict) and "epoch" in content:
        assert found.notes == ("Left out 'epoch' of v.pt: neither tensor nor list.",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(2, 3, 4), r"no array of shape \(rows, numbers\)"),
        ([torch.zeros(2), torch.zeros(3)], "all vectors must be of one length"),
        (torch.zeros(1).expand(10**6, 10**6), "would fill .* GB of memory once opened"),
        (torch.zeros(2, 2).to_sparse(), "holds a tensor that cannot be read"),
        ("words", "holds a str and no tensors"),
        (torch.nn.Linear(2, 3), "holds Python objects beside tensors, which could run code"),
    ],
)
def test_other_files_of_torch_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "v.pt")
    with pytest.raises(DataError, match=message) as caught:
        open_embeddings(tmp_path / "v.pt")
    assert "\n" not in str(caught.value)


def test_safetensors_are_read_as_their_own_library_writes_them(tmp_path: Path) -> None:
    writer = pytest.importorskip("safetensors.torch")
    tensors = {"embeddings": TENSOR, "labels": torch.tensor([1, 0, 1]), "scale": torch.tensor(3.0)}
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        writer.save_file({**tensors, "embeddings": TENSOR.to(dtype)}, tmp_path / "v.safetensors", {"made": "here"})
        found = open_embeddings(tmp_path / "v.safetensors")
        assert found.vectors.astype(np.float32).tolist() == VECTORS.tolist()
        assert classes(found) == ["1", "0", "1"]
        assert isinstance(found.vectors, np.memmap) == (dtype in (torch.float32, torch.float16))


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_broken_tensors_give_a_refusal_and_nothing_else(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    path = tmp_path / f"broken.{kind}"
    if kind == "pt":
        torch.save({"embeddings": TENSOR}, path)
    else:
        pytest.importorskip("safetensors.torch").save_file({"embeddings": TENSOR}, path)
    whole = path.read_bytes()
    content = whole[: data.draw(st.integers(0, len(whole)), "length")]
    if data.draw(st.booleans(), "flip") and content:
        at = data.draw(st.integers(0, len(content) - 1))
        content = content[:at] + bytes([data.draw(st.integers(0, 255))]) + content[at + 1 :]
    path.unlink()
    path.write_bytes(content)
    try:
        found = open_embeddings(path)
    except DataError as error:
        refusal = str(error)
    else:
        assert np.isfinite(found.vectors).all()
        return
    assert "\n" not in refusal
    assert refusal.endswith(".")
