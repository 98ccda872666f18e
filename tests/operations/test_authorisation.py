"""Every operation against every role: what is not granted is refused, before anything is looked at or changed."""

import importlib
import inspect
import io
import itertools
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pilothouse.operations
from fixtures.registries import ADMIN, PEOPLE, Example, make_example
from pilothouse.domain.audit.inventory import ReviewOutcome
from pilothouse.domain.audit.log_anchors import AnchorKind
from pilothouse.domain.erasure import Erasure, Plan, Selection
from pilothouse.domain.errors import NotAllowedError, PilothouseError
from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.identity.roles import DAEMON, READERS, Actor, Grant, Permission, Role
from pilothouse.domain.identity.scopes import TargetChoice
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.domain.jobs.notebook_runs import RunState
from pilothouse.domain.listing import Query
from pilothouse.domain.outbox.routing import Silence
from pilothouse.domain.promotion.break_glass import Emergency, Review
from pilothouse.domain.promotion.conditions import NewCondition
from pilothouse.domain.records import Target
from pilothouse.operations import authorisation, automation_switch, catalogue, handing_out, listings
from pilothouse.operations.alerts import alert_explanation, alerts, incidents, retraining_notes
from pilothouse.operations.authorisation import changing
from pilothouse.operations.automation import schedules, triggers
from pilothouse.operations.dossier import (
    audit_export,
    dossiers,
    gathering,
    inventory,
    model_reports,
    signed_evidence,
    signing_key,
)
from pilothouse.operations.erasure import after_restore, carrying_out, exports, planning
from pilothouse.operations.exchange import (
    adoption,
    imported,
    importing,
    logged,
    logged_files,
    mlflow_exports,
    mlflow_publishing,
    onnx_exports,
    rescoring,
    tracking_server,
    version_exports,
)
from pilothouse.operations.fleet import places, remote_tokens, targets
from pilothouse.operations.identity import idle_lock, passphrases, permissions, proposals, ssh_lines, users
from pilothouse.operations.integrations import metrics
from pilothouse.operations.jobs import backfills, replays, searches
from pilothouse.operations.models import comparisons, model_pictures, notebook_runs, portable_forms
from pilothouse.operations.monitoring import monitor_backfills
from pilothouse.operations.outbox import silences
from pilothouse.operations.outbox import views as outbox_views
from pilothouse.operations.plans import plans_in_force
from pilothouse.operations.promotion import (
    approved_before,
    break_glass,
    deployments,
    evidence_export,
    freezes,
    glass_components,
    promotions,
    request_lists,
    signature_checks,
    statements,
    teams,
)
from pilothouse.operations.promotion.attached import compared_again, conditions, documents
from pilothouse.operations.rollouts import steering, views
from pilothouse.operations.services import Services
from pilothouse.operations.sites import following, identities, publishing, site_states
from pilothouse.operations.transparency import (
    anchored,
    anchors,
    contradictions,
    delivery,
    heads,
    log_keys,
    proofs,
)
from pilothouse.operations.upkeep import unused_files
from pilothouse.operations.workspace import audits, sessions, upgrades, workspaces
from pilothouse.store.deployed.alerts import NewAlert
from pilothouse.store.governance import access
from pilothouse.store.models import targets as target_store
from pilothouse.store.promotion import rollouts
from pilothouse.transparency import notes
from support.operations_too import CHANGING, NOT_ASKING, OF_A_NEW_MODEL, READING, put_third
from support.operations_too import REACHED as REACHED_TOO
from support.replay_values import replay_of
from support.rollout_plans import plan
from support.rollout_records import recorded_rollout
from support.ssh_keys import ED25519_KEYS

_PHRASE = "a long enough one"
KEY = read_key(ED25519_KEYS[0])
LOG_KEY = str(notes.new_key("eu.example/models").public)
FOLDERS = itertools.count()
Call = Callable[[Services, Actor], object]
Reached = tuple[str, set[str] | None]
"""A model (empty: every one) and targets (None: every one)."""

EVERYBODY = frozenset(Role) - {Role.DAEMON}
SCIENCE = frozenset({Role.DATA_SCIENTIST, Role.OPERATOR, Role.ADMIN})
OPERATION = frozenset({Role.OPERATOR, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})
DECIDERS = frozenset({Role.APPROVER})
STEERERS = frozenset({Role.APPROVER, Role.OPERATOR, Role.ADMIN})
REVIEWERS = frozenset({Role.APPROVER, Role.AUDITOR})


def _beginning() -> notebook_runs.Beginning:
    """A run of ``delay`` that begins."""
    process = ProcessName("boot", 1, 0)
    return notebook_runs.Beginning(model="delay", name="", process=process, environment={}, code={})


def _parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1.0]}), sink)
    return sink.getvalue()


_ROWS = _parquet()


def _ordered(services: Services) -> Erasure:
    """An order that is on nobody's record."""
    plan = Plan("", ("carrier",), 0, "salt")
    return Erasure(
        id=9, plan=plan, plan_digest=plan.digest, reason="ticket 7", ordered_by="ada", second="", repeats="",
        recorded_at=services.now(),
    )  # fmt: skip


class _NoTrials:
    """A launcher that knows no step."""

    def run(self, step: str, version: object) -> tuple[None, str]:
        return None, "no such step"


_NO_TRIALS: Any = _NoTrials()
_ONNX = onnx_exports.OnnxExport("delay", 1, "float64", (), "", b"")
_NO_SERVER = tracking_server.TrackingServer("http://127.0.0.1:9", {})
_MLFLOW = mlflow_exports.MlflowExport("delay", 1, (), (), {})

TABLE: dict[str, tuple[Call, frozenset[Role]]] = {
    "planning.make_plan": (lambda s, a: planning.make_plan(s, a, Selection(where=(("carrier", "UA"),))), ADMINS),
    "carrying_out.order": (lambda s, a: carrying_out.order(s, a, "abcdef"), ADMINS),
    "carrying_out.carry_out": (lambda s, a: carrying_out.carry_out(s, a, _ordered(s)), ADMINS),
    "carrying_out.finish": (lambda s, a: carrying_out.finish(s, a), ADMINS),
    "exports.export": (lambda s, a: exports.export(s, a, 1), EVERYBODY),
    "carrying_out.get": (lambda s, a: carrying_out.get(s, a, 1), EVERYBODY),
    "carrying_out.list_erasures": (lambda s, a: carrying_out.list_erasures(s, a), EVERYBODY),
    "after_restore.take": (lambda s, a: after_restore.take(s, a, s.paths.root / "nowhere"), ADMINS),
    "after_restore.take_none": (lambda s, a: after_restore.take_none(s, a, "known"), ADMINS),
    "incidents.list_incidents": (lambda s, a: incidents.list_incidents(s, a), EVERYBODY),
    "incidents.count_incidents": (lambda s, a: incidents.count_incidents(s, a), EVERYBODY),
    "incidents.incidents_page": (lambda s, a: incidents.incidents_page(s, a, Query()), EVERYBODY),
    "incidents.get_incident": (lambda s, a: incidents.get_incident(s, a, 1), EVERYBODY),
    "incidents.retrainings": (lambda s, a: incidents.retrainings(s, a, incidents.get_incident(s, a, 1)), EVERYBODY),
    "incidents.acknowledge": (lambda s, a: incidents.acknowledge(s, a, 1), OPERATION),
    "incidents.resolve": (lambda s, a: incidents.resolve(s, a, 1, "done"), OPERATION),
    "incidents.assign": (lambda s, a: incidents.assign(s, a, 1, "", "on leave"), OPERATION),
    "alert_explanation.explain_alert": (lambda s, a: alert_explanation.explain_alert(s, a, 1), EVERYBODY),
    "retraining_notes.retrainings": (lambda s, a: retraining_notes.retrainings(s, a, "delay"), EVERYBODY),
    "retraining_notes.retraining_text": (
        lambda s, a: retraining_notes.retraining_text(s, a, alerts.get_alert(s, a, 1)), EVERYBODY),
    "metrics.gather": (lambda s, a: metrics.gather(s, a), EVERYBODY),
    "silences.reach_of": (
        lambda s, a: silences.reach_of(s, a, Silence(1, {"model": ("delay",)}, "", "ada", s.now(), s.now())), EVERYBODY),
    "silences.add_silence": (
        lambda s, a: silences.add_silence(s, a, {"model": ["delay"]}, timedelta(hours=1), "works"), OPERATION),
    "silences.end_silence": (lambda s, a: silences.end_silence(s, a, 1), OPERATION),
    "silences.list_silences": (lambda s, a: silences.list_silences(s, a), EVERYBODY),
    "views.outbox": (lambda s, a: outbox_views.outbox(s, a), EVERYBODY),
    "views.get_message": (lambda s, a: outbox_views.get_message(s, a, 1), EVERYBODY),
    "views.dead_channels": (lambda s, a: outbox_views.dead_channels(s, a), EVERYBODY),
    "views.add_test": (lambda s, a: outbox_views.add_test(s, a), OPERATION),
    "views.send_again": (lambda s, a: outbox_views.send_again(s, a, 1), OPERATION),
    "alerts.count_alerts": (lambda s, a: alerts.count_alerts(s, a), EVERYBODY),
    "alerts.list_alerts": (lambda s, a: alerts.list_alerts(s, a), EVERYBODY),
    "alerts.get_alert": (lambda s, a: alerts.get_alert(s, a, 1), EVERYBODY),
    "alerts.acknowledge": (lambda s, a: alerts.acknowledge(s, a, 1), OPERATION),
    "alerts.resolve": (lambda s, a: alerts.resolve(s, a, 1, "done"), OPERATION),
    "audits.show": (lambda s, a: audits.show(s, a), EVERYBODY),
    "audits.head": (lambda s, a: audits.head(s, a), EVERYBODY),
    "audits.check_rows": (lambda s, a: audits.check_rows(s, a), EVERYBODY),
    "audits.examine": (lambda s, a: audits.examine(s, a), EVERYBODY),
    "audits.differing_rows": (lambda s, a: audits.differing_rows(s, a), EVERYBODY),
    "audits.verify_chain": (lambda s, a: audits.verify_chain(s, a), EVERYBODY),
    "audits.verify": (lambda s, a: audits.verify(s, a), EVERYBODY),
    "audit_export.export": (lambda s, a: audit_export.export(s, a, _Nowhere()), EVERYBODY),  # type: ignore[arg-type]
    "automation_switch.pause": (lambda s, a: automation_switch.pause(s, a, "stop"), OPERATION),
    "automation_switch.resume": (lambda s, a: automation_switch.resume(s, a), OPERATION),
    "automation_switch.status": (lambda s, a: automation_switch.status(s, a), EVERYBODY),
    "break_glass.break_glass": (
        lambda s, a: break_glass.break_glass(s, a, "delay/1", reason="night"), frozenset({Role.OPERATOR, Role.APPROVER})),
    "break_glass.asked_component": (lambda s, a: break_glass.asked_component(s, a, "delay/1"), EVERYBODY),
    "break_glass.waiting_for_review": (lambda s, a: break_glass.waiting_for_review(s, a), EVERYBODY),
    "glass_components.print_glass_statement": (
        lambda s, a: glass_components.print_glass_statement(s, a, Emergency("delay/1", ("ewr",), "night")),
        frozenset({Role.OPERATOR, Role.APPROVER})),
    "glass_components.glass_agent_key": (
        lambda s, a: glass_components.glass_agent_key(s, a, "delay/1", "/nowhere"),
        frozenset({Role.OPERATOR, Role.APPROVER})),
    "glass_components.sign_glass_with_agent": (
        lambda s, a: glass_components.sign_glass_with_agent(s, a, Emergency("delay/1", ("ewr",), "night"), "/nowhere"),
        frozenset({Role.OPERATOR, Role.APPROVER})),
    "break_glass.review": (
        lambda s, a: break_glass.review(s, a, 1, Review.KEEP, "seen"), frozenset({Role.APPROVER, Role.ADMIN})),
    "break_glass.list_broken": (lambda s, a: break_glass.list_broken(s, a), EVERYBODY),
    "break_glass.of_request": (lambda s, a: break_glass.of_request(s, a, 1), EVERYBODY),
    "break_glass.is_allowed": (lambda s, a: break_glass.is_allowed(s, a), EVERYBODY),
    "freezes.set_freeze": (
        lambda s, a: freezes.set_freeze(s, a, "x", "22:00", "06:00", "UTC", reason="nights"), ADMINS),
    "freezes.lift_freeze": (lambda s, a: freezes.lift_freeze(s, a, "x", "over"), ADMINS),
    "freezes.list_freezes": (lambda s, a: freezes.list_freezes(s, a), EVERYBODY),
    "plans_in_force.list_plans": (lambda s, a: plans_in_force.list_plans(s, a), EVERYBODY),
    "plans_in_force.set_floor_plan": (lambda s, a: plans_in_force.set_floor_plan(s, a, "", "none"), ADMINS),
    "views.list_rollouts": (lambda s, a: views.list_rollouts(s, a), EVERYBODY),
    "views.rollout_of_request": (lambda s, a: views.rollout_of_request(s, a, 1), EVERYBODY),
    "views.show_rollout": (lambda s, a: views.show_rollout(s, a, 1), EVERYBODY),
    "steering.pause": (lambda s, a: steering.pause(s, a, 1, "lunch"), STEERERS),
    "steering.resume": (lambda s, a: steering.resume(s, a, 1), STEERERS),
    "steering.go_on": (lambda s, a: steering.go_on(s, a, 1), STEERERS),
    "steering.abort": (lambda s, a: steering.abort(s, a, 1, "no"), OPERATION),
    "teams.add_member": (lambda s, a: teams.add_member(s, a, "risk", "pat", "hired"), ADMINS),
    "teams.remove_member": (lambda s, a: teams.remove_member(s, a, "risk", "pat", "left"), ADMINS),
    "teams.list_members": (lambda s, a: teams.list_members(s, a), EVERYBODY),
    "documents.attach": (
        lambda s, a: documents.attach(s, a, 1, "report", "report.pdf", b"%PDF"), EVERYBODY - {Role.VIEWER}),
    "documents.list_documents": (lambda s, a: documents.list_documents(s, a, 1), EVERYBODY),
    "documents.read_document": (lambda s, a: documents.read_document(s, a, 1, "report"), EVERYBODY),
    "conditions.confirm": (lambda s, a: conditions.confirm(s, a, 1, "seen"), DECIDERS),
    "conditions.list_conditions": (lambda s, a: conditions.list_conditions(s, a), EVERYBODY),
    "conditions.late_and_own": (lambda s, a: conditions.late_and_own(s, a), EVERYBODY),
    "proposals.propose": (lambda s, a: proposals.propose(s, a, ["grant", "eve", "viewer"], "hired"), ADMINS),
    "proposals.accepting": (lambda s, a: proposals.accepting(s, a, 1).__enter__(), ADMINS),
    "proposals.reject": (lambda s, a: proposals.reject(s, a, 1, "no"), ADMINS),
    "proposals.set_dual_control": (lambda s, a: proposals.set_dual_control(s, a, on=True), ADMINS),
    "proposals.is_on": (lambda s, a: proposals.is_on(s, a), EVERYBODY),
    "proposals.list_proposals": (lambda s, a: proposals.list_proposals(s, a), EVERYBODY),
    "catalogue.list_models": (lambda s, a: catalogue.list_models(s, a), EVERYBODY),
    "catalogue.list_names": (lambda s, a: catalogue.list_names(s, a), EVERYBODY),
    "catalogue.get_model": (lambda s, a: catalogue.get_model(s, a, "delay"), EVERYBODY),
    "catalogue.estimator_parameters": (lambda s, a: catalogue.estimator_parameters(s, a, "delay"), EVERYBODY),
    "catalogue.get_spec": (lambda s, a: catalogue.get_spec(s, a, "delay"), EVERYBODY),
    "catalogue.primary_metric": (lambda s, a: catalogue.primary_metric(s, a, "delay"), EVERYBODY),
    "catalogue.list_versions": (lambda s, a: catalogue.list_versions(s, a, "delay"), EVERYBODY),
    "catalogue.standings": (lambda s, a: catalogue.standings(s, a, "delay", [1]), EVERYBODY),
    "catalogue.get_version": (lambda s, a: catalogue.get_version(s, a, "delay/1"), EVERYBODY),
    "catalogue.get_run": (lambda s, a: catalogue.get_run(s, a, "delay/1"), EVERYBODY),
    "compared_again.compare_again": (
        lambda s, a: compared_again.compare_again(s, a, [VersionReference("delay", 1)], None),
        EVERYBODY,
    ),
    "comparisons.compare": (lambda s, a: comparisons.compare(s, a, "delay/1", "delay/2"), EVERYBODY),
    "deployments.roll_back": (lambda s, a: deployments.roll_back(s, a, "delay", reason="slow"), OPERATION),
    "deployments.roll_back_plan": (lambda s, a: deployments.roll_back_plan(s, a, "delay"), EVERYBODY),
    "deployments.roll_back_steps": (lambda s, a: deployments.roll_back_steps(s, a), EVERYBODY),
    "deployments.lift_hold": (lambda s, a: deployments.lift_hold(s, a, "delay", "fixed"), OPERATION),
    "deployments.list_holds": (lambda s, a: deployments.list_holds(s, a), EVERYBODY),
    "deployments.list_deployments": (lambda s, a: deployments.list_deployments(s, a), EVERYBODY),
    "deployments.deployed_at": (lambda s, a: deployments.deployed_at(s, a, s.now()), EVERYBODY),
    "dossiers.write_dossier": (
        lambda s, a: dossiers.write_dossier(s, a, "delay/1", s.paths.root / str(next(FOLDERS)), lambda _: ()), EVERYBODY),
    "dossiers.send_dossier": (lambda s, a: dossiers.send_dossier(s, a, "delay/1", io.BytesIO(), lambda _: ()), EVERYBODY),
    "gathering.gather": (lambda s, a: gathering.gather(s, a, "delay/1"), EVERYBODY),
    "signing_key.private_key": (lambda s, a: signing_key.private_key(s, a), EVERYBODY),
    "approved_before.changes_since_approved": (
        lambda s, a: approved_before.changes_since_approved(s, a, "delay", 1, s.now()), EVERYBODY),
    "approved_before.changes_of_request": (
        lambda s, a: approved_before.changes_of_request(s, a, promotions.get_request(s, a, 1)), EVERYBODY),
    "inventory.list_inventory": (lambda s, a: inventory.list_inventory(s, a), EVERYBODY),
    "inventory.get_entry": (lambda s, a: inventory.get_entry(s, a, "delay"), EVERYBODY),
    "inventory.open_items": (lambda s, a: inventory.open_items(s, a), EVERYBODY),
    "inventory.list_reviews": (lambda s, a: inventory.list_reviews(s, a, "delay"), EVERYBODY),
    "inventory.review": (
        lambda s, a: inventory.review(s, a, "delay", ReviewOutcome.FIT, next_review="2036-05-03", reason="fine"), REVIEWERS),
    "listings.jobs_page": (lambda s, a: listings.jobs_page(s, a, Query()), EVERYBODY),
    "listings.versions_page": (lambda s, a: listings.versions_page(s, a, Query()), EVERYBODY),
    "listings.deployments_page": (lambda s, a: listings.deployments_page(s, a, Query()), EVERYBODY),
    "listings.audit_page": (lambda s, a: listings.audit_page(s, a, Query()), EVERYBODY),
    "sessions.open_session": (lambda s, a: sessions.open_session(s, a, "xterm"), EVERYBODY),
    "sessions.count_sessions": (lambda s, a: sessions.count_sessions(s, a), EVERYBODY),
    "sessions.list_sessions": (lambda s, a: sessions.list_sessions(s, a), EVERYBODY),
    "model_pictures.pictures_of": (lambda s, a: model_pictures.pictures_of(s, a, "delay/1"), EVERYBODY),
    "model_pictures.pictures_between": (
        lambda s, a: model_pictures.pictures_between(s, a, "delay/1", "delay/2"), EVERYBODY),
    "model_reports.make_report": (lambda s, a: model_reports.make_report(s, a, "delay", lambda _: ""), EVERYBODY),
    "handing_out.record": (lambda s, a: handing_out.record(s, a, "report.made", "delay", {}), EVERYBODY),
    "version_exports.try_export": (lambda s, a: version_exports.try_export(s, a, _NO_TRIALS, "delay/1", "x"), EVERYBODY),
    "version_exports.hand_out": (lambda s, a: version_exports.hand_out(s, a, _ONNX, "onnx", {}), EVERYBODY),
    "onnx_exports.export_onnx": (lambda s, a: onnx_exports.export_onnx(s, a, _NO_TRIALS, "delay/1"), EVERYBODY),
    "onnx_exports.write": (lambda s, a: onnx_exports.write(s, a, _ONNX, s.paths.root / str(next(FOLDERS))), EVERYBODY),
    "mlflow_exports.export_mlflow": (lambda s, a: mlflow_exports.export_mlflow(s, a, _NO_TRIALS, "delay/1"), EVERYBODY),
    "mlflow_exports.write": (
        lambda s, a: mlflow_exports.write(s, a, _MLFLOW, s.paths.root / str(next(FOLDERS))), EVERYBODY),
    "model_reports.gather_report": (lambda s, a: model_reports.gather_report(s, a, "delay"), EVERYBODY),
    "unused_files.list_unused": (lambda s, a: unused_files.list_unused(s, a, timedelta(days=1)), OPERATION),
    "unused_files.remove_unused": (lambda s, a: unused_files.remove_unused(s, a, timedelta(days=1)), OPERATION),
    "replays.start_replay": (lambda s, a: replays.start_replay(s, a, "delay/2"), SCIENCE),
    "replays.get_replay": (lambda s, a: replays.get_replay(s, a, 1), EVERYBODY),
    "replays.inputs_of_examples": (lambda s, a: replays.inputs_of_examples(s, a, replay_of()), EVERYBODY),
    "promotions.request_promotion": (lambda s, a: promotions.request_promotion(s, a, "delay/2"), SCIENCE),
    "promotions.approve": (lambda s, a: promotions.approve(s, a, 1, "0" * 64), DECIDERS),
    "promotions.reject": (lambda s, a: promotions.reject(s, a, 1, "no"), DECIDERS),
    "promotions.withdraw": (lambda s, a: promotions.withdraw(s, a, 1), frozenset({Role.DATA_SCIENTIST, Role.ADMIN})),
    "promotions.comment": (lambda s, a: promotions.comment(s, a, 1, "hm"), SCIENCE | DECIDERS),
    "promotions.list_requests": (lambda s, a: promotions.list_requests(s, a), EVERYBODY),
    "promotions.get_request": (lambda s, a: promotions.get_request(s, a, 1), EVERYBODY),
    "promotions.request_again": (lambda s, a: promotions.request_again(s, a, 1), SCIENCE),
    "promotions.count_waiting": (lambda s, a: promotions.count_waiting(s, a), EVERYBODY),
    "request_lists.requests_page": (lambda s, a: request_lists.requests_page(s, a, Query()), EVERYBODY),
    "request_lists.signed_decisions": (lambda s, a: request_lists.signed_decisions(s, a, "delay/1"), EVERYBODY),
    "request_lists.waiting_items": (lambda s, a: request_lists.waiting_items(s, a), EVERYBODY),
    "request_lists.count_items": (lambda s, a: request_lists.count_items(s, a), EVERYBODY),
    "promotions.waiting_for": (lambda s, a: promotions.waiting_for(s, a), EVERYBODY),
    "backfills.backfill": (
        lambda s, a: backfills.backfill(
            s, a, "delay", backfills.PastDates(s.now(), s.now(), timedelta(days=1))), SCIENCE),
    "monitor_backfills.backfill_monitoring": (
        lambda s, a: monitor_backfills.backfill_monitoring(s, a, "delay", s.now(), s.now()), SCIENCE),
    "searches.search_of": (lambda s, a: searches.search_of(s, a, 1), EVERYBODY),
    "searches.list_trials": (lambda s, a: searches.list_trials(s, a, 1), EVERYBODY),
    "triggers.list_events": (lambda s, a: triggers.list_events(s, a), EVERYBODY),
    "schedules.history": (lambda s, a: schedules.history(s, a, 1), EVERYBODY),
    "schedules.list_schedules": (lambda s, a: schedules.list_schedules(s, a), EVERYBODY),
    "schedules.pause_schedule": (lambda s, a: schedules.pause_schedule(s, a, 1, "holidays"), OPERATION),
    "schedules.resume_schedule": (lambda s, a: schedules.resume_schedule(s, a, 1), OPERATION),
    "places.list_places": (lambda s, a: places.list_places(s, a), EVERYBODY),
    "places.differing": (lambda s, a: places.differing(s, a), EVERYBODY),
    "remote_tokens.issue": (lambda s, a: remote_tokens.issue(s, a, "ewr", timedelta(days=1)), ADMINS),
    "remote_tokens.list_tokens": (lambda s, a: remote_tokens.list_tokens(s, a), EVERYBODY),
    "remote_tokens.revoke": (lambda s, a: remote_tokens.revoke(s, a, 1, "lost"), ADMINS),
    "targets.list_targets": (lambda s, a: targets.list_targets(s, a), EVERYBODY),
    "targets.issue_token": (lambda s, a: targets.issue_token(s, a, "ewr"), ADMINS),
    "imported.list_runs": (lambda s, a: imported.list_runs(s, a, 9), EVERYBODY),
    "imported.list_models": (lambda s, a: imported.list_models(s, a), EVERYBODY),
    "imported.list_versions": (lambda s, a: imported.list_versions(s, a, "nothing"), EVERYBODY),
    "imported.get_version": (lambda s, a: imported.get_version(s, a, "nothing/1"), EVERYBODY),
    "imported.alias_history": (lambda s, a: imported.alias_history(s, a, "nothing"), EVERYBODY),
    "adoption.adopt": (lambda s, a: adoption.adopt(s, a, "nothing/1", "delay"), EVERYBODY),
    "logged.logged": (lambda s, a: logged.logged(s, a, "delay/1"), EVERYBODY),
    "logged_files.logged_files": (
        lambda s, a: ExitStack().enter_context(logged_files.logged_files(s, a, "delay/1", {}, "model")),
        SCIENCE,
    ),
    "importing.look": (lambda s, a: importing.look(s, a, _NoRegistry(), importing.ImportOptions()), SCIENCE),
    "importing.run_import": (lambda s, a: importing.run_import(s, a, _NoRegistry(), importing.ImportOptions()), SCIENCE),
    "mlflow_publishing.check": (lambda s, a: mlflow_publishing.check(s, a, "delay/1", ""), SCIENCE),
    "mlflow_publishing.publish": (
        lambda s, a: mlflow_publishing.publish(s, a, _MLFLOW, _NO_SERVER), SCIENCE),
    "rescoring.rescore": (lambda s, a: rescoring.rescore(s, a, None, "nothing/1"), SCIENCE),  # type: ignore[arg-type]
    "passphrases.standing": (lambda s, a: passphrases.standing(s, a), EVERYBODY),
    "passphrases.set_passphrase": (lambda s, a: passphrases.set_passphrase(s, a, _PHRASE), EVERYBODY),
    "idle_lock.unlock": (
        lambda s, a: (passphrases.set_passphrase(s, a, _PHRASE), idle_lock.unlock(s, a, None, _PHRASE)), EVERYBODY),
    "passphrases.prove": (
        lambda s, a: (passphrases.set_passphrase(s, a, _PHRASE), passphrases.prove(s, a, _PHRASE)), EVERYBODY),
    "passphrases.unlock": (lambda s, a: passphrases.unlock(s, a, "pat", "called"), ADMINS),
    "passphrases.take_away": (lambda s, a: passphrases.take_away(s, a, "pat", "forgotten"), ADMINS),
    "evidence_export.export_evidence": (lambda s, a: evidence_export.export_evidence(s, a, 1), EVERYBODY),
    "signed_evidence.signed_evidence": (lambda s, a: signed_evidence.signed_evidence(s, a, 1), EVERYBODY),
    "signature_checks.examine": (lambda s, a: signature_checks.examine(s, a), EVERYBODY),
    "statements.print_statement": (lambda s, a: statements.print_statement(s, a, 1, "approve"), DECIDERS),
    "statements.agent_key": (lambda s, a: statements.agent_key(s, a, 1, "/nowhere"), DECIDERS),
    "statements.sign_with_agent": (
        lambda s, a: statements.sign_with_agent(s, a, 1, "approve", "", "0" * 64, "/nowhere"), DECIDERS),
    "portable_forms.record_form": (
        lambda s, a: portable_forms.record_form(s, a, "delay/1", portable_forms.Converted(None, "why", 0, {})), OPERATION),
    "notebook_runs.begin": (lambda s, a: notebook_runs.begin(s, a, _beginning()), SCIENCE),
    "notebook_runs.record": (
        lambda s, a: notebook_runs.record(s, a, notebook_runs.begin(s, a, _beginning()), []), SCIENCE),
    "notebook_runs.keep_file": (
        lambda s, a: notebook_runs.keep_file(s, a, notebook_runs.begin(s, a, _beginning()), Path("/nowhere"), "a"), SCIENCE),
    "notebook_runs.note_data": (
        lambda s, a: notebook_runs.note_data(s, a, notebook_runs.begin(s, a, _beginning()), _ROWS, "a"), SCIENCE),
    "notebook_runs.end": (
        lambda s, a: notebook_runs.end(s, a, notebook_runs.begin(s, a, _beginning()), RunState.DONE), SCIENCE),
    "notebook_runs.end_lost": (lambda s, a: notebook_runs.end_lost(s, a, ProcessName("", 1, 0)), EVERYBODY),
    "notebook_runs.list_runs": (lambda s, a: notebook_runs.list_runs(s, a), EVERYBODY),
    "notebook_runs.get_run": (lambda s, a: notebook_runs.get_run(s, a, 1), EVERYBODY),
    "notebook_runs.get_runs": (lambda s, a: notebook_runs.get_runs(s, a, [1]), EVERYBODY),
    "upgrades.convert": (lambda s, a: upgrades.convert(s, a, None), OPERATION),  # type: ignore[arg-type]
    "idle_lock.set_idle_lock": (lambda s, a: idle_lock.set_idle_lock(s, a, 600), ADMINS),
    "idle_lock.note_lock": (lambda s, a: idle_lock.note_lock(s, a, None), EVERYBODY),
    "idle_lock.ways": (lambda s, a: idle_lock.ways(s, a, ""), EVERYBODY),
    "idle_lock.unlock_with_agent": (lambda s, a: idle_lock.unlock_with_agent(s, a, None, ""), EVERYBODY),
    "ssh_lines.authorized_keys": (lambda s, a: ssh_lines.authorized_keys(s, a), EVERYBODY),
    "permissions.explain": (lambda s, a: permissions.explain(s, a, "pat", "approve", "delay"), EVERYBODY),
    "users.list_users": (lambda s, a: users.list_users(s, a), EVERYBODY),
    "users.keys_of": (lambda s, a: users.keys_of(s, a, "pat"), EVERYBODY),
    "users.add_user": (lambda s, a: users.add_user(s, a, "zoe"), ADMINS),
    "users.disable_user": (lambda s, a: users.disable_user(s, a, "pat", "left"), ADMINS),
    "users.enable_user": (lambda s, a: users.enable_user(s, a, "pat", "back"), ADMINS),
    "users.add_key": (lambda s, a: users.add_key(s, a, "pat", KEY, users.KeyTerms()), ADMINS),
    "users.revoke_key": (lambda s, a: users.revoke_key(s, a, "pat", KEY.fingerprint, "lost"), ADMINS),
    "following.follow": (
        lambda s, a: following.follow(s, a, "eu", "/srv/eu", LOG_KEY, stale_after_s=900), ADMINS),
    "following.leave": (lambda s, a: following.leave(s, a, "eu"), ADMINS),
    "following.listed": (lambda s, a: following.listed(s, a), EVERYBODY),
    "following.states": (lambda s, a: following.states(s, a), EVERYBODY),
    "following.look": (lambda s, a: following.look(s, a), EVERYBODY),
    "identities.identity": (lambda s, a: identities.identity(s, a), EVERYBODY),
    "identities.renew": (lambda s, a: identities.renew(s, a, "a copy for trials"), ADMINS),
    "publishing.publish": (lambda s, a: publishing.publish(s, a, Path("/proc/nowhere")), EVERYBODY),
    "publishing.state_note": (lambda s, a: publishing.state_note(s, a), EVERYBODY),
    "publishing.published_file": (lambda s, a: publishing.published_file(s, a, "state"), EVERYBODY),
    "publishing.set_publishing": (lambda s, a: publishing.set_publishing(s, a, None), ADMINS),
    "site_states.answer": (lambda s, a: site_states.answer(s, a), EVERYBODY),
    "site_states.figures": (lambda s, a: site_states.figures(s, a), EVERYBODY),
    "anchors.add": (lambda s, a: anchors.add(s, a, "vault", AnchorKind.FILE, "/vault"), ADMINS),
    "anchors.remove": (lambda s, a: anchors.remove(s, a, "kept"), ADMINS),
    "anchors.set_quorum": (lambda s, a: anchors.set_quorum(s, a, 0), ADMINS),
    "anchors.states": (lambda s, a: anchors.states(s, a), EVERYBODY),
    "heads.sign": (lambda s, a: heads.sign(s, a), EVERYBODY),
    "heads.newest": (lambda s, a: heads.newest(s, a), EVERYBODY),
    "heads.status": (lambda s, a: heads.status(s, a), EVERYBODY),
    "contradictions.on_record": (lambda s, a: contradictions.on_record(s, a), EVERYBODY),
    "proofs.coverage": (lambda s, a: proofs.coverage(s, a, 1), EVERYBODY),
    "proofs.existing_proof": (lambda s, a: proofs.existing_proof(s, a, 1), EVERYBODY),
    "proofs.policy": (lambda s, a: proofs.policy(s, a), EVERYBODY),
    "proofs.row_proof": (lambda s, a: proofs.row_proof(s, a, 1), EVERYBODY),
    "proofs.consistency": (lambda s, a: proofs.consistency(s, a, 1), EVERYBODY),
    "proofs.write_tiles": (lambda s, a: proofs.write_tiles(s, a, Path("/proc/nowhere")), EVERYBODY),
    "delivery.deliver": (lambda s, a: delivery.deliver(s, a), EVERYBODY),
    "log_keys.make": (lambda s, a: log_keys.make(s, a), EVERYBODY),
    "log_keys.renew": (lambda s, a: log_keys.renew(s, a, "ab" * 16), ADMINS),
    "log_keys.signing_key": (lambda s, a: log_keys.signing_key(s, a), EVERYBODY),
    "anchored.compare": (lambda s, a: anchored.compare(s, a), EVERYBODY),
    "workspaces.list_roles": (lambda s, a: workspaces.list_roles(s, a), EVERYBODY),
    "workspaces.grant_role": (lambda s, a: workspaces.grant_role(s, a, "eve", Role.VIEWER), ADMINS),
    "workspaces.revoke_role": (lambda s, a: workspaces.revoke_role(s, a, "vera", Role.VIEWER), ADMINS),
    "workspaces.trust_wrapper": (lambda s, a: workspaces.trust_wrapper(s, a, "ssh-gate"), ADMINS),
    "workspaces.set_open_reading": (lambda s, a: workspaces.set_open_reading(s, a, allowed=True), ADMINS),
    "workspaces.set_plugins": (lambda s, a: workspaces.set_plugins(s, a, allowed=True), ADMINS),
    "workspaces.set_break_glass": (lambda s, a: workspaces.set_break_glass(s, a, allowed=True), ADMINS),
    "workspaces.list_wrappers": (lambda s, a: workspaces.list_wrappers(s, a), EVERYBODY),
    "workspaces.reading_is_open": (lambda s, a: workspaces.reading_is_open(s, a), EVERYBODY),
    "workspaces.workspace_policy": (lambda s, a: workspaces.workspace_policy(s, a), EVERYBODY),
    "workspaces.set_workspace_policy": (lambda s, a: workspaces.set_workspace_policy(s, a, approvals=1), ADMINS),
}  # fmt: skip

TABLE |= CHANGING | READING

REACHED: dict[str, Reached] = {
    **REACHED_TOO,
    **dict.fromkeys(
        (
            "promotions.request_promotion", "deployments.roll_back", "deployments.lift_hold", "backfills.backfill",
            "monitor_backfills.backfill_monitoring", "schedules.pause_schedule", "schedules.resume_schedule",
            "inventory.review", "break_glass.break_glass", "break_glass.review", "glass_components.glass_agent_key",
            "replays.start_replay", "notebook_runs.begin", "notebook_runs.record", "notebook_runs.keep_file",
            "notebook_runs.note_data", "notebook_runs.end", "mlflow_publishing.check", "mlflow_publishing.publish",
            "logged_files.logged_files",
        ),
        ("delay", {"ewr", "jfk"}),
    ),
    **dict.fromkeys(
        (
            "alerts.acknowledge", "alerts.resolve", "incidents.acknowledge", "incidents.resolve", "incidents.assign",
            "promotions.approve", "promotions.reject", "promotions.withdraw",
            "promotions.comment", "promotions.request_again", "statements.print_statement", "statements.agent_key",
            "statements.sign_with_agent", "documents.attach", "glass_components.print_glass_statement",
            "glass_components.sign_glass_with_agent",
        ),
        ("delay", {"ewr"}),
    ),
    **dict.fromkeys(
        ("steering.pause", "steering.resume", "steering.go_on", "steering.abort"), ("delay", {"jfk"})
    ),
    "targets.issue_token": ("", {"ewr"}),
    "silences.add_silence": ("delay", {"ewr", "jfk"}),
    "remote_tokens.issue": ("", {"ewr"}),
    "conditions.confirm": ("delay", {"jfk"}),
}  # fmt: skip
"""Model and targets that an operation of the table is about; those that are left out are about the whole workspace."""

SCOPES: dict[str, tuple[Grant, Reached]] = {
    "all": (Grant(Role.VIEWER), ("", None)),
    "the model": (Grant(Role.VIEWER, "delay"), ("delay", None)),
    "another model": (Grant(Role.VIEWER, "other"), ("other", None)),
    "its targets": (Grant(Role.VIEWER, "", False, TargetChoice.of({"target": "*"})), ("", {"ewr", "jfk"})),
    "a target": (Grant(Role.VIEWER, "", False, TargetChoice.of({"region": "us-east"})), ("", {"ewr"})),
    "the model on a target": (
        Grant(Role.VIEWER, "delay", False, TargetChoice.of({"labels.tier": "gold"})), ("delay", {"ewr"})),
    "another target": (Grant(Role.VIEWER, "", False, TargetChoice.of({"target": "lga"})), ("", set())),
}  # fmt: skip
"""Scopes of a grant, whose role the test sets, and what each holds of the workspace."""


class _Nowhere:
    def write(self, text: str) -> None:
        """Let it go."""


class _NoRegistry:
    """Registry of others without a model."""

    origin = "nowhere"

    def count(self, names: object) -> int:
        return 0

    def models(self, names: object) -> Iterator[Any]:
        return iter(())

    versions = models

    def runs(self, ids: object, without_curves: object) -> list[Any]:
        return []

    files = models

    def close(self) -> None:
        """Nothing is open."""


class _UndoError(Exception):
    """Ends a transaction whose changes are not wanted."""


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """A workspace in which each operation of the table finds what it needs."""
    example = make_example(tmp_path_factory.mktemp("roles") / "workspace")
    services = example.services
    workspaces.grant_role(services, example.actor(ADMIN), "sid", Role.OPERATOR)
    example.apply(automation={"schedule": [{"name": "hourly", "every": "1h", "action": "monitor"}]})
    example.add_version()
    example.add_version()
    with services.registry.transaction() as connection:
        ewr = Target("ewr", "us-east", "", "", labels={"tier": "gold"})
        target_store.put_targets(connection, [ewr], at=example.time)
    promotions.request_promotion(services, example.actor("sam"), "delay/1", ["ewr"])
    by_hand = plan({"name": "all", "step": [{"kind": "live", "go_on": "hand"}]})
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        number = recorded_rollout(change.connection, example, by_hand, version=1, names=("jfk",))
        rollouts.enter(change.connection, number, at=change.at)
        change.record("rollout.made", "roll-out 1")
    slow = NewAlert(
        model="delay",
        version=1,
        target="ewr",
        kind="latency",
        subject="p95",
        severity="warning",
        effective_at=example.time,
        summary="slow",
        explanation="p95 is 3 times its baseline",
        figures={"p95_ms": 12.0},
    )
    alerts.open_alert(services, slow)
    put_third(services)
    workspaces.set_break_glass(services, example.actor(ADMIN), allowed=True)
    break_glass.break_glass(services, example.actor("sid"), "delay/2", ["jfk"], reason="night")
    deployed = promotions.request_promotion(services, example.actor("sam"), "delay/1", ["jfk"])
    condition = NewCondition("reviewed", str(Role.APPROVER), example.time + timedelta(days=30))
    promotions.approve(
        services, example.actor("pia"), deployed.id, deployed.evidence_digest, condition=condition
    )
    yield example
    services.close()


def attempt(example: Example, call: Call, actor: Actor) -> bool:
    """True if the actor was let through, whatever came of it; its changes are undone."""
    try:
        with example.services.registry.transaction():
            call(example.services, actor)
            raise _UndoError
    except NotAllowedError:
        return False
    except (PilothouseError, _UndoError):
        return True


def test_the_table_holds_every_operation_that_takes_an_actor() -> None:
    found: dict[str, str] = {}
    for one in pkgutil.walk_packages(pilothouse.operations.__path__, "pilothouse.operations."):
        for name, function in inspect.getmembers(importlib.import_module(one.name), inspect.isfunction):
            parameters = inspect.signature(function).parameters
            if (
                function.__module__ != one.name
                or name.startswith("_")
                or {"services", "actor"} - parameters.keys()
            ):
                continue
            operation = f"{one.name.rpartition('.')[2]}.{name}"
            assert operation not in found, f"two are called {operation}: {found[operation]} and {one.name}"
            found[operation] = one.name
    assert found.keys() - NOT_ASKING.keys() == set(TABLE)
    assert NOT_ASKING.keys() <= found.keys(), "no longer there"


@pytest.mark.parametrize("operation", TABLE)
def test_an_operation_lets_its_roles_through_and_nobody_else(busy: Example, operation: str) -> None:
    call, allowed = TABLE[operation]
    people = {ADMIN: Role.ADMIN, **{n: r for n, r in PEOPLE.items() if n != "pia"}}

    let_through = {role for name, role in people.items() if attempt(busy, call, busy.actor(name))}

    assert let_through == allowed


@pytest.mark.parametrize("operation", [name for name in TABLE if name not in OF_A_NEW_MODEL])
def test_an_operation_asks_for_its_model_and_its_targets(busy: Example, operation: str) -> None:
    """Every role, held or denied, on every scope: a grant allows what is whole in its scope, and denies what touches it."""
    call, allowed = TABLE[operation]
    reached = REACHED.get(operation, ("", None))
    reads = allowed == EVERYBODY  # by open reading, whatever they hold
    scopes = {"another model": SCOPES["another model"]} if reads else SCOPES
    for role in [Role.OPERATOR] if reads else sorted(allowed - READERS):
        everywhere = let_through(busy, call, Grant(role))
        for scope, (grant, held) in scopes.items():
            given = replace(grant, role=role)
            assert let_through(busy, call, given) == (everywhere and (reads or within(reached, held))), (
                role,
                scope,
            )
            denied = replace(given, deny=True)
            left = everywhere and (reads or not touches(reached, held))
            assert let_through(busy, call, Grant(role), denied) == left, (role, "denied", scope)


def within(reached: Reached, held: Reached) -> bool:
    (model, targets), (of_model, on) = reached, held
    return of_model in ("", model) and (on is None or (targets is not None and targets <= on))


def touches(reached: Reached, held: Reached) -> bool:
    (model, targets), (of_model, on) = reached, held
    return (not of_model or not model or model == of_model) and (
        on is None or targets is None or bool(targets & on)
    )


def let_through(example: Example, call: Call, *grants: Grant) -> bool:
    """True if somebody who holds these grants is let through; everything is undone."""
    result = False
    try:
        with example.services.registry.transaction() as connection:
            for grant in grants:
                access.add_grant(connection, "newcomer", grant, by=Actor(ADMIN), at=example.time)
            result = attempt(example, call, Actor("newcomer"))
            raise _UndoError
    except _UndoError:
        return result


@pytest.mark.parametrize("operation", TABLE)
def test_nobody_without_a_role_is_let_through_where_reading_is_closed(busy: Example, operation: str) -> None:
    try:
        with busy.services.registry.transaction():
            workspaces.set_open_reading(busy.services, busy.actor(ADMIN), allowed=False)
            stranger = busy.actor("mallory")
            assert stranger.grants == ()
            with pytest.raises(NotAllowedError, match="mallory may not"):
                TABLE[operation][0](busy.services, stranger)
            raise _UndoError
    except _UndoError:
        pass


def test_a_stranger_reads_where_reading_is_open_and_changes_nothing(busy: Example) -> None:
    stranger = busy.actor("mallory")

    assert {name for name, (call, _) in TABLE.items() if attempt(busy, call, stranger)} == {
        name for name, (_, allowed) in TABLE.items() if allowed == EVERYBODY
    }


def test_the_name_of_the_daemon_is_nobodys(busy: Example) -> None:
    with pytest.raises(NotAllowedError, match="daemon's own name"):
        workspaces.identify(busy.services, DAEMON.name)
    with pytest.raises(PilothouseError, match="cannot be granted"):
        workspaces.grant_role(busy.services, busy.actor(ADMIN), DAEMON.name, Role.ADMIN)


def test_a_refusal_names_the_roles_that_could(busy: Example) -> None:
    with pytest.raises(NotAllowedError, match=r"vera may not approve request 1 of delay: .* role approver"):
        promotions.approve(busy.services, busy.actor("vera"), 1, "0" * 64)


def test_a_role_for_one_model_does_not_reach_another(busy: Example) -> None:
    services = busy.services
    try:
        with services.registry.transaction():
            busy.apply("other")
            workspaces.grant_role(services, busy.actor(ADMIN), "olga", Role.OPERATOR, model="other")
            olga = busy.actor("olga")
            assert olga.allows(Permission.ROLL_BACK, "other")
            with pytest.raises(NotAllowedError, match="roll back a deployment of delay"):
                deployments.roll_back(services, olga, "delay", reason="x")
            with pytest.raises(
                NotAllowedError,
                match=r"not pause automation here: .* can olga pause says which",
            ):
                automation_switch.pause(services, olga, "x")
            raise _UndoError
    except _UndoError:
        pass


def test_a_change_without_an_audit_row_does_not_happen(busy: Example) -> None:
    def change() -> Any:
        with authorisation.changing(busy.services, busy.actor(ADMIN), Permission.GRANT) as change:
            change.connection.execute("INSERT INTO settings (name, value) VALUES ('quiet', 'x')")

    with pytest.raises(RuntimeError, match="without an audit row"):
        change()
    with busy.services.registry.read() as connection:
        assert connection.execute("SELECT count(*) FROM settings WHERE name = 'quiet'").fetchone()[0] == 0
