# ruff: noqa: S608 - names of tables and columns are those of the listings; what people type is bound
"""Windows of long lists by key: filter, order and position are SQL over indexes, so that no page costs more for lying deep.

A list is described once (``Listing``, beside its tables); ``window`` gives the numbers of its rows, and the noun's own
module reads the records. The order is always (sort column, number), so it is total, and a window goes on from a row's
key. Rows that pass a filter are found, and counted, by one scan of a covering index. Few of them are then ordered as a
whole; among many, a window's are met along the index of the order. Where that is the order of numbers, SQLite finds and
counts them, and the numbers of all are never fetched.
"""

import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, islice, takewhile
from typing import Any, TypeVar

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.listing import Page, Query, RowFilter, find_column, like, unknown_column
from pilothouse.sqlite.connection import Connection

T = TypeVar("T")
LONGEST_WINDOW = 2_000
"""Rows of a window at most."""
_LIKE = "LIKE ? ESCAPE '\\'"
SHOWN_SIGNS = frozenset("=,{}")
"""Characters in which the shown form of a long column differs from its stored one."""
FEW = 5_000
"""Passing rows up to which they are ordered as a whole; among more, a window's are looked for in the order of all."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Description of a list. ``table`` is its table with an alias, ``joins`` the tables whose columns it shows, by alias;
    ``number`` is the integer that is a row's key, ``columns`` what may be sorted and filtered by (SQL expressions by
    name), ``text`` the text that ``/text`` searches, ``unhealthy`` the condition under which a row needs attention.
    ``named`` are tables that are looked up by an id: column of the table to (alias, table); their ``name`` is part of the
    text."""

    table: str
    joins: Mapping[str, str]
    number: str
    columns: Mapping[str, str]
    text: str
    unhealthy: str
    named: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    """FROM clause for the order by a column, where another one lets an index give the order."""
    always: str = ""
    """Condition that every row of the list meets; empty: all rows of the table are in it."""
    tests: Mapping[str, str] = field(default_factory=dict)
    """SQL of a filter on a column, ``{}`` being its condition, where that is cheaper than testing each row's value."""
    elsewhere: tuple[str, str] | None = None
    """Text of rows of another table that is part of the row's too, and the SQL by which a test of it (``{}``) reaches the
    row."""
    also: tuple[str, ...] = ()
    """Columns of ``tests`` that are part of the text too."""
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """All that columns of ``also`` may hold, where that is few words: a text in none of them is not looked for there."""
    long: tuple[str, str, str] | None = None
    """Column of long ASCII JSON that is part of the text too, but not for a fuzzy filter, whose letters are in any long
    text. Its name; its stored form; and its form as shown, which takes four times as long and differs where one of
    SHOWN_SIGNS stands."""

    def source(self, expressions: Sequence[str], sort: str = "") -> str:
        """FROM clause with every table that occurs in the expressions."""
        text = " ".join(expressions)
        if sort in self.sources:
            return self.sources[sort]
        joined = (join for alias, join in self.joins.items() if re.search(rf"\b{alias}\.", text))
        return " ".join([self.table, *joined])


def window(connection: Connection, listing: Listing, query: Query) -> Page[int]:
    """Numbers of the rows of one window, in order. Raises InvalidInputError (no such column)."""
    name = _column(listing, query.sort) if query.sort else ""
    value = listing.columns[name] if name else listing.number
    order = _Order(
        name,
        # a column without a value of its own can only be filtered by
        listing.number if value == "''" else value,
        query.descending if name else not query.descending,
    )
    conditions, values = _conditions(listing, query)
    if not conditions:
        return _window(connection, listing, query, order)
    passing = _passing(connection, listing, conditions, values, FEW + 1)
    if len(passing) <= FEW:
        return _slice(_ordered(connection, listing, order, passing), query)
    if order.value == listing.number:  # among many one is met soon, so that nobody needs the numbers of all
        return _window(connection, listing, query, order, (conditions, values))
    return _among(connection, listing, query, order, set(_passing(connection, listing, conditions, values)))


@dataclass(frozen=True, slots=True)
class _Order:
    """SQL expression by which rows are ordered, and whether the greatest comes first."""

    name: str
    value: str
    falling: bool

    def by(self, number: str, *, falling: bool) -> str:
        direction = "DESC" if falling else "ASC"
        return ", ".join(f"{part} {direction}" for part in dict.fromkeys((self.value, number)))

    def key(self, number: str) -> str:
        return ", ".join(dict.fromkeys((self.value, number)))


def _passing(
    connection: Connection, listing: Listing, conditions: list[str], values: list[Any], most: int = -1
) -> list[int]:
    """Numbers of the rows that pass, of ``most`` at most where it is given, fetched as one text: fetching ten thousand rows
    would cost more than finding them."""
    where = _and(listing, conditions)
    (numbers,) = connection.execute(
        f"SELECT json_group_array(number) FROM (SELECT {listing.number} AS number FROM {listing.source([where])} "
        f"WHERE {where} LIMIT ?)",
        [*values, most],
    ).fetchone()
    return json.loads(numbers)  # type: ignore[no-any-return]


def _ordered(connection: Connection, listing: Listing, order: _Order, passing: list[int]) -> list[int]:
    if order.value == listing.number:
        return sorted(passing, reverse=order.falling)
    rows = connection.execute(
        f"SELECT {listing.number} FROM {listing.source([order.value])} WHERE {listing.number} IN "
        f"(SELECT value FROM json_each(?)) ORDER BY {order.by('+' + listing.number, falling=order.falling)}",
        [json.dumps(passing)],
    )
    return [int(row[0]) for row in rows]


def _slice(passing: list[int], query: Query) -> Page[int]:
    start, end = 0, query.after
    if query.from_end:
        start, end = max(0, len(passing) - query.after), len(passing)
    elif query.anchor in passing:
        index = passing.index(query.anchor)
        start, end = max(0, index - query.before), index + query.after
    return Page(tuple(passing[start : min(end, start + LONGEST_WINDOW)]), start, len(passing))


def _among(
    connection: Connection, listing: Listing, query: Query, order: _Order, passing: set[int]
) -> Page[int]:
    """Window of the rows that pass, which are met in the order of all rows, from the end that is asked for."""
    falling = order.falling is not query.from_end
    walk = connection.cursor()
    walk.row_factory = None  # plain rows: this may walk past all rows of the list
    walk.execute(
        f"SELECT {listing.number} FROM {listing.source([listing.always, order.value], order.name)} "
        f"WHERE {_and(listing)} ORDER BY {order.by(listing.number, falling=falling)}"
    )
    # filter and chain, not a loop in Python, which would take as long as SQLite's walk
    met = filter(passing.__contains__, chain.from_iterable(walk))
    total, wanted = len(passing), min(query.after, LONGEST_WINDOW)
    if query.from_end:
        last = [*islice(met, wanted)][::-1]
        return Page(tuple(last), total - len(last), total)
    if query.anchor not in passing:
        return Page(tuple(islice(met, wanted)), 0, total)
    counted = zip(takewhile(query.anchor.__ne__, met), count(1))
    above = deque(counted, maxlen=min(max(query.before, 1), LONGEST_WINDOW - 1))
    index = above[-1][1] if above else 0
    before = [number for number, _ in above][-query.before :] if query.before else []
    rows = [*before, query.anchor, *islice(met, max(query.after - 1, 0))]
    return Page(tuple(rows[:LONGEST_WINDOW]), index - len(before), total)


def _window(
    connection: Connection,
    listing: Listing,
    query: Query,
    order: _Order,
    passing: tuple[list[str], list[Any]] = ([], []),
) -> Page[int]:
    """Window of all rows, or of those that pass (conditions and their values), along the index of the order."""
    number, (conditions, values) = listing.number, passing
    source = listing.source([listing.always, order.value, *conditions], order.name)
    key = order.key(number)
    # row values: (sort column, number) compared with those of the anchor, along the index
    of_anchor = f"({key}) {{}} (SELECT {key} FROM {listing.source([order.value])} WHERE {number} = ?)"

    def read(limit: int, *, forward: bool, anchored: str = "") -> list[int]:
        falling = order.falling is forward
        parts = [of_anchor.format(("<" if falling else ">") + anchored[1:])] if anchored else []
        rows = connection.execute(
            f"SELECT {number} FROM {source} WHERE {_and(listing, [*conditions, *parts])} "
            f"ORDER BY {order.by(number, falling=falling)} LIMIT ?",
            [*values, *([query.anchor] if anchored else []), min(limit, LONGEST_WINDOW)],
        )
        return [int(row[0]) for row in rows]

    anchor = query.anchor
    if conditions and anchor is not None:
        here = _and(listing, [*conditions, f"{number} = ?"])
        anchor = anchor if _count(connection, source, here, *values, anchor) else None
    if query.from_end:
        rows = read(query.after, forward=False)[::-1]
    elif anchor is None:
        rows = read(query.after, forward=True)
    else:
        above = read(query.before, forward=False, anchored="<")[::-1] if query.before else []
        rows = above + read(query.after, forward=True, anchored="<=")
    if not query.count and not conditions:
        return Page(tuple(rows))
    total = _count(
        connection, listing.source([listing.always, *conditions]), _and(listing, conditions), *values
    )
    if query.from_end:
        return Page(tuple(rows), total - len(rows), total)
    if anchor is None or not rows:
        return Page(tuple(rows), 0, total)
    if order.value == number:  # + : along the narrowest index; the table itself is several times as wide
        before = _and(listing, [*conditions, f"+{number} {'>' if order.falling else '<'} ?"])
    else:
        before = _and(listing, [of_anchor.format(">" if order.falling else "<")])
    return Page(tuple(rows), _count(connection, source, before, *values, rows[0]), total)


def in_order(numbers: tuple[int, ...], records: Mapping[int, T]) -> tuple[T, ...]:
    """Records of a window, in its order; numbers without a record are left out."""
    return tuple(records[number] for number in numbers if number in records)


def _count(connection: Connection, source: str, where: str, *values: Any) -> int:
    row = connection.execute(f"SELECT count(*) FROM {source} WHERE {where}", values).fetchone()
    return int(row[0])


def _and(listing: Listing, conditions: Sequence[str] = ()) -> str:
    """SQL condition for the rows of a list that match a filter."""
    return " AND ".join([*([listing.always] if listing.always else []), *conditions]) or "1"


def _conditions(listing: Listing, query: Query) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    for name, wanted in query.where:
        where.append(_test(listing, name, "= ?"))
        values.append(wanted)
    if query.unhealthy:
        where.append(f"({listing.unhealthy})")
    for predicate in query.filter.predicates:
        name = _column(listing, predicate.column)
        if listing.long is not None and name == listing.long[0]:
            test, patterns = _in_long(listing.long, predicate.value)
        else:
            test, patterns = _test(listing, name, _LIKE), [like(predicate.value)]
        where.append(f"NOT ({test})" if predicate.negated else test)
        values.extend(patterns)
    _add_text(listing, query.filter, where, values)
    return where, values


def _test(listing: Listing, name: str, condition: str) -> str:
    """SQL test of a column. A column of another table is tested there once, by its id, and not beside every row."""
    if name in listing.tests:
        return listing.tests[name].format(condition)
    expression = listing.columns[name]
    for column, (alias, table) in listing.named.items():
        if match := re.fullmatch(rf"{alias}\.(\w+)", expression):
            return f"{column} IN (SELECT id FROM {table} WHERE {match[1]} {condition})"
    return f"{expression} {condition}"


def _add_text(listing: Listing, row_filter: RowFilter, where: list[str], values: list[Any]) -> None:
    """Add the test of ``/text``. Case is folded in ASCII alone, which is what the names of models, people and states are
    made of."""
    text = row_filter.text
    if not text:
        return
    pattern = "%" + "%".join(map(like, _letters_of(row_filter))) + "%"
    test, sought = (f"{{}} {_LIKE}", pattern) if row_filter.kind == "fuzzy" else ("instr({}, ?) > 0", text)
    tests, bound = [test.format(listing.text)], [sought]
    if listing.elsewhere is not None:
        text_there, reaching = listing.elsewhere
        tests.append(reaching.format(test.format(text_there)))
        bound.append(sought)
    for column, (_, table) in listing.named.items():
        tests.append(f"{column} IN (SELECT id FROM {table} WHERE name {_LIKE})")
        bound.append(pattern)
    if listing.long is not None and row_filter.kind != "fuzzy":
        in_long, patterns = _in_long(listing.long, f"*{text}*")
        tests.append(in_long)
        bound.extend(patterns)
    for name in listing.also:
        parts = [part for one in _letters_of(row_filter) for part in one.split("*")]
        if name in listing.words and not any(_has(word, parts) for word in listing.words[name]):
            continue
        tests.append(_test(listing, name, _LIKE))
        bound.append(pattern)
    where.append(f"{'NOT ' if row_filter.kind == 'lacks' else ''}({' OR '.join(tests)})")
    values.extend(bound)


def _letters_of(row_filter: RowFilter) -> list[str]:
    """What must occur one after the other in a text that passes."""
    return [one for one in row_filter.text if one != " "] if row_filter.kind == "fuzzy" else [row_filter.text]


def _has(word: str, parts: list[str]) -> bool:
    place = 0
    for one in parts:
        place = word.find(one, place) + len(one)
        if place < len(one):
            return False
    return True


def _in_long(long: tuple[str, str, str], sought: str) -> tuple[str, list[str]]:
    """SQL test of a long text, and its patterns. Letters beyond ASCII are searched as JSON escapes them: as typed, small,
    capital, and capital at the beginning of a word, for SQLite folds no others."""
    _, stored, shown = long
    inside = sought[:1] == sought[-1:] == "*" and not SHOWN_SIGNS & set(sought)
    cases = (sought, sought.lower(), "".join(map(_capital, sought)), sought.title())
    spelt = dict.fromkeys(
        re.sub(r"[^\x00-\x7f]", lambda letter: json.dumps(letter[0])[1:-1], t) for t in cases
    )
    patterns = [like(text) for text in ([sought] if sought.isascii() else spelt)]
    column = stored if inside else shown
    return f"({' OR '.join([f'{column} {_LIKE}'] * len(patterns))})", patterns


def _capital(letter: str) -> str:
    return letter.upper() if len(letter.upper()) == 1 else letter


def _column(listing: Listing, typed: str) -> str:
    names = tuple(listing.columns)
    name = find_column(typed, names)
    if name is None:
        raise InvalidInputError(unknown_column(typed, names))
    return name
