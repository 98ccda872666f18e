"""Output: aligned text for people, JSON for programs. Data goes to stdout, messages to stderr."""

import dataclasses
import json
import math
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import IO, Any, TextIO, TypeVar

import click

from pilothouse.cli.groups import group
from pilothouse.cli.session import Session
from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.formats.safe_text import safe, safe_json
from pilothouse.domain.listing import Page, Query
from pilothouse.presentation.cells import cell
from pilothouse.presentation.documents import Line, hung, wrap
from pilothouse.presentation.tables.folded import folded_lines
from pilothouse.presentation.tables.table import Column, Row, Table, plain_lines
from pilothouse.presentation.width import display_width

WIDE = 10_000
"""Width of lines that are not cut, since they may be piped on."""

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")
_WINDOW = 1_000
_LONGEST_READ = 1 << 16


def plain(value: Any) -> Any:
    """Records as JSON values: times in ISO 8601 UTC, enumerations as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def printed_as_json(session: Session, value: Any) -> bool:
    """Print ``value`` as JSON on stdout if ``--json`` was given. Returns whether it was."""
    if session.as_json:
        text = json.dumps(plain(value), indent=2, ensure_ascii=sys.stdout.encoding.lower() != "utf-8")
        click.echo(safe_json(text))
    return session.as_json


def show_table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print aligned columns on stdout; ``empty`` (what to do next) on stderr where there is no row."""
    body = tuple(Row(str(number), tuple(cell(value) for value in row)) for number, row in enumerate(rows))
    right = [all(_numeric(row.cells[i].text) for row in body) for i in range(len(headers))]
    columns = tuple(
        Column(header.upper(), "right" if number else "left")
        for header, number in zip(headers, right, strict=True)
    )
    show_rows(Table(columns, body), empty=empty)


def show_rows(table: Table, *, empty: str, key: str = "") -> None:
    """Print a table of the console uncut. With ``key`` the keys of its rows are the first column, of that title."""
    if not table.rows:
        session = click.get_current_context().find_object(Session)
        at = session.at if session is not None else None
        say(f"nothing of this was there at {at}" if at else empty)
        return
    if key:
        rows = tuple(dataclasses.replace(row, cells=(cell(row.key), *row.cells)) for row in table.rows)
        table = dataclasses.replace(table, columns=(Column(key, "right"), *table.columns), rows=rows)
    lines = plain_lines(table, WIDE)
    width = columns_of(sys.stdout)
    if max(map(display_width, lines)) > width:
        lines = folded_lines(table, width)
    for line in lines:
        click.echo(line)


def columns_of(stream: TextIO) -> int:
    """Width of the terminal that is written to, where it is one: what is piped on is whole."""
    return shutil.get_terminal_size().columns if stream.isatty() else WIDE


def show_lines(lines: Iterable[Line], width: int | None = None) -> None:
    """Print a text of the console, wrapped at a terminal's width, at ``width`` anywhere, without blank lines at its end."""
    width = min(columns_of(sys.stdout), width or WIDE)
    shown = [
        "".join(cell.text for cell in part.cells).rstrip() for line in lines for part in wrap(line, width)
    ]
    click.echo("\n".join(shown).rstrip("\n"))


def show_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Print ``name  value`` lines."""
    shown = [(name, safe(str(value), limit=2_000)) for name, value in pairs]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        show_hung(f"{name.ljust(width)}  {value}".rstrip(), width + 2)


def say(message: str) -> None:
    """Print a message on stderr, broken between words at a terminal's width."""
    click.echo("\n".join(hung(safe(message, limit=2_000), columns_of(sys.stderr))), err=True)


def show_hung(text: str, hang: int = 2) -> None:
    """Print a safe line, broken between words at a terminal's width, and ``hang`` columns in from there on."""
    click.echo("\n".join(hung(text, columns_of(sys.stdout), hang)))


def unwatched(session: Session) -> str:
    """Since when nobody keeps the states up to date; empty where somebody does."""
    from pilothouse.operations.fleet import health

    return health.watch(session.services, session.actor).unwatched


def say_unwatched(session: Session) -> None:
    """Say on stderr where nobody keeps the states up to date that were printed."""
    if text := unwatched(session):
        say(text)


def say_solo(session: Session) -> None:
    """Say on stderr where one person runs the workspace, with four eyes off."""
    from pilothouse.operations.workspace import workspaces
    from pilothouse.presentation import texts

    if solo := workspaces.solo_person(session.services):
        say(texts.solo_text(solo))


def say_glass(session: Session) -> None:
    """Say on stderr who broke the glass, while two others have not looked at it."""
    from pilothouse.operations.promotion import break_glass
    from pilothouse.presentation.break_glass import glass_text

    for glass in break_glass.list_broken(session.services, session.actor, open_only=True):
        say(f"{glass_text(glass)}: pilothouse break-glass review {glass.id}")


def with_unwatched(session: Session, records: Iterable[object]) -> list[dict[str, object]]:
    """Records as JSON values, each with since when nobody keeps the states up to date."""
    text = unwatched(session)
    return [{**plain(record), "unwatched": text} for record in records]


_REASON = "Why, for the record."
reason_option = click.option("--reason", required=True, help=_REASON)
optional_reason_option = click.option("--reason", default="", help=_REASON)


def json_option(command: F) -> F:
    """Add ``--json`` to a command that prints data."""

    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.find_object(Session).as_json = True  # type: ignore[union-attr]

    return click.option(
        "--json", is_flag=True, expose_value=False, callback=remember, help="Print data as JSON."
    )(command)


def shown_group(show: Callable[[Session], None]) -> click.Group:
    """Group of commands named and described as ``show`` is, which is what it does without a command, also as JSON."""

    @group(show.__name__, invoke_without_command=True, help=show.__doc__)
    @json_option
    @click.pass_context
    def shown(ctx: click.Context) -> None:
        if ctx.invoked_subcommand is None:
            show(ctx.obj)

    return shown


def output_option(command: F) -> F:
    """Add ``--output`` to a command that prints text which may go into a file: see ``output_stream``."""
    return click.option(
        "--output",
        type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
        default="-",
        help="A new file; stdout otherwise.",
    )(command)


@contextmanager
def output_stream(output: Path) -> Iterator[IO[str]]:
    """Stdout for ``-``, else a new file. Raises as ``new_text_file``."""
    if str(output) != "-":
        from pilothouse.system.destinations import new_text_file

        with new_text_file(output) as stream:
            yield stream
        return
    with click.open_file("-", "w") as stdout:
        yield stdout


def limit_option(command: F) -> F:
    """Add ``--limit`` to a command that prints the newest rows of a long list."""
    return click.option(
        "--limit",
        type=click.IntRange(min=1),
        default=50,
        show_default=True,
        help="At most so many, newest first.",
    )(command)


def read_pages(page: Callable[[Query], Page[R]], query: Query, limit: int) -> tuple[list[R], int | None]:
    """The first ``limit`` rows of a list that is read window by window, and how many rows it has."""
    window = page(replace(query, after=min(limit, _WINDOW)))
    rows, total = list(window.rows), window.total
    while window.rows and len(rows) < limit and (total is None or len(rows) < total):
        last = window.rows[-1].id  # type: ignore[attr-defined]
        window = page(replace(query, anchor=last, after=1 + min(limit - len(rows), _WINDOW)))
        rows += window.rows[1:]
    return rows, total


def say_rest(shown: int, total: int | None) -> None:
    """Say on stderr how many rows of a list were not printed."""
    if total is not None and total > shown:
        say(f"… and {total - shown:,} more: --limit {total}")


def parse_time(text: str) -> datetime:
    """An ISO 8601 date or time; UTC where it names no zone. Raises InvalidInputError."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            f'{text!r} is not a time: expected ISO 8601, e.g. 2013-07-04 or "2013-07-04 14:05"'
        ) from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def _numeric(cell: str) -> bool:
    return cell.removesuffix("%").removesuffix(" ms").replace(".", "").replace(",", "").lstrip(
        "−-"
    ).isdigit() or cell in ("", "–")


def read_short(name: str) -> str:
    """Text of a short file, such as a signature, or of the input to its end. Raises NotFoundError or InvalidInputError."""
    if name == "-":
        data = sys.stdin.buffer.read(_LONGEST_READ + 1)
    else:
        try:
            with Path(name).open("rb") as stream:
                data = stream.read(_LONGEST_READ + 1)
        except FileNotFoundError:
            raise NotFoundError(f"{name}: no such file") from None
        except OSError as error:
            raise InvalidInputError(f"{name}: {error.strerror}") from None
    return data.decode("utf-8", "replace")


class _OnOption(click.Option):
    """Option ``--on``, whose other name ``--target`` works too and is in no help."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """As ever, under the first name."""
        record = super().get_help_record(ctx)
        return record and (record[0].replace(", --target", ""), record[1])


def on_option(name: str, **settings: Any) -> Callable[[F], F]:
    """``--on TARGET`` for the parameter of that name; ``--target`` is the same."""
    return click.option("--on", "--target", name, cls=_OnOption, **{"metavar": "TARGET", **settings})


def targets_option(text: str) -> Callable[[F], F]:
    """``--on TARGET``, once for each."""
    return on_option("targets", multiple=True, help=text)
