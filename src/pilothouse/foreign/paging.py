"""Pages of a server, each asked for by the token of the one before."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from pilothouse.domain.errors import UnavailableError

T = TypeVar("T")


def followed(address: str, ask: Callable[[str], tuple[T, object]]) -> Iterator[T]:
    """Pages until there is no token for another. ``ask`` is given the token, empty for the first page, and returns a page and
    the next token. Raises UnavailableError where the server at ``address`` gives a token twice."""
    token, seen = "", set[str]()
    while True:
        page, following = ask(token)
        yield page
        token = str(following or "")
        if not token:
            return
        if token in seen:
            raise UnavailableError(f"{address} gives the same page again and again: nothing more is read")
        seen.add(token)


def after(token: str) -> list[tuple[str, str]]:
    """Parameter that asks for the page after."""
    return [("page_token", token)] if token else []
