"""A program of its own: columns of a Parquet file as an Arrow stream on standard output, in little memory.

A damaged or hostile file can make Arrow ask for hundreds of gigabytes, or crash. Here that ends this process alone.

Arguments: the file, the most bytes of memory to ask for, names of columns. It imports only Arrow, to start soon.
"""

from __future__ import annotations

import sys

import pyarrow as pa
import pyarrow.parquet


def write_columns(file: str, most_bytes: int, names: list[str]) -> None:
    """Write the columns that are there under these names, once each."""
    try:
        import resource
    except ImportError:  # not on Windows: there memory is as it is
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    with pyarrow.parquet.ParquetFile(file) as content:
        found = content.schema_arrow.names
        table = content.read(columns=[name for name in names if found.count(name) == 1], use_threads=False)
        with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as stream:
            stream.write_table(table)


if __name__ == "__main__":
    try:
        write_columns(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
    except Exception as error:
        sys.exit(str(error).partition("\n")[0] or type(error).__name__)
