"""Tables of the registry whose rows decide something, and those whose rows do not, each with the reason.

Every row of a deciding table has a digest on record (``row_digests``), over all its columns but for those that are left out
here. A table of the schema stands in one of the two lists; a test compares them with the schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

_DAY = "date({} / 1000000, 'unixepoch')"
_MODEL = "(SELECT m.name FROM models m WHERE m.id = {})"
_TARGET = "(SELECT t.name FROM targets t WHERE t.id = {})"
_VERSION = (
    "(SELECT m.name || '/' || v.number FROM versions v JOIN models m ON m.id = v.model_id WHERE v.id = {})"
)
_SCHEDULE = (
    "(SELECT s.name || ' of ' || m.name FROM schedules s JOIN models m ON m.id = s.model_id WHERE s.id = {})"
)
_OF_ALERTS = "follows from its alerts: the doctor compares it with them"
_OF_TELEMETRY = "judged by figures of telemetry: the doctor judges it again"
BEAT = "written every few seconds while the job runs; the job's end is what counts"


@dataclass(frozen=True, slots=True)
class DecidingTable:
    """Table whose rows decide. ``name`` is SQL for what people call a row ``x``, by columns of the table's first form: rows
    of an older registry are named before it is brought up to date."""

    name: str
    key: tuple[str, ...] = ("id",)
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Columns that decide nothing, each with the reason."""
    only: str = ""
    """SQL condition on a row ``x`` where not all rows decide."""


def _name(text: str, **parts: str) -> str:
    """SQL of a text whose ``{parts}`` are SQL expressions."""
    quoted = "'" + text.replace("'", "''") + "'"
    for part, sql in parts.items():
        quoted = quoted.replace("{" + part + "}", f"' || coalesce({sql}, '?') || '")
    return quoted.replace("'' || ", "").replace(" || ''", "")


DECIDING: Mapping[str, DecidingTable] = {
    "settings": DecidingTable(
        _name("the setting {n}", n="x.name"), ("name",), only="x.name <> 'form_of_states'"
    ),
    "workspace_identities": DecidingTable(_name("the identity of the workspace, {n}", n="x.id")),
    "grants": DecidingTable(
        _name(
            "the role {r} of {a}{m}",
            r="x.role",
            a="x.actor",
            m="CASE x.model WHEN '' THEN '' ELSE ' for ' || x.model END",
        )
    ),
    "workspace_policies": DecidingTable(
        _name("the workspace's policy of {d}", d=_DAY.format("x.recorded_at"))
    ),
    "automation_changes": DecidingTable(
        _name(
            "the {w} of automation by {a} of {d}",
            w="iif(x.paused, 'pause', 'resumption')",
            a="x.actor",
            d=_DAY.format("x.recorded_at"),
        )
    ),
    "models": DecidingTable(_name("the model {n}", n="x.name")),
    "model_specs": DecidingTable(
        _name(
            "the model file of {m} that {a} applied on {d}",
            m=_MODEL.format("x.model_id"),
            a="x.applied_by",
            d=_DAY.format("x.recorded_at"),
        )
    ),
    "targets": DecidingTable(_name("the target {n}", n="x.name")),
    "target_serving": DecidingTable(
        _name("how the target {t} is served", t=_TARGET.format("x.target_id")), ("target_id",)
    ),
    "target_tokens": DecidingTable(
        _name(
            "the token of the target {t} that {a} issued on {d}",
            t=_TARGET.format("x.target_id"),
            a="x.issued_by",
            d=_DAY.format("x.recorded_at"),
        )
    ),
    "target_places": DecidingTable(
        _name("how versions come to the target {t}", t=_TARGET.format("x.target_id")), ("target_id",)
    ),
    "hub_door": DecidingTable(_name("where the hub listens for other machines")),
    "remote_tokens": DecidingTable(
        _name(
            "the remote token {n} of the target {t} that {a} issued on {d}",
            n="x.id",
            t=_TARGET.format("x.target_id"),
            a="x.issued_by",
            d=_DAY.format("x.recorded_at"),
        )
    ),
    "model_targets": DecidingTable(
        _name("the target {t} of {m}", t=_TARGET.format("x.target_id"), m=_MODEL.format("x.model_id")),
        ("model_id", "target_id"),
    ),
    "jobs": DecidingTable(
        _name("job {n}", n="x.id"),
        left_out=dict.fromkeys(("step", "progress", "message", "lease_owner", "lease_until"), BEAT),
    ),
    "job_steps": DecidingTable(
        _name("job {j}: its step {s}", j="x.job_id", s="x.step"), ("job_id", "attempt", "position")
    ),
    "job_dependencies": DecidingTable(
        _name("job {j}: its wait for job {a}", j="x.job_id", a="x.after_id"), ("job_id", "after_id")
    ),
    "step_results": DecidingTable(_name("job {j}: the kept result of {s}", j="x.job_id", s="x.step")),
    "snapshots": DecidingTable(_name("snapshot {n}", n="x.id")),
    "runs": DecidingTable(_name("run {n} of {m}", n="x.id", m=_MODEL.format("x.model_id"))),
    "run_artifacts": DecidingTable(
        _name("run {r}: its file {n}", r="x.run_id", n="x.name"), ("run_id", "name")
    ),
    "versions": DecidingTable(_name("version {m}/{n}", m=_MODEL.format("x.model_id"), n="x.number")),
    "portable_models": DecidingTable(
        _name("version {v}: its portable form {n}", v=_VERSION.format("x.version_id"), n="x.id")
    ),
    "version_metrics": DecidingTable(
        _name(
            "version {v}: its metric {m}{s}",
            v=_VERSION.format("x.version_id"),
            m="x.metric",
            s="CASE x.slice WHEN '' THEN '' ELSE ' of ' || x.slice END",
        ),
        ("version_id", "metric", "slice"),
    ),
    "version_gates": DecidingTable(
        _name("version {v}: its gate {g}", v=_VERSION.format("x.version_id"), g="x.gate"),
        ("version_id", "position"),
    ),
    "model_reviews": DecidingTable(
        _name("the review {n} of {m} by {a}", n="x.id", m=_MODEL.format("x.model_id"), a="x.reviewed_by")
    ),
    "promotion_requests": DecidingTable(_name("request {n}", n="x.id")),
    "request_targets": DecidingTable(
        _name("request {r}: its target {t}", r="x.request_id", t=_TARGET.format("x.target_id")),
        ("request_id", "target_id"),
    ),
    "request_authors": DecidingTable(
        _name("request {r}: its author {a}, who {p}", r="x.request_id", a="x.name", p="x.part"),
        ("request_id", "position"),
    ),
    "person_names": DecidingTable(
        _name("the person {n}, who is {o}", n="x.name", o="coalesce(x.same_as, 'account ' || x.uid)")
    ),
    "users": DecidingTable(_name("the user {n} of {d}", n="x.name", d=_DAY.format("x.created_at"))),
    "user_keys": DecidingTable(
        _name(
            "the {k} of {u}, {f}",
            k="x.kind",
            u="x.user",
            f="x.fingerprint",
        )
    ),
    "decisions": DecidingTable(_name("request {r}: its decision by {a}", r="x.request_id", a="x.actor")),
    "decision_signatures": DecidingTable(
        _name("request {r}: the signature of {a}", r="x.request_id", a="x.actor")
    ),
    "printed_statements": DecidingTable(
        _name("request {r}: statement {n}, printed for {a}", r="x.request_id", n="x.id", a="x.name")
    ),
    "passphrases": DecidingTable(
        _name("the passphrase of {a} of {d}", a="x.name", d=_DAY.format("x.recorded_at"))
    ),
    "passphrase_tries": DecidingTable(_name("passphrase {p}: try {n}", p="x.passphrase_id", n="x.id")),
    "request_documents": DecidingTable(
        _name("request {r}: the document {n}, number {i}", r="x.request_id", n="x.name", i="x.id")
    ),
    "approval_conditions": DecidingTable(
        _name("request {r}: the condition of {a}", r="x.request_id", a="x.approver")
    ),
    "comments": DecidingTable(
        _name("request {r}: comment {n}, by {a}", r="x.request_id", n="x.id", a="x.actor")
    ),
    "deployments": DecidingTable(
        _name(
            "the deployment of {v} on {t} of {d}",
            v=_VERSION.format("x.version_id"),
            t=_TARGET.format("x.target_id"),
            d=_DAY.format("x.recorded_at"),
        )
    ),
    "aliases": DecidingTable(
        _name("the alias {m}@{a}", m=_MODEL.format("x.model_id"), a="x.alias"), ("model_id", "alias")
    ),
    "holds": DecidingTable(
        _name("the hold on {m} of {d}", m=_MODEL.format("x.model_id"), d=_DAY.format("x.recorded_at"))
    ),
    "broken_glass": DecidingTable(_name("break-glass {n} of {m}", n="x.id", m=_MODEL.format("x.model_id"))),
    "broken_glass_reviews": DecidingTable(
        _name("break-glass {n}: its review by {a}", n="x.broken_glass_id", a="x.actor")
    ),
    "broken_glass_signatures": DecidingTable(
        _name("request {r}: the signature of {a}, who broke the glass", r="x.request_id", a="x.actor")
    ),
    "freeze_windows": DecidingTable(_name("the freeze {n}", n="x.name")),
    "team_members": DecidingTable(_name("{n} in the team {t}", n="x.name", t="x.team")),
    "proposals": DecidingTable(_name("proposal {n}", n="x.id")),
    "plans": DecidingTable(_name("the plan {n} of {d}", n="x.name", d=_DAY.format("x.recorded_at"))),
    "rollouts": DecidingTable(_name("roll-out {n}", n="x.id")),
    "rollout_targets": DecidingTable(
        _name("roll-out {r}: its target {t}", r="x.rollout_id", t=_TARGET.format("x.target_id")),
        ("rollout_id", "target_id"),
    ),
    "rollout_arms": DecidingTable(
        _name("roll-out {r}: its arm {v}", r="x.rollout_id", v=_VERSION.format("x.version_id")),
        ("rollout_id", "place"),
    ),
    "rollout_events": DecidingTable(_name("roll-out {r}: its event {n}", r="x.rollout_id", n="x.id")),
    "alerts": DecidingTable(_name("alert {n}", n="x.id")),
    "incidents": DecidingTable(
        _name("incident {n}", n="x.id"),
        left_out={
            **dict.fromkeys(("state", "severity", "since", "inside", "place"), _OF_ALERTS),
            **dict.fromkeys(("judged_at", "cause", "cost_tier", "cost_weight", "cost_words"), _OF_TELEMETRY),
        },
    ),
    "alert_settings": DecidingTable(
        _name("the receivers and routes of {d} by {a}", d=_DAY.format("x.recorded_at"), a="x.applied_by")
    ),
    "silences": DecidingTable(_name("silence {n} by {a}", n="x.id", a="x.made_by")),
    "schedules": DecidingTable(_name("the schedule {n} of {m}", n="x.name", m=_MODEL.format("x.model_id"))),
    "schedule_fires": DecidingTable(
        _name("run {n} of the schedule {s}", n="x.id", s=_SCHEDULE.format("x.schedule_id"))
    ),
    "schedule_outcomes": DecidingTable(
        _name("the outcome of scheduled run {n}", n="x.fire_id"), ("fire_id",)
    ),
    "schedule_open_runs": DecidingTable(_name("the open scheduled run {n}", n="x.fire_id"), ("fire_id",)),
    "trigger_cursors": DecidingTable(
        _name("how far the trigger {t} of {m} has looked", t="x.trigger", m=_MODEL.format("x.model_id")),
        ("model_id", "trigger"),
    ),
    "trigger_events": DecidingTable(
        _name("event {n} of the trigger {t} of {m}", n="x.id", t="x.trigger", m=_MODEL.format("x.model_id"))
    ),
    "latency_baselines": DecidingTable(
        _name(
            "the latency baseline of {v} on {t}",
            v=_VERSION.format("x.version_id"),
            t=_TARGET.format("x.target_id"),
        ),
        ("version_id", "target_id"),
    ),
    "legal_holds": DecidingTable(_name("legal hold {n}", n="x.id")),
    "erasures": DecidingTable(_name("erasure {n} by {a}", n="x.id", a="x.ordered_by")),
    "tombstones": DecidingTable(_name("the tombstone {n}", n="x.erasure_id"), ("erasure_id",)),
    "erased_files": DecidingTable(
        _name("tombstone {n}: the file {f}", n="x.erasure_id", f="x.digest"), ("erasure_id", "digest")
    ),
    "log_anchors": DecidingTable(_name("the anchor {n} of the log, a {k}", n="x.name", k="x.kind")),
    "followed_sites": DecidingTable(_name("the followed site {n}", n="x.name")),
    "sessions": DecidingTable(_name("session {n} of {a}", n="x.id", a="x.actor")),
}
"""Tables whose rows decide, or are what a decision rests on."""

_OF_OTHERS = "what another registry said: nothing is decided by it, and the log has the digest of what came"
EXEMPT: Mapping[str, str] = {
    "audit": "has a chain of its own",
    "row_digests": "its rows are covered by the entries of the log",
    "processes": "what processes last said of themselves, every few seconds",
    "hub_usage": "what targets on other machines have sent today, every few seconds",
    "trigger_looks": "when triggers last looked at their sources, and what they met",
    "hub_door_state": "whether the hub listens, as the daemon last said",
    "serving_reports": "what serving processes last said of themselves, every few seconds",
    "target_clocks": "what serving processes last measured, every few seconds",
    "target_differences": "follows from deployments and from what targets last said of themselves",
    "deployer_states": "how far a command is with what the deployments say: it is asked again where this is lost",
    "canary_spans": "when a command's probes succeeded: evidence follows from it, and a verdict's event carries its figures",
    "log_subtrees": "follows from the log's rows: the verification computes it again",
    "log_heads": "signed, and compared with the log's rows",
    "log_cosignatures": "signed by witnesses, and compared with the heads",
    "log_deliveries": "how far each anchor is: what the anchors hold is what counts",
    "export_cursors": "how far lineage and traces are delivered: the audit log they are made of is what counts",
    "deployment_states": "follows from other tables and from telemetry: the doctor computes it again",
    "model_states": "follows from other tables and from telemetry: the doctor computes it again",
    "version_rows": "follows from versions and what has become of them: the doctor compares it with them",
    "rollout_evidence": "follows from telemetry; the event of a verdict carries its figures",
    "outbox_events": "names entries of the log, which has a chain of its own",
    "outbox_lines": "follows from the log and from the settings: what receivers were sent is what counts",
    "deliveries": "messages on their way: what receivers were sent is what counts",
    "followed_states": "what followed sites have published, signed by them; a contradiction has an entry",
    "receiver_health": "what receivers last answered",
    **dict.fromkeys(
        ("imports", "imported_models", "imported_versions", "imported_aliases", "imported_runs"), _OF_OTHERS
    ),
    "imported_scores": "what a step found in a file of another registry: an adopted version is judged by gates of its own",
    "notebook_runs": "what programs recorded: no version follows from it, and the log has the digest of the entries at its end",
    "notebook_run_entries": "of a notebook run, whose digest of all entries is in the log",
    "job_places": "where a step ran: nothing is decided by it, and what it made is on record by digest",
    "_sqlite_migrations": "of the library that migrates: the definitions themselves are compared",
}
"""Tables whose rows have no digest, each with the reason."""
