"""Registry as it was: temporary views that stand before the tables, so that every query sees them instead.

SQLite looks a bare name up among a connection's temporary views before it looks in the file ("Name Resolution" in its
documentation), so no query needs to know. Rows with a time by their target's data are shown by that; all others by the
wall clock, at the moment when the model's data had come so far.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.domain.errors import ConflictError
from pilothouse.sqlite import Connection
from pilothouse.store.connection import Registry
from pilothouse.store.history.past_governance import governance_views
from pilothouse.store.history.past_view import OF_MODEL, WALL, View

_AS_THEY_ARE = frozenset(
    {
        "settings",
        "grants",
        "users",
        "user_keys",
        "targets",
        "target_serving",
        "target_tokens",
        "target_places",
        "hub_door",
        "remote_tokens",
        "target_clocks",
        "target_differences",
        "deployer_states",
        "snapshots",
        "person_names",
    }
)
"""Tables that are shown as they are: who may look, which targets exist, and what is reached only through a row that is
dated itself."""


_STATES = ("deployment_states", "model_states")
"""Tables that follow from the others and from telemetry."""

_UNJUDGED = {"judged_at": "NULL", "cause": "''", "cost_tier": "3", "cost_weight": "0.0", "cost_words": "''"}
"""Columns of an incident that was judged again later: its cost until then is computed anew."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Past moment. ``at_us`` is event time. ``walls`` gives each model's wall clock then; ``wall_us`` the earliest of
    them. ``held_back``: models that are shown up to an earlier event time."""

    at_us: int
    walls: Mapping[str, int]
    wall_us: int
    held_back: Mapping[str, int] = field(default_factory=dict)


def recorded_by(connection: Connection, at_us: int, held_back: Mapping[str, int]) -> dict[str, int]:
    """Wall clock at which the newest of the deployments of each model was recorded that were live at an event time, at an
    earlier one for those that are held back."""
    rows = connection.execute(
        "SELECT m.name, max(d.recorded_at) FROM deployments d JOIN models m ON m.id = d.model_id "
        "LEFT JOIN json_each(?2) h ON h.key = m.name "
        "WHERE d.effective_at <= coalesce(h.value, ?1) "
        "AND (d.ended_effective_at IS NULL OR d.ended_effective_at > coalesce(h.value, ?1)) GROUP BY m.id",
        (at_us, json.dumps(dict(held_back))),
    )
    return {row[0]: row[1] for row in rows}


class PastRegistry(Registry):
    """Registry at a past moment. Nothing can be changed in it."""

    def __init__(self, path: Path, moment: Moment, fill: Callable[[Connection], None]) -> None:
        """``fill`` fills the tables of states of each new connection, which are empty."""
        super().__init__(path, showing(moment, fill))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Raise ConflictError."""
        raise ConflictError("this is the past, which nobody changes: return to the present first")
        yield  # type: ignore[unreachable]


def showing(moment: Moment, fill: Callable[[Connection], None]) -> Callable[[Connection], None]:
    """Function that makes a connection show the registry at a moment, and change nothing. States follow from the facts of
    the moment: ``fill`` writes them."""

    def prepare(connection: Connection) -> None:
        connection.execute(
            "CREATE TEMP TABLE past_walls (model_id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, at INTEGER NOT NULL)"
        )
        models = connection.execute("SELECT id, name FROM main.models").fetchall()
        connection.executemany(
            "INSERT INTO past_walls VALUES (?, ?, ?)",
            [
                (
                    number,
                    moment.walls.get(name, moment.wall_us),
                    moment.held_back.get(name, moment.at_us),
                )
                for number, name in [tuple(model) for model in models]
            ],
        )
        known = _views(moment)
        names = connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall()
        for (name,) in [(row[0],) for row in names]:
            if name == "aliases":
                _aliases(connection, moment)
            elif name in _STATES:
                _empty(connection, name)
            elif not name.startswith(("sqlite_", "_")) and name not in _AS_THEY_ARE:
                columns = [row[1] for row in connection.execute(f"PRAGMA main.table_info({name})")]
                view = known.get(name) or _plain(columns)
                if view is not None:
                    _create(connection, name, columns, view)
        for standings in ("incident_standings", "version_standings"):
            _stand_as_then(connection, standings)
        fill(connection)
        connection.execute("PRAGMA query_only = ON")

    return prepare


def _empty(connection: Connection, name: str) -> None:
    """Create an empty table of the schema's own definition."""
    (text,) = connection.execute(
        "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?", (name,)
    ).fetchone()
    connection.execute(text.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))


def _stand_as_then(connection: Connection, view: str) -> None:
    """Create the view by which incidents stand by their alerts, or versions by their acts, by the schema's own definition, over
    the rows as they were."""
    (text,) = connection.execute(
        "SELECT sql FROM main.sqlite_schema WHERE type = 'view' AND name = ?", (view,)
    ).fetchone()
    connection.execute(text.replace("CREATE VIEW", "CREATE TEMP VIEW", 1))


def _create(connection: Connection, name: str, columns: list[str], view: View) -> None:
    changed = view.columns or {}
    shown = ", ".join(f"{changed[c]} AS {c}" if c in changed else f"t.{c}" for c in columns)
    connection.execute(f"CREATE TEMP VIEW {name} AS SELECT {shown} FROM main.{name} t WHERE {view.where}")  # noqa: S608 - names of our own schema and numbers


def _plain(columns: list[str]) -> View | None:
    """View of a model's table whose rows are recorded once; None for any other, which is shown as it is."""
    time_column = next((name for name in ("recorded_at", "created_at") if name in columns), None)
    if "model_id" not in columns or time_column is None:
        return None
    return View(f"t.{time_column} <= {OF_MODEL}")


def _revised_later(column: str) -> str:
    """Part of an alert's text as it was, where it was written anew later."""
    return (
        f"coalesce((SELECT json_extract(u.detail, '$.before.{column}') FROM main.audit u "  # noqa: S608 - names of our own schema
        "WHERE u.subject = 'alert ' || t.id AND u.action = 'alert.revised' "
        f"AND u.recorded_at > {OF_MODEL} ORDER BY u.seq LIMIT 1), t.{column})"
    )


def _views(moment: Moment) -> dict[str, View]:
    at, wall = str(moment.at_us), moment.wall_us
    if moment.held_back:
        at = "(SELECT w.at FROM temp.past_walls w WHERE w.model_id = t.model_id)"
    ended = f"t.ended_at IS NOT NULL AND t.ended_at <= {OF_MODEL}"
    closed = f"t.closed_at IS NOT NULL AND t.closed_at <= {OF_MODEL}"
    handled = f"t.handled_at IS NOT NULL AND t.handled_at <= {OF_MODEL}"
    resolved = f"t.resolved_at IS NOT NULL AND t.resolved_at <= {OF_MODEL}"
    # live then, unless the target's clock went back and another one followed
    still = (
        f"t.ended_effective_at > {at} AND t.id = (SELECT max(d.id) FROM main.deployments d "  # noqa: S608 - names of our own schema and numbers
        f"WHERE d.model_id = t.model_id AND d.target_id = t.target_id AND d.effective_at <= {at})"
    )
    return {
        **governance_views(wall),
        "models": View(f"t.created_at <= {WALL.format(key='id')}"),
        "audit": View(f"t.recorded_at <= {wall}"),
        "row_digests": View(f"t.seq IN (SELECT a.seq FROM main.audit a WHERE a.recorded_at <= {wall})"),  # noqa: S608 - numbers
        "log_deliveries": View("0"),
        "export_cursors": View("0"),
        "schedule_fires": View(f"t.recorded_at <= {wall}"),
        "serving_reports": View("0"),
        "trigger_events": View(
            f"t.seen_at <= {OF_MODEL}",
            {
                "status": f"CASE WHEN t.recorded_at <= {OF_MODEL} THEN t.status ELSE 'waiting' END",
                "reason": f"CASE WHEN t.recorded_at <= {OF_MODEL} THEN t.reason ELSE '' END",
                "job_id": f"CASE WHEN t.recorded_at <= {OF_MODEL} THEN t.job_id END",
            },
        ),
        "deployments": View(
            f"t.effective_at <= {at}",
            {
                "ended_at": f"CASE WHEN {still} THEN NULL ELSE t.ended_at END",
                "ended_effective_at": f"CASE WHEN {still} THEN NULL ELSE t.ended_effective_at END",
            },
        ),
        "alerts": View(
            f"t.effective_at <= {at}",
            {
                "status": f"CASE WHEN {resolved} THEN 'resolved' WHEN t.status <> 'resolved' AND {handled} "
                "THEN t.status ELSE 'open' END",
                "resolved_at": f"CASE WHEN {resolved} THEN t.resolved_at END",
                "handled_at": f"CASE WHEN {handled} THEN t.handled_at END",
                "handled_by": f"CASE WHEN {handled} THEN t.handled_by ELSE '' END",
                "note": f"CASE WHEN {handled} THEN t.note ELSE '' END",
                **{name: _revised_later(name) for name in ("summary", "explanation", "figures", "features")},
                "retrain_job": "(SELECT j.id FROM main.jobs j WHERE j.id = t.retrain_job "  # noqa: S608 - names of our own schema and numbers
                f"AND j.created_at <= {OF_MODEL})",
            },
        ),
        "incidents": View(
            f"EXISTS (SELECT 1 FROM main.alerts a WHERE a.incident_id = t.id AND a.effective_at <= {at})",  # noqa: S608 - names of our own schema and numbers
            {
                **{
                    name: f"(SELECT s.{name} FROM temp.incident_standings s WHERE s.id = t.id)"  # noqa: S608 - as above
                    for name in ("state", "severity", "since", "inside", "place")
                },
                **{
                    name: f"CASE WHEN t.judged_at <= {OF_MODEL} THEN t.{name} ELSE {never} END"
                    for name, never in _UNJUDGED.items()
                },
            },
        ),
        "version_rows": View(
            f"t.created_at <= {OF_MODEL}",
            {"stage": "(SELECT s.stage FROM temp.version_standings s WHERE s.id = t.id)"},
        ),
        "promotion_requests": View(
            f"t.recorded_at <= {OF_MODEL}",
            {
                "status": f"CASE WHEN {closed} THEN t.status ELSE 'open' END",
                **{
                    name: f"CASE WHEN {closed} THEN t.{name} END"
                    for name in ("closed_at", "closed_by", "superseded_by")
                },
            },
        ),
        "jobs": View(
            f"t.created_at <= {OF_MODEL}",
            {
                "status": f"CASE WHEN {ended} THEN t.status WHEN t.started_at <= {OF_MODEL} THEN 'running' ELSE 'queued' END",
                "started_at": f"CASE WHEN t.started_at <= {OF_MODEL} THEN t.started_at END",
                "ended_at": f"CASE WHEN {ended} THEN t.ended_at END",
                "version_id": f"CASE WHEN {ended} THEN t.version_id END",
                "progress": f"CASE WHEN {ended} THEN t.progress ELSE 0.0 END",
                **{
                    name: f"CASE WHEN {ended} THEN t.{name} ELSE '' END"
                    for name in ("step", "message", "error")
                },
                "result": f"CASE WHEN {ended} THEN t.result ELSE '{{}}' END",
            },
        ),
        "notebook_runs": View(
            f"t.recorded_at <= {OF_MODEL}",
            {
                "status": f"CASE WHEN {ended} THEN t.status ELSE 'running' END",
                "ended_at": f"CASE WHEN {ended} THEN t.ended_at END",
                **{name: f"CASE WHEN {ended} THEN t.{name} ELSE '' END" for name in ("error", "digest")},
                "entries": f"CASE WHEN {ended} THEN t.entries ELSE 0 END",
                "newest": f"CASE WHEN {ended} THEN t.newest ELSE '{{}}' END",
            },
        ),
        "notebook_run_entries": View(
            "t.recorded_at <= (SELECT w.wall FROM temp.past_walls w JOIN main.notebook_runs r ON r.model_id = w.model_id "
            "WHERE r.id = t.run_id)"
        ),
        "holds": View(
            f"t.recorded_at <= {OF_MODEL}",
            {
                "lifted_at": f"CASE WHEN t.lifted_at <= {OF_MODEL} THEN t.lifted_at END",
                "lifted_by": f"CASE WHEN t.lifted_at <= {OF_MODEL} THEN t.lifted_by END",
            },
        ),
    }


def _aliases(connection: Connection, moment: Moment) -> None:
    """Create the aliases as they were, from the log of their changes."""
    connection.execute("CREATE TEMP TABLE aliases AS SELECT * FROM main.aliases WHERE 0")
    meaning: dict[tuple[str, str], tuple[int, str, int] | None] = {}
    for row in connection.execute(
        "SELECT subject, action, detail, actor, recorded_at FROM main.audit "
        "WHERE action IN ('alias.moved', 'alias.dropped') ORDER BY seq"
    ):
        subject, action, detail, actor, recorded = tuple(row)
        model, _, alias = subject.rpartition("@")
        if recorded <= moment.walls.get(model, moment.wall_us):
            after = json.loads(detail).get("after") if action == "alias.moved" else None
            meaning[model, alias] = (after, actor, recorded) if after is not None else None
    for (model, alias), target in meaning.items():
        if target is not None:
            number, actor, recorded = target
            connection.execute(
                "INSERT INTO temp.aliases (model_id, alias, version_id, set_by, recorded_at) SELECT m.id, ?, v.id, ?, ? "
                "FROM main.models m JOIN main.versions v ON v.model_id = m.id WHERE m.name = ? AND v.number = ?",
                (alias, actor, recorded, model, number),
            )


_NAMED = 3
"""Things at one time that are named; more are counted."""


def neighbours(connection: Connection, at_us: int) -> tuple[tuple[int, str] | None, tuple[int, str] | None]:
    """(event time, description) of the deployments and alerts before and after a time, by the data's clocks."""
    nearest_two: list[tuple[int, str] | None] = []
    for comparison, nearest in (("<", "max"), (">", "min")):
        (time,) = connection.execute(
            f"SELECT {nearest}(t) FROM (SELECT {nearest}(effective_at) AS t FROM deployments WHERE effective_at {comparison} ? "  # noqa: S608 - ours
            f"UNION ALL SELECT {nearest}(effective_at) FROM alerts WHERE effective_at {comparison} ?)",
            (at_us, at_us),
        ).fetchone()
        nearest_two.append(None if time is None else (time, _description_at(connection, time)))
    return nearest_two[0], nearest_two[1]


def _description_at(connection: Connection, time_us: int) -> str:
    descriptions = [
        row[0]
        for row in connection.execute(
            "SELECT d.kind || ' of ' || m.name || '/' || v.number || ' on ' || t.name FROM deployments d "
            "JOIN models m ON m.id = d.model_id JOIN versions v ON v.id = d.version_id JOIN targets t ON t.id = d.target_id "
            "WHERE d.effective_at = ? UNION ALL "
            "SELECT 'alert ' || a.id || ': ' || a.summary FROM alerts a WHERE a.effective_at = ?",
            (time_us, time_us),
        )
    ]
    more = f"; and {len(descriptions) - _NAMED} more" if len(descriptions) > _NAMED else ""
    return "; ".join(descriptions[:_NAMED]) + more


def signed_near(
    connection: Connection, model: str, wall_us: int, *, later: bool, limit: int
) -> list[tuple[int, str]]:
    """(wall clock, description) of the requests and decisions about a model after a time, or up to it, nearest first."""
    comparison, order = (">", "ASC") if later else ("<=", "DESC")
    verb = "CASE d.verdict WHEN 'approve' THEN ' approves' ELSE ' rejects' END"
    rows = connection.execute(
        "SELECT s.recorded_at, s.description FROM ("  # noqa: S608 - names of our own schema and numbers
        "SELECT r.recorded_at, "
        "r.requested_by || ' asks for ' || m.name || '/' || v.number || ' (request ' || r.id || ')' AS description "
        "FROM promotion_requests r JOIN models m ON m.id = r.model_id JOIN versions v ON v.id = r.version_id WHERE m.name = ? "
        f"UNION ALL SELECT d.recorded_at, d.actor || {verb} || ' request ' || r.id FROM decisions d "
        "JOIN promotion_requests r ON r.id = d.request_id JOIN models m ON m.id = r.model_id WHERE m.name = ?) s "
        f"WHERE s.recorded_at {comparison} ? ORDER BY s.recorded_at {order}, s.description DESC LIMIT ?",
        (model, model, wall_us, limit),
    )
    return [(row[0], row[1]) for row in rows]
