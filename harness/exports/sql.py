"""SQL queries over runs: their tables as Parquet, read by DuckDB."""

import re
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

_PATTERN = re.compile(r"[\[*?]")
"""Characters with which DuckDB would take a path for a pattern."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a query as a table."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def ask(paths: Sequence[Path], question: str) -> Answer:
    """The result of one SQL query over run folders, sweep folders, and folders of exported tables.

    The query can read only these tables, and write nothing. Raises `ConfigError` for a query that DuckDB refuses, and for
    tables that it can't read.
    """
    with _tables(paths) as folders, _connected(folders) as connection, _refusals("sql"):
        cursor = connection.execute(question)
        columns = tuple(column[0] for column in cursor.description or ())
        return Answer(columns, cursor.fetchall())


@contextmanager
def _refusals(place: str, remedy: str = "") -> Iterator[None]:
    """Within the block, DuckDB's errors become a `ConfigError`."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise ConfigError(f"{place}: {str(error).splitlines()[0]}{remedy}") from error


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
            remedy = "; export the tables again, or give the folders of the runs"
            with _refusals(f"sql: {table}.parquet can't be read", remedy):
                connection.execute(f'CREATE VIEW "{table}" AS SELECT * FROM read_parquet([{listed}])')
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
    with tempfile.TemporaryDirectory(prefix="harness-sql-") as temporary:
        made = Path(temporary).resolve()
        if runs:
            write_tables(open_runs(runs), made)
        links = [made / f"tables-{number}" for number in range(len(there))]
        for place, (folder, link) in enumerate(zip(there, links, strict=True)):
            if _PATTERN.search(str(folder)):
                link.symlink_to(folder)
                there[place] = link
        yield [*there, made] if runs else there
