"""Rows about who decides and by which rules, as they were at a past moment."""

from collections.abc import Mapping

from pilothouse.store.past_view import OF_MODEL, OF_REQUEST, View


def governance_views(wall: int) -> Mapping[str, View]:
    """Views by table. ``wall``: the moment by the wall clock, in microseconds, for what belongs to no model."""
    return {
        "automation_changes": View(f"t.recorded_at <= {wall}"),
        "workspace_policies": View(f"t.recorded_at <= {wall}"),
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
        "comments": View(f"t.recorded_at <= {OF_REQUEST}"),
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
