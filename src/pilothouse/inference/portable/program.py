"""Program: a model as a tree of nodes, each an op with its settings and arrays. What it means is in ``docs/portable.md``."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.safe_text import one_line

FORMAT = 1
"""Number of the format. A reader refuses any other."""
MAXIMUM_NODES = 20_000
MAXIMUM_DEPTH = 24
"""Nodes within each other at most; each is two levels of JSON."""

Array = npt.NDArray[Any]
Setting = Any
"""None, bool, int, a finite float, text, or a list of these (lists may lie in lists)."""


@dataclass(frozen=True, slots=True)
class Node:
    """Op with what it needs. Its readers (``text``, ``integer`` …) raise IntegrityError where the file says otherwise than
    the op expects: a program may come from hostile bytes."""

    op: str
    settings: dict[str, Setting] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    children: tuple["Node", ...] = ()

    def walk(self) -> Iterator["Node"]:
        """This node and those below it, each before its children."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def text(self, name: str, among: Collection[str] | None = None) -> str:
        value = self._setting(name)
        if not isinstance(value, str) or (among is not None and value not in among):
            self.fault(f"{name} is {value!r}; expected {' or '.join(among) if among else 'a text'}")
        return value

    def flag(self, name: str) -> bool:
        value = self._setting(name)
        if not isinstance(value, bool):
            self.fault(f"{name} is {value!r}; expected true or false")
        return value

    def integer(self, name: str, least: int = 0, most: int = 2**31 - 1) -> int:
        value = self._setting(name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.fault(f"{name} is {value!r}; expected an integer from {least} to {most}")
        return value

    def number(self, name: str) -> float:
        value = self._setting(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.fault(f"{name} is {value!r}; expected a number")
        return float(value)

    def texts(self, name: str, length: int | None = None) -> list[str]:
        values = self.items(name, length)
        if not all(isinstance(value, str) for value in values):
            self.fault(f"{name} holds what is no text")
        return values

    def integers(
        self, name: str, length: int | None = None, least: int = 0, most: int = 2**31 - 1
    ) -> list[int]:
        values = self.items(name, length)
        if not all(type(value) is int and least <= value <= most for value in values):
            self.fault(f"{name} holds what is no integer from {least} to {most}")
        return values

    def items(self, name: str, length: int | None = None) -> list[Any]:
        """List of whatever the op itself will check."""
        values = self._setting(name)
        if not isinstance(values, list) or length not in (None, len(values)):
            self.fault(f"{name} is no list{'' if length is None else f' of {length}'}")
        return values

    def optional(self, name: str) -> bool:
        """True where the setting is there and not null."""
        return self.settings.get(name) is not None

    def array(self, role: str, dtype: str, shape: tuple[int | None, ...]) -> Array:
        """Array of this dtype and shape; None in ``shape`` stands for any length, kept in its memory order."""
        if role not in self.arrays:
            self.fault(f"the array {role} is missing")
        array = self.arrays[role]
        fits = len(shape) == array.ndim and all(
            wanted in (None, length) for wanted, length in zip(shape, array.shape, strict=True)
        )
        if array.dtype != np.dtype(dtype) or not fits:
            wanted = "×".join("n" if length is None else str(length) for length in shape)
            self.fault(
                f"the array {role} is {array.dtype}{array.shape}; expected {dtype} of {wanted or 'one'}"
            )
        return array

    def fault(self, what: str) -> NoReturn:
        """Raise IntegrityError in one line naming the op."""
        raise IntegrityError(f"the portable model cannot be read: {one_line(self.op, 40)}: {one_line(what)}")

    def _setting(self, name: str) -> Any:
        if name not in self.settings:
            self.fault(f"the setting {name} is missing")
        return self.settings[name]


@dataclass(frozen=True, slots=True)
class Program:
    """Model in the portable form.

    ``features``: names of its inputs in the order of the root's columns. ``answers``: its classes as texts, in the order of
    the probabilities; empty for a regression. ``known``: categories that it has learned, by feature. ``made_with``: versions
    of the libraries that the estimator was converted with.
    """

    root: Node
    features: tuple[str, ...]
    answers: tuple[str, ...] = ()
    known: dict[str, tuple[str, ...]] = field(default_factory=dict)
    made_with: dict[str, str] = field(default_factory=dict)
