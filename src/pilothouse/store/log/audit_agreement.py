"""Agreement of the registry's rows with the audit log: an owner of the file can change rows past the triggers.

The log is the measure (its chain is verified by itself): grants, versions, requests with their evidence, decisions and
deployments are compared with the entries that were written in the transactions of their changes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pilothouse.domain.audit.entries import AuditEntry
from pilothouse.domain.formats.canonical import canonical_digest, canonical_json
from pilothouse.domain.identifiers import version_uri
from pilothouse.sqlite import Connection
from pilothouse.store.log import audit, row_walk
from pilothouse.store.log.row_walk import Read
from pilothouse.store.values import from_json

_SETTING_CHANGES = (
    "workspace.created",
    "reading.opened",
    "reading.closed",
    "plugins.allowed",
    "plugins.forbidden",
    "dual_control.on",
    "dual_control.off",
    "break_glass.allowed",
    "break_glass.forbidden",
    "retention.set",
    "wrapper.trusted",
    "wrapper.distrusted",
)
_VERDICTS = {"request.approved": "approve", "request.refused": "reject"}


class _History(NamedTuple):
    """Rows of a deployment: their number, and a digest of them in their order."""

    rows: int
    digest: bytes


def disagreements(connection: Connection, *, access_alone: bool = False) -> Iterator[str]:
    """``disagreements_in_parts`` in the caller's read.

    ``access_alone``: of settings and grants, which are few however long the log is.
    """
    if access_alone:
        yield from _settings(connection)
        yield from _grants(connection)
        return
    yield from disagreements_in_parts(row_walk.within(connection))


def disagreements_in_parts(read: Read) -> Iterator[str]:
    """Lines that each name a row that differs from the log; none where all agree. Versions, of which there may be millions, are
    compared in parts, each kind of all else in a read of its own."""
    for compare in (_settings, _grants):
        yield from _at_once(read, compare)
    yield from _versions(read)
    for compare in (_requests, _incumbents, _decisions, _deployments, _aliases):
        yield from _at_once(read, compare)


def _at_once(read: Read, compare: Callable[[Connection], Iterator[str]]) -> list[str]:
    with read() as connection:
        return list(compare(connection))


def _settings(connection: Connection) -> Iterator[str]:
    """Settings that decide who may do what, and for how long rows are kept, where they differ."""
    logged: dict[str, str] = {}
    wrappers: set[str] = set()
    for entry in audit.of_actions(connection, *_SETTING_CHANGES):
        detail = entry.detail
        match entry.action:
            case "workspace.created":
                logged |= {
                    "created_by": detail["admin"],
                    "demo": "yes" if detail["demo"] else "no",
                    "open_reading": "yes" if detail.get("open_reading", True) else "no",
                }
            case "reading.opened" | "reading.closed":
                logged["open_reading"] = "yes" if entry.action == "reading.opened" else "no"
            case "plugins.allowed" | "plugins.forbidden":
                logged["console_plugins"] = "yes" if entry.action == "plugins.allowed" else "no"
            case "break_glass.allowed" | "break_glass.forbidden":
                logged["break_glass"] = "yes" if entry.action == "break_glass.allowed" else "no"
            case "dual_control.on" | "dual_control.off":
                logged["dual_control"] = "yes" if entry.action == "dual_control.on" else "no"
            case "retention.set":
                logged["keep_rows_days"] = "" if detail["days"] is None else str(detail["days"])
            case "wrapper.trusted" | "wrapper.distrusted":
                wrappers = {*detail["before"], entry.subject}
                if entry.action == "wrapper.distrusted":
                    wrappers.discard(entry.subject)
                logged["trusted_wrappers"] = "\n".join(sorted(wrappers))
    stored = {row["name"]: row["value"] for row in connection.execute("SELECT name, value FROM settings")}
    known = (
        "created_by", "demo", "open_reading", "console_plugins", "break_glass", "dual_control", "keep_rows_days",
        "trusted_wrappers",
    )  # fmt: skip
    for name in known:
        if stored.get(name) != logged.get(name):
            yield f"the setting {name}"


def _grants(connection: Connection) -> Iterator[str]:
    logged: Counter[tuple[str, ...]] = Counter()
    for entry in audit.of_actions(connection, "workspace.created", "role.granted", "role.revoked"):
        detail = entry.detail
        if entry.action == "workspace.created":
            logged[detail["admin"], "admin", "", "", "{}"] += 1
        else:
            change = 1 if entry.action == "role.granted" else -1
            chosen = canonical_json(detail.get("targets", {}))
            denied = "no " if detail.get("deny") else ""
            logged[entry.subject, detail["role"], detail["model"], denied, chosen] += change
    rows = connection.execute("SELECT actor, role, model, deny, targets FROM grants WHERE revoked_at IS NULL")
    stored = Counter(
        (row["actor"], row["role"], row["model"], "no " if row["deny"] else "", row["targets"])
        for row in rows
    )
    for name, role, model, denied, chosen in sorted(_differing(logged, stored)):
        on = "" if chosen == "{}" else f" on {chosen}"
        yield f"the role {denied}{role} of {name} for {model or 'all models'}{on}"


_VERSION = (
    "SELECT v.number, v.model_digest, (SELECT json_group_array(g.gate) FROM version_gates g WHERE g.version_id = v.id "
    "AND g.outcome = 'failed') FROM versions v JOIN models m ON m.id = v.model_id WHERE m.name = ? AND v.number = ?"
)


def _versions(read: Read) -> Iterator[str]:
    reached = 0
    while True:
        with read() as connection:
            rows = connection.execute(
                "SELECT seq FROM audit WHERE action = 'version.registered' AND seq > ? ORDER BY seq LIMIT ?",
                (reached, row_walk.PART),
            )
            entries = audit.of_numbers(connection, tuple(row[0] for row in rows))
            differing = [entry.subject for entry in entries.values() if not _is_as_logged(connection, entry)]
        for subject in differing:
            yield f"{subject}: its model file or its failed gates"
        if len(entries) < row_walk.PART:
            return
        reached = max(entries)


def _is_as_logged(connection: Connection, entry: AuditEntry) -> bool:
    if "model_digest" not in entry.detail:  # it names the version alone
        return True
    name, _, number = entry.subject.removeprefix("models:/").rpartition("/")
    row = connection.execute(_VERSION, (name, number)).fetchone()
    logged = (entry.detail["model_digest"], sorted(entry.detail["failed_gates"]))
    stored = (
        (row[1], sorted(from_json(row[2]))) if row and version_uri(name, row[0]) == entry.subject else None
    )
    return stored == logged


def _requests(connection: Connection) -> Iterator[str]:
    rows = connection.execute(
        "SELECT id, evidence, evidence_digest, policy, policy_digest FROM promotion_requests"
    )
    # of each its digests alone: the evidence of many together is large
    stored = {
        f"request {row['id']}": {
            key: row[f"{key}_digest"]
            if canonical_digest(from_json(row[key])) == row[f"{key}_digest"]
            else None
            for key in ("evidence", "policy")
        }
        for row in rows
    }
    logged = {
        entry.subject: {key: entry.detail[f"{key}_digest"] for key in ("evidence", "policy")}
        for entry in audit.of_actions(connection, "request.made")
    }
    for subject in sorted(stored.keys() | logged.keys()):
        if subject not in stored or subject not in logged:
            yield f"{subject} itself"
            continue
        for key, digest in logged[subject].items():
            if stored[subject][key] != digest:
                yield f"{subject}: its {key}"


def _incumbents(connection: Connection) -> Iterator[str]:
    """Versions that the targets of requests compare with, which the evidence names too."""
    rows = connection.execute(
        "SELECT DISTINCT rt.request_id FROM request_targets rt JOIN promotion_requests r ON r.id = rt.request_id "
        "JOIN targets t ON t.id = rt.target_id WHERE rt.incumbent_id IS NOT (SELECT v.id FROM "
        "json_each(r.evidence, '$.incumbents') live JOIN versions v ON v.model_id = r.model_id AND v.number = live.value "
        "WHERE live.key = t.name) ORDER BY 1"
    )
    for row in rows:
        yield f"request {row['request_id']}: the versions that it compares with"


def _decisions(connection: Connection) -> Iterator[str]:
    rows = connection.execute("SELECT request_id, actor, verdict, evidence_digest FROM decisions")
    stored = Counter(
        (f"request {row['request_id']}", row["actor"], row["verdict"], row["evidence_digest"]) for row in rows
    )
    logged = Counter(
        (entry.subject, entry.actor, _VERDICTS[entry.action], entry.detail["evidence_digest"])
        for entry in audit.of_actions(connection, *_VERDICTS)
    )
    for subject, actor, verdict, _ in sorted(_differing(logged, stored)):
        yield f"{subject}: the decision of {actor} to {verdict}"


def _deployments(connection: Connection) -> Iterator[str]:
    rows = connection.execute(
        "SELECT m.name AS model, v.number, v.model_digest, t.name AS target, d.actor, d.kind, "
        "d.ended_at IS NULL AS live FROM deployments d JOIN versions v ON v.id = d.version_id "
        "JOIN models m ON m.id = d.model_id JOIN targets t ON t.id = d.target_id ORDER BY d.id"
    )
    stored: dict[tuple[str, str], _History] = {}
    live: dict[tuple[str, str], list[int]] = {}
    for model, number, digest, target, actor, kind, is_live in map(tuple, rows):
        stored[model, target] = _next(stored.get((model, target)), (number, digest, actor, kind))
        if is_live:
            live.setdefault((model, target), []).append(stored[model, target].rows)
    logged: dict[tuple[str, str], _History] = {}
    rows = connection.execute(  # as plain rows: there may be hundreds of thousands
        "SELECT subject, actor, detail FROM audit WHERE action IN ('deployment.made', 'deployment.rolled_back') ORDER BY seq"
    )
    for subject, actor, text in map(tuple, rows):
        detail = json.loads(text)
        deployment = (subject.removeprefix("models:/").partition("/")[0], detail["target"])
        facts = (detail["version"], detail["model_digest"], actor, detail["kind"])
        logged[deployment] = _next(logged.get(deployment), facts)
    for deployment in sorted(stored.keys() | logged.keys()):
        history = stored.get(deployment)
        newest_alone = history is not None and live.get(deployment) == [history.rows]
        if history != logged.get(deployment) or not newest_alone:
            yield f"what was live of {deployment[0]} on {deployment[1]}"


def _next(before: _History | None, facts: tuple[object, ...]) -> _History:
    """A history with one more row: it takes the same space, however long it is."""
    before = before or _History(0, b"")
    return _History(before.rows + 1, hashlib.sha256(before.digest + repr(facts).encode()).digest())


def _aliases(connection: Connection) -> Iterator[str]:
    logged: dict[str, tuple[int, str, int]] = {}
    for entry in audit.of_actions(connection, "alias.moved", "alias.dropped"):
        if entry.action == "alias.moved":
            logged[entry.subject] = (entry.detail["after"], entry.actor, audit.recorded_us(entry))
        else:
            logged.pop(entry.subject, None)
    rows = connection.execute(
        "SELECT m.name, a.alias, v.number, a.set_by, a.recorded_at FROM aliases a JOIN models m ON m.id = a.model_id "
        "JOIN versions v ON v.id = a.version_id"
    )
    stored = {
        f"{row['name']}@{row['alias']}": (row["number"], row["set_by"], row["recorded_at"]) for row in rows
    }
    for subject in sorted(logged.keys() | stored.keys()):
        if logged.get(subject) != stored.get(subject):
            yield f"the alias {subject}"


def _differing(logged: Counter[Any], stored: Counter[Any]) -> set[Any]:
    return {key for key in logged.keys() | stored.keys() if logged[key] != stored[key]}
