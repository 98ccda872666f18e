"""Rows about who decides and by which rules, as they were at a past moment."""

from collections.abc import Mapping

from pilothouse.store.history.past_view import OF_MODEL, OF_REQUEST, View


def governance_views(wall: int) -> Mapping[str, View]:
    """Views by table. ``wall``: the moment by the wall clock, in microseconds, for what belongs to no model."""
    return {
        "automation_changes": View(f"t.recorded_at <= {wall}"),
        "workspace_policies": View(f"t.recorded_at <= {wall}"),
        "workspace_identities": View(f"t.recorded_at <= {wall}"),
        "log_subtrees": View(
            f"(t.place + 1) << t.level <= (SELECT max(a.seq) FROM main.audit a WHERE a.recorded_at <= {wall})"  # noqa: S608 - numbers
        ),
        "log_heads": View(f"t.recorded_at <= {wall}"),
        "log_cosignatures": View(f"t.recorded_at <= {wall}"),
        "log_anchors": View(
            f"t.recorded_at <= {wall}",
            {
                name: f"CASE WHEN t.removed_at <= {wall} THEN t.{name} END"
                for name in ("removed_by", "removed_at")
            },
        ),
        "followed_sites": View(
            f"t.recorded_at <= {wall}",
            {
                name: f"CASE WHEN t.removed_at <= {wall} THEN t.{name} END"
                for name in ("removed_by", "removed_at")
            },
        ),
        "followed_states": View("0"),  # what they were then is not on record
        "team_members": View(
            f"t.recorded_at <= {wall}",
            {
                name: f"CASE WHEN t.removed_at <= {wall} THEN t.{name} END"
                for name in ("removed_at", "removed_by")
            },
        ),
        "proposals": View(
            f"t.recorded_at <= {wall}",
            {
                "status": f"CASE WHEN t.decided_at <= {wall} THEN t.status ELSE 'open' END",
                **{
                    name: f"CASE WHEN t.decided_at <= {wall} THEN t.{name} END"
                    for name in ("decided_by", "decided_at", "decision_reason")
                },
            },
        ),
        "freeze_windows": View(
            f"t.recorded_at <= {wall}",
            {
                name: f"CASE WHEN t.lifted_at <= {wall} THEN t.{name} END"
                for name in ("lifted_at", "lifted_by", "lift_reason")
            },
        ),
        "erasures": View(f"t.recorded_at <= {wall}"),
        **{
            table: View(f"t.recorded_at <= {wall}")
            for table in ("imported_models", "imported_versions", "imported_runs", "imported_scores")
        },
        "imports": View(
            f"t.recorded_at <= {wall}",
            {"finished_at": f"CASE WHEN t.finished_at <= {wall} THEN t.finished_at END"},
        ),
        "imported_aliases": View(
            f"t.recorded_at <= {wall}",
            {
                name: f"CASE WHEN t.ended_at <= {wall} THEN t.{name} END"
                for name in ("until_import", "ended_at")
            },
        ),
        "tombstones": View(f"t.recorded_at <= {wall}"),
        "erased_files": View(
            f"t.erasure_id IN (SELECT s.erasure_id FROM main.tombstones s WHERE s.recorded_at <= {wall})"  # noqa: S608 - numbers
        ),
        "legal_holds": View(
            f"t.placed_at <= {wall}",
            {
                name: f"CASE WHEN t.lifted_at <= {wall} THEN t.{name} END"
                for name in ("lifted_at", "lifted_by", "lift_reason")
            },
        ),
        "decisions": View(f"t.recorded_at <= {OF_REQUEST}"),
        "request_authors": View(
            "EXISTS (SELECT 1 FROM temp.past_walls w JOIN main.promotion_requests r ON r.model_id = w.model_id "
            "WHERE r.id = t.request_id AND r.recorded_at <= w.wall)"
        ),
        "decision_signatures": View(f"t.verified_at <= {OF_REQUEST}"),
        "printed_statements": View(f"t.recorded_at <= {OF_REQUEST}"),
        "passphrases": View(f"t.recorded_at <= {wall}"),
        "passphrase_tries": View(f"t.recorded_at <= {wall}"),
        "request_documents": View(f"t.recorded_at <= {OF_REQUEST}"),
        "approval_conditions": View(
            f"t.recorded_at <= {OF_REQUEST}",
            {
                name: f"CASE WHEN t.confirmed_at <= {OF_REQUEST} THEN t.{name} END"
                for name in ("confirmed_by", "confirmed_at", "remark")
            },
        ),
        "broken_glass_signatures": View(f"t.verified_at <= {OF_REQUEST}"),
        "comments": View(f"t.recorded_at <= {OF_REQUEST}"),
        "plans": View(f"t.recorded_at <= {wall}"),
        "alert_settings": View(f"t.recorded_at <= {wall}"),
        "silences": View(
            f"t.recorded_at <= {wall}",
            {name: f"CASE WHEN t.ended_at <= {wall} THEN t.{name} END" for name in ("ended_at", "ended_by")},
        ),
        **_rollouts(),
        "broken_glass": View(
            f"t.recorded_at <= {OF_MODEL}",
            {
                "closed_at": f"CASE WHEN t.closed_at <= {OF_MODEL} THEN t.closed_at END",
                **{
                    name: f"CASE WHEN t.taken_back_at <= {OF_MODEL} THEN t.{name} END"
                    for name in ("taken_back_at", "taken_back_by", "taken_back_why")
                },
            },
        ),
        "broken_glass_reviews": View(
            "EXISTS (SELECT 1 FROM temp.past_walls w JOIN main.broken_glass g ON g.model_id = w.model_id "
            "WHERE g.id = t.broken_glass_id AND t.recorded_at <= w.wall)"
        ),
    }


def _rollouts() -> dict[str, View]:
    """Roll-outs by their events: a row itself says where a roll-out is now."""
    wall = "(SELECT w.wall FROM temp.past_walls w JOIN main.rollouts r ON r.model_id = w.model_id WHERE r.id = t.rollout_id)"

    def newest(column: str, *what: str) -> str:
        """What the newest event of these kinds says of a roll-out ``t``."""
        kinds = ", ".join(f"'{one}'" for one in what)
        return (
            f"(SELECT {column} FROM main.rollout_events e WHERE e.rollout_id = t.id AND e.what IN ({kinds}) "  # noqa: S608 - ours
            f"AND e.recorded_at <= {OF_MODEL} ORDER BY e.id DESC LIMIT 1)"
        )

    def of_target(column: str) -> str:
        """What the newest event that names a target ``t`` among those whose state it changed says."""
        return (
            f"(SELECT {column} FROM main.rollout_events e, json_each(e.figures, '$.targets') named "  # noqa: S608 - ours
            "WHERE e.rollout_id = t.rollout_id AND named.value = (SELECT x.name FROM main.targets x WHERE x.id = t.target_id) "
            f"AND e.recorded_at <= {wall} ORDER BY e.id DESC LIMIT 1)"
        )

    ended = f"t.ended_at IS NOT NULL AND t.ended_at <= {OF_MODEL}"
    paused = f"coalesce({newest('e.what', 'paused', 'resumed')} = 'paused', 0)"
    steps, state = ("made", "entered", "passed"), of_target("e.figures ->> '$.state'")
    return {
        "rollouts": View(
            f"t.recorded_at <= {OF_MODEL}",
            {
                "state": f"CASE WHEN {ended} THEN t.state WHEN {paused} THEN 'paused' ELSE 'running' END",
                "why": f"CASE WHEN {ended} THEN t.why WHEN {paused} THEN {newest('e.text', 'paused')} ELSE '' END",
                **{
                    name: f"CASE WHEN {ended} THEN t.{name} END"
                    for name in ("ended_at", "ended_by", "superseded_by")
                },
                "wave": newest("coalesce(e.figures ->> '$.to[0]', e.wave)", *steps),
                "step": newest("coalesce(e.figures ->> '$.to[1]', e.step)", *steps),
                "entered_at": newest("iif(e.what = 'entered', e.recorded_at, NULL)", *steps),
                "patience_from": "NULL",
                "stands_since": "NULL",
                "released_by": newest("iif(e.what = 'released', e.actor, '')", *steps, "released"),
            },
        ),
        "rollout_targets": View(
            f"(SELECT r.recorded_at FROM main.rollouts r WHERE r.id = t.rollout_id) <= {wall}",  # noqa: S608 - ours
            {
                "state": f"coalesce({state}, 'waiting')",
                "share": of_target("e.figures ->> '$.share'"),
                "entered_at": of_target("e.recorded_at"),
                "entered_clock": "NULL",
                "open": f"(SELECT r.ended_at IS NULL OR r.ended_at > {wall} FROM main.rollouts r "  # noqa: S608 - ours
                "WHERE r.id = t.rollout_id)",
            },
        ),
        "rollout_arms": View(
            f"(SELECT r.recorded_at FROM main.rollouts r WHERE r.id = t.rollout_id) <= {wall}",  # noqa: S608 - ours
            {
                "why": f"CASE WHEN t.ended_at <= {wall} THEN t.why ELSE '' END",
                "ended_at": f"CASE WHEN t.ended_at <= {wall} THEN t.ended_at END",
            },
        ),
        "canary_spans": View(
            f"t.since <= {wall}",
            {name: f"CASE WHEN t.until <= {wall} THEN t.{name} END" for name in ("until", "until_event")},
        ),
        "rollout_events": View(f"t.recorded_at <= {wall}"),
        "rollout_evidence": View(f"t.folded_at <= {wall}"),
    }
