"""The door for a person's own data: what is let in, and how it is read."""

from __future__ import annotations

from pathlib import Path

from tripletscope.errors import DataError, SettingError
from tripletscope.readers.archive import read_archive
from tripletscope.readers.folder import read_folder
from tripletscope.readers.pictures import check_image_size
from tripletscope.samples import LabelledData

TABLES = (".csv", ".csv.gz", ".tsv", ".parquet")
KINDS = "a folder of pictures with one sub-folder per class, .npz, .csv, .csv.gz, .tsv or .parquet"


def read(path: str | Path, *, label: str | None = None, image_size: int | None = None) -> LabelledData:
    """The labelled set in a file or folder, checked: finite numbers, 2 classes or more, 2 samples or more in each.

    Args:
        path: a folder of pictures (`CLASS/PICTURE.png`, at any depth), an .npz archive, or a table
            (.csv, .csv.gz, .tsv, .parquet).
        label: the label column of a table.
        image_size: brings pictures to a square of that many pixels.

    Raises:
        DataError: naming the file, row or column that cannot be used, and the way out.
        UnknownNameError: when a table has no such label column.
        SettingError: when an option does not belong to this kind of data.
    """
    path = Path(path)
    check_image_size(image_size)
    is_table = path.name.lower().endswith(TABLES)
    if not path.exists():
        raise DataError(f"There is no file or folder {path}: give the path of {KINDS}.")
    if label is not None and (path.is_dir() or not is_table):
        raise SettingError(f"--label names a column of a table, and {path} is none: leave it out.")
    if path.is_dir():
        data = read_folder(path, image_size)
    elif path.name.lower().endswith(".npz"):
        data = read_archive(path, image_size)
    elif is_table:
        if image_size is not None:
            raise SettingError(f"--image-size is for pictures, and {path} is a table: leave it out.")
        from tripletscope.readers.table import read_table  # pandas: half a second that a folder of pictures can spare

        data = read_table(path, label)
    else:
        raise DataError(f"{path} is of no kind that can be read: give {KINDS}.")
    data.samples.check_trainable()
    return data
