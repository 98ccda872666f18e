"""Promotion requests with their frozen evidence and policy, decisions and comments; which of them wait for whom."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.persons import Author
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.models.dataclass_reader import read_dataclass
from pilothouse.domain.promotion.decisions import Comment, Decision, DecisionSignature
from pilothouse.domain.promotion.policies import EffectivePolicy
from pilothouse.domain.promotion.request_standing import DeploymentEnd, IncumbentChange, WaitingRequest
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import where
from pilothouse.store.governance import conditions, documents
from pilothouse.store.promotion.request_conditions import (
    APPROVALS,
    CHANGED_TARGETS,
    DECIDED,
    ENDED_TARGETS,
    EXPIRES,
    OUTDATED,
    OWN,
    WAITS,
)
from pilothouse.store.values import columns_of, from_json, from_row, insert

_SELECT = (
    "SELECT r.*, m.name AS model, v.number AS version FROM promotion_requests r "
    "JOIN models m ON m.id = r.model_id JOIN versions v ON v.id = r.version_id "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """Request to record, with the evidence and the policy that hold for it."""

    model: str
    version: int
    targets: tuple[str, ...]
    requested_by: str
    trained_by: str
    reason: str
    expires_at: datetime
    policy: EffectivePolicy
    evidence: dict[str, Any]
    evidence_digest: str
    authors: tuple[Author, ...] = ()
    """Beside whoever requested and trained."""


def find(connection: Connection, request_id: int) -> PromotionRequest | None:
    """Request of that number with its comments, or None."""
    requests = _select(connection, "WHERE r.id = ?", (request_id,), remarks=True)
    return requests[0] if requests else None


def listed(
    connection: Connection,
    *,
    status: RequestStatus | None = None,
    model: str | None = None,
    limit: int | None = None,
) -> list[PromotionRequest]:
    """Requests, newest first, without their comments, which may be many."""
    conditions, values = where({"r.status = ?": status and str(status), "m.name = ?": model})
    return _select(
        connection, f"{conditions} ORDER BY r.id DESC LIMIT ?", (*values, -1 if limit is None else limit)
    )


def of_numbers(connection: Connection, numbers: tuple[int, ...]) -> dict[int, PromotionRequest]:
    rows = _select(connection, "WHERE r.id IN (SELECT value FROM json_each(?))", (json.dumps(numbers),))
    return {request.id: request for request in rows}


def of_version(connection: Connection, version_id: int) -> list[PromotionRequest]:
    """Requests of a version, oldest first."""
    return _select(connection, "WHERE r.version_id = ? ORDER BY r.id", (version_id,))


def signed(connection: Connection) -> list[PromotionRequest]:
    """Requests with decisions that are signed by a key, oldest first."""
    return _select(
        connection,
        "WHERE r.id IN (SELECT request_id FROM decision_signatures WHERE signature IS NOT NULL) ORDER BY r.id",
        (),
    )


def open_for(connection: Connection, model: str, targets: Sequence[str]) -> list[PromotionRequest]:
    """Open requests of a model for any of these targets, newest first."""
    return _select(
        connection,
        "WHERE r.id IN (SELECT rt.request_id FROM request_targets rt JOIN models m ON m.id = rt.model_id "
        "JOIN targets t ON t.id = rt.target_id WHERE rt.open = 1 AND m.name = ? "
        "AND t.name IN (SELECT value FROM json_each(?))) ORDER BY r.id DESC",
        (model, json.dumps(list(targets))),
    )


def open_targets(connection: Connection) -> set[str]:
    """Targets of open requests."""
    rows = connection.execute(
        "SELECT DISTINCT t.name FROM request_targets rt JOIN targets t ON t.id = rt.target_id WHERE rt.open = 1"
    )
    return {row["name"] for row in rows}


def deployed_before(connection: Connection, model: str, other_than: int, at: datetime) -> int | None:
    """Number of the request of another version that went live last by a time, or None."""
    row = connection.execute(
        "SELECT r.id FROM models m JOIN promotion_requests r ON r.model_id = m.id JOIN versions v ON v.id = r.version_id "
        "WHERE m.name = ? AND v.number <> ? AND (r.status = 'deployed' OR EXISTS (SELECT 1 FROM rollouts x "
        "WHERE x.request_id = r.id AND x.state = 'completed')) AND r.closed_at <= ? "
        "ORDER BY r.closed_at DESC, r.id DESC LIMIT 1",
        (model, other_than, to_us(at)),
    ).fetchone()
    return row["id"] if row else None


def newest_decidable(connection: Connection, model: str, now: datetime) -> int | None:
    """Newest open request of a model that is neither expired nor outdated, or None."""
    (number,) = connection.execute(
        "SELECT max(r.id) FROM promotion_requests r WHERE r.status = 'open' "  # noqa: S608 - ours
        f"AND {EXPIRES} > ? AND r.model_id = (SELECT id FROM models WHERE name = ?) AND NOT {OUTDATED}",
        (to_us(now), model),
    ).fetchone()
    return None if number is None else int(number)


def models_with_open(connection: Connection) -> list[str]:
    """Models of open requests, by name."""
    rows = connection.execute(
        "SELECT m.name FROM models m WHERE EXISTS (SELECT 1 FROM promotion_requests r WHERE r.model_id = m.id "
        "AND r.status = 'open') ORDER BY m.name"
    )
    return [row["name"] for row in rows]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Open request that waits for somebody unless something of theirs or in the rules in force stands in the way."""

    id: int
    model: str
    version: int
    four_eyes: bool
    """By the policy that is frozen in it."""
    own: bool
    """The person has a part in what it asks for."""
    decided: bool
    """The person has decided on it."""
    approvals: int
    """Given, whether or not each counts now."""
    asks_documents: bool
    """By the policy that is frozen in it."""


def target_names(connection: Connection, request_id: int) -> list[str]:
    """Targets that a request asks for, by name."""
    rows = connection.execute(
        "SELECT t.name FROM request_targets rt JOIN targets t ON t.id = rt.target_id WHERE rt.request_id = ? ORDER BY t.name",
        (request_id,),
    )
    return [row["name"] for row in rows]


def candidates(
    connection: Connection, names: Sequence[str], models: Iterable[str], now: datetime
) -> list[Candidate]:
    """Requests of these models that may wait for the person of these folded names, oldest first."""
    rows = connection.execute(
        "SELECT r.id, m.name AS model, v.number AS version, json_extract(r.policy, '$.four_eyes') AS four_eyes, "  # noqa: S608 - ours
        f"{OWN} AS own, {DECIDED} AS decided, {APPROVALS} AS approvals, "
        "json_extract(r.policy, '$.documents') IS NOT NULL AS asks_documents "
        "FROM promotion_requests r JOIN models m ON m.id = r.model_id JOIN versions v ON v.id = r.version_id "
        f"WHERE {WAITS} ORDER BY r.id",
        {"names": json.dumps(list(names)), "models": json.dumps(list(models)), "now": to_us(now)},
    )
    return [from_row(Candidate, row) for row in rows]


def open_plans(connection: Connection) -> list[tuple[int, str, str | None]]:
    """Number, model, and digest of the plan in the evidence (None: it shows none) of every open request."""
    rows = connection.execute(
        "SELECT r.id, m.name, json_extract(r.evidence, '$.plan.digest') FROM promotion_requests r "
        "JOIN models m ON m.id = r.model_id WHERE r.status = 'open' ORDER BY r.id"
    )
    return [(row[0], row[1], row[2]) for row in rows]


def waiting(connection: Connection, numbers: Sequence[int]) -> list[WaitingRequest]:
    """Requests of these numbers, oldest first."""
    rows = connection.execute(
        f"SELECT r.id, m.name AS model, v.number AS version, r.requested_by, r.reason, r.recorded_at, {EXPIRES} AS expires_at, "  # noqa: S608 - ours
        "r.evidence_digest, (SELECT json_group_array(name) FROM (SELECT t.name FROM request_targets rt "
        "JOIN targets t ON t.id = rt.target_id WHERE rt.request_id = r.id ORDER BY t.name)) AS targets "
        "FROM promotion_requests r JOIN models m ON m.id = r.model_id JOIN versions v ON v.id = r.version_id "
        "WHERE r.id IN (SELECT value FROM json_each(?)) ORDER BY r.id",
        (json.dumps(list(numbers)),),
    )
    return [from_row(WaitingRequest, row) for row in rows]


def expired(connection: Connection, at: datetime) -> list[PromotionRequest]:
    """Open requests whose time has expired, by the policy that is frozen in them or by the one in force."""
    return _select(connection, f"WHERE r.status = 'open' AND {EXPIRES} <= ? ORDER BY r.id", (to_us(at),))


def add(connection: Connection, request: NewRequest, *, at: datetime, supersedes: Sequence[int] = ()) -> int:
    """Record an open request, closing those that it supersedes; returns its number."""
    keys = connection.execute(
        "SELECT v.model_id, v.id AS version_id FROM versions v JOIN models m ON m.id = v.model_id "
        "WHERE m.name = ? AND v.number = ?",
        (request.model, request.version),
    ).fetchone()
    assert keys is not None, f"{request.model}/{request.version} is not there"
    columns = columns_of(request, "model", "version", "targets", "authors")
    columns |= {
        "policy": request.policy.to_plain(),
        "policy_digest": request.policy.digest,
        "recorded_at": at,
    }
    key = insert(connection, "promotion_requests", {**keys, **columns})
    connection.executemany(
        "INSERT INTO request_authors (request_id, position, name, part) VALUES (?, ?, ?, ?)",
        [(key, position, author.name, author.part) for position, author in enumerate(request.authors)],
    )
    for old in supersedes:
        close(connection, old, RequestStatus.SUPERSEDED, by=request.requested_by, at=at, superseded_by=key)
    for target in request.targets:
        connection.execute(
            "INSERT INTO request_targets (request_id, model_id, target_id, incumbent_id) "
            "SELECT r.id, r.model_id, t.id, (SELECT d.version_id FROM deployments d WHERE d.model_id = r.model_id "
            "AND d.target_id = t.id AND d.ended_at IS NULL) "
            "FROM promotion_requests r, targets t WHERE r.id = ? AND t.name = ?",
            (key, target),
        )
    return key


def close(
    connection: Connection,
    request_id: int,
    status: RequestStatus,
    *,
    by: str,
    at: datetime,
    superseded_by: int | None = None,
) -> None:
    """Close an open request for good."""
    connection.execute(
        "UPDATE promotion_requests SET status = ?, closed_at = ?, closed_by = ?, superseded_by = ? WHERE id = ?",
        (str(status), to_us(at), by, superseded_by, request_id),
    )


def add_decision(connection: Connection, request_id: int, decision: Decision) -> None:
    """Record an approval or a rejection, with its second component."""
    if (
        decision.signature is not None
    ):  # first: a decision without the component that the policy asks for is refused
        columns = {"request_id": request_id, "actor": decision.actor, **columns_of(decision.signature)}
        insert(connection, "decision_signatures", columns)
    left_out = ("signature", "person", "void", "condition")
    columns = {"request_id": request_id, **columns_of(decision, *left_out)}
    insert(connection, "decisions", columns)


def add_comment(connection: Connection, request_id: int, comment: Comment) -> None:
    insert(connection, "comments", {"request_id": request_id, **columns_of(comment)})


def _select(
    connection: Connection, rest: str, values: tuple[Any, ...], *, remarks: bool = False
) -> list[PromotionRequest]:
    rows = connection.execute(_SELECT + rest, values).fetchall()
    keys = [row["id"] for row in rows]
    numbers = json.dumps(keys)
    attached = documents.of_requests(connection, keys)
    on_condition = conditions.of_requests(connection, keys)
    targets = _by_request(
        connection,
        "SELECT rt.request_id, t.name FROM request_targets rt JOIN targets t ON t.id = rt.target_id "
        "WHERE rt.request_id IN (SELECT value FROM json_each(?)) ORDER BY t.name",
        numbers,
    )
    decisions = _by_request(
        connection,
        "SELECT * FROM decisions WHERE request_id IN (SELECT value FROM json_each(?)) ORDER BY id",
        numbers,
    )
    signatures = {
        (row["request_id"], row["actor"]): from_row(DecisionSignature, row)
        for row in connection.execute(
            "SELECT * FROM decision_signatures WHERE request_id IN (SELECT value FROM json_each(?))",
            (numbers,),
        )
    }
    comments = _by_request(
        connection,
        "SELECT * FROM comments WHERE request_id IN (SELECT value FROM json_each(?)) ORDER BY id",
        numbers if remarks else "[]",
    )
    authors = _by_request(
        connection,
        "SELECT * FROM request_authors WHERE request_id IN (SELECT value FROM json_each(?)) ORDER BY position",
        numbers,
    )
    changes = _by_request(connection, CHANGED_TARGETS, numbers)
    ends = _by_request(connection, ENDED_TARGETS, numbers)
    went_out = dict(
        tuple(row)
        for row in connection.execute(
            "SELECT request_id, state FROM rollouts WHERE ended_at IS NOT NULL "
            "AND request_id IN (SELECT value FROM json_each(?))",
            (numbers,),
        )
    )
    return [
        from_row(
            PromotionRequest,
            row,
            targets=tuple(target["name"] for target in targets[row["id"]]),
            policy=_policy(row),
            decisions=tuple(
                from_row(
                    Decision,
                    decision,
                    signature=signatures.get((row["id"], decision["actor"])),
                    person="",
                    void="",
                    condition=on_condition.get((row["id"], decision["actor"])),
                )
                for decision in decisions[row["id"]]
            ),
            comments=tuple(from_row(Comment, comment) for comment in comments[row["id"]]),
            outdated_by=tuple(from_row(IncumbentChange, change) for change in changes[row["id"]]),
            ended_by=tuple(from_row(DeploymentEnd, end) for end in ends[row["id"]]),
            authors=(*_asked_and_trained(row), *(from_row(Author, author) for author in authors[row["id"]])),
            went_out=went_out.get(row["id"], ""),
            in_force=None,
            glass=None,
            decided_by=None,
            documents=tuple(attached.get(row["id"], ())),
        )
        for row in rows
    ]


def _asked_and_trained(row: Row) -> Iterator[Author]:
    version = f"{row['model']}/{row['version']}"
    for name, verb in ((row["requested_by"], "requested"), (row["trained_by"], "trained")):
        if name != DAEMON.name:
            yield Author(name, f"{verb} {version}")


def _by_request(connection: Connection, sql: str, numbers: str) -> dict[int, list[Row]]:
    rows: dict[int, list[Row]] = defaultdict(list)
    for row in connection.execute(sql, (numbers,)):
        rows[row["request_id"]].append(row)
    return rows


def _policy(row: Row) -> EffectivePolicy:
    problems: list[str] = []
    policy = read_dataclass(EffectivePolicy, from_json(row["policy"]), "policy", problems)
    if policy is None:
        raise IntegrityError(
            f"the registry is damaged: request {row['id']}: {problems[0]}: restore a backup into a new folder"
        )
    return policy
