"""Persons: names that are one subject. Names that differ only by case or Unicode form are one, and so are those that an account
of the system has had, and those that an admin has joined."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pilothouse.domain.errors import InvalidInputError

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._@\\+-]{0,62}[A-Za-z0-9_$-])?")
"""User names as systems have them: ``ann``, ``svc_ml``, ``ann.lee@example.org``."""


def folded(name: str) -> str:
    """Name without what does not tell persons apart: case and Unicode form."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def check_name(name: str) -> None:
    """Raise InvalidInputError where it is not a user name."""
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} is not a user name: expected 1 to 64 letters, digits and . _ - @ + inside"
        )


@dataclass(frozen=True, slots=True)
class PersonName:
    """Record that a name is an account of the system's (``uid``), or that ``same_as`` is another name of the same person."""

    name: str
    uid: int | None
    same_as: str | None


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody with a part in what a request asks for. Where four eyes holds, they do not approve it."""

    name: str
    part: str
    """Predicate of a sentence about them: ``trained flight-delay/3``."""

    def __str__(self) -> str:
        return f"{self.name} {self.part}"


_Node = str | int
"""A folded name, or the number of an account."""


@dataclass(frozen=True, slots=True)
class Persons:
    """Persons of a workspace, by the names on record. A name that is not on record is a person of its own."""

    groups: Mapping[_Node, tuple[_Node, ...]] = field(default_factory=dict)
    """Names and accounts of the person of each name and account, in the order in which they came on record."""

    @classmethod
    def of(cls, records: Iterable[PersonName]) -> "Persons":
        """Persons by records in their order."""
        groups: dict[_Node, tuple[_Node, ...]] = {}
        for record in records:
            other: _Node = folded(record.same_as) if record.same_as is not None else record.uid or 0
            name = folded(record.name)
            joined = tuple(dict.fromkeys((*groups.get(name, (name,)), *groups.get(other, (other,)))))
            groups |= dict.fromkeys(joined, joined)
        return cls(groups)

    def names(self, name: str, uid: int | None = None) -> tuple[str, ...]:
        """Folded names of the person who has this name, and this account where one is given."""
        of_name = self.groups.get(folded(name), (folded(name),))
        of_account = () if uid is None else self.groups.get(uid, ())
        return tuple(dict.fromkeys(node for node in (*of_name, *of_account) if isinstance(node, str)))

    def subject(self, name: str) -> str:
        """The one name that stands for the person."""
        return self.names(name)[0]

    def accounts(self, name: str) -> tuple[int, ...]:
        """Accounts of the system that the person has."""
        return tuple(node for node in self.groups.get(folded(name), ()) if isinstance(node, int))

    def knows(self, name: str, uid: int) -> bool:
        """True where the name is on record as that account's."""
        return uid in self.groups.get(folded(name), ())
