"""Examples of replays that are rows of an erasure: their ids and answers go with the rows."""

from collections.abc import Iterable
from typing import Any

from pilothouse.domain.erasure import BatchRows
from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.identifiers import PredictionId
from pilothouse.domain.jobs.replays import KIND
from pilothouse.sqlite import Connection
from pilothouse.store import erasures
from pilothouse.store.values import from_json


def count(connection: Connection, batches: Iterable[BatchRows]) -> int:
    """Number of examples that are rows of these batches."""
    named = _named(batches)
    return sum(
        len(found) - len(_left(found, named))
        for _, text in erasures.replay_results(connection)
        if (found := _examples(from_json(text)))
    )


def erase(connection: Connection, batches: Iterable[BatchRows]) -> int:
    """Take the examples out that are rows of these batches; returns how many were there."""
    named, taken = _named(batches), 0
    for job, text in erasures.replay_results(connection):
        plain = from_json(text)
        examples = _examples(plain)
        left = _left(examples, named)
        if len(left) < len(examples):
            plain[KIND]["found"]["examples"] = left
            erasures.put_replay_result(connection, job, canonical_json(plain))
            taken += len(examples) - len(left)
    return taken


def _named(batches: Iterable[BatchRows]) -> set[str]:
    return {
        str(PredictionId(batch.producer, batch.sequence, offset))
        for batch in batches
        for offset in batch.offsets
    }


def _left(examples: list[Any], named: set[str]) -> list[Any]:
    return [one for one in examples if not (isinstance(one, dict) and one.get("prediction") in named)]


def _examples(plain: Any) -> list[Any]:
    found = plain.get(KIND, {}).get("found", {}) if isinstance(plain, dict) else {}
    examples = found.get("examples") if isinstance(found, dict) else None
    return examples if isinstance(examples, list) else []
