"""SQL queries over runs: their tables as Parquet, read by DuckDB."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.exports.runs import open_runs
from harness.exports.tables import TABLES, write_tables
from harness.paths import install_command


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a query as a table."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def ask(paths: Sequence[Path], question: str) -> Answer:
    """The result of one SQL query over run folders, sweep folders, and folders of exported tables.

    The query can read only these tables, and write nothing. Raises `ConfigError` for a query that DuckDB refuses.
    """
    with _tables(paths) as folders, _connected(folders) as connection:
        import duckdb

        try:
            cursor = connection.execute(question)
            columns = tuple(column[0] for column in cursor.description or ())
            return Answer(columns, cursor.fetchall())
        except duckdb.Error as error:
            raise ConfigError(f"sql: {str(error).splitlines()[0]}") from error


@contextmanager
def _connected(folders: Sequence[Path]) -> Iterator[Any]:
    try:
        import duckdb
    except ImportError as error:
        raise ConfigError(f"sql: needs duckdb; {install_command('parquet')}") from error
    connection = duckdb.connect()
    try:
        for table in TABLES:
            files = [str(folder / f"{table}.parquet") for folder in folders]
            listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
            try:
                connection.execute(f'CREATE VIEW "{table}" AS SELECT * FROM read_parquet([{listed}])')
            except duckdb.Error as error:
                raise ConfigError(
                    f"sql: {table}.parquet can't be read: {str(error).splitlines()[0]}; export the tables again, or give "
                    "the folders of the runs"
                ) from error
        allowed = ", ".join("'" + str(folder).replace("'", "''") + "'" for folder in folders)
        connection.execute(f"SET allowed_directories = [{allowed}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


@contextmanager
def _tables(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Folders of tables: the given ones, and a temporary one with the tables of the given runs."""
    there = [path.resolve() for path in paths if (path / "sessions.parquet").is_file()]
    runs = [path for path in paths if path.resolve() not in there]
    with tempfile.TemporaryDirectory(prefix="harness-sql-") as made:
        if runs:
            write_tables(open_runs(runs), Path(made))
        yield [*there, Path(made).resolve()] if runs else there
