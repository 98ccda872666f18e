"""Documents that are attached to requests."""

import json
from collections.abc import Sequence

from pilothouse.domain.promotion.documents import RequestDocument
from pilothouse.sqlite import Connection
from pilothouse.store.values import columns_of, from_row, insert


def add(connection: Connection, request_id: int, document: RequestDocument) -> int:
    """Record a document; returns its number."""
    return insert(connection, "request_documents", {"request_id": request_id, **columns_of(document)})


def of_requests(connection: Connection, numbers: Sequence[int]) -> dict[int, list[RequestDocument]]:
    """Documents of requests by their number, in the order in which they were attached."""
    rows = connection.execute(
        "SELECT * FROM request_documents WHERE request_id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (json.dumps(list(numbers)),),
    )
    found: dict[int, list[RequestDocument]] = {}
    for row in rows:
        found.setdefault(row["request_id"], []).append(from_row(RequestDocument, row))
    return found
