"""Random histories of a small fleet, written through the operations, and a plain model of the states that follow from them.

The model keeps facts of its own and knows the rules from their description alone, so that it can be held against what is on
record. Each step moves the clock on; event time and wall clock are the same, as for live traffic.
"""

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from fixtures.registries import ADMIN, PEOPLE, START, Example
from pilothouse.composition import open_workspace
from pilothouse.domain.errors import ConflictError
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.formats.wire import PredictionBatch, RequestTiming, ServingReport
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.findings import (
    ClosedWindow,
    DriftFinding,
    Finding,
    PerformanceFinding,
    QualityFinding,
    TrafficFinding,
    Window,
)
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.operations.alerts import alerts
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.fleet.processes import Pulse, announce_daemon, note_serving_end
from pilothouse.operations.ingest.ingest import ingest_batch
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.monitoring import window_closing
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.states import states
from pilothouse.operations.workspace import apply_models, workspaces
from pilothouse.system.processes import own_name
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings, revisions
from support.daemons import stand_for_daemon
from support.example_telemetry import keep_reference
from support.templates import copy_of

FLEET = {"delay": ("ewr", "jfk", "lga"), "fares": ("ewr", "jfk")}
VERSIONS = 3
Key = tuple[str, str]
"""Model and target."""

_MODEL = """
name = "{name}"
task = "binary"
owner = "tests"

[data]
source = "rows.csv"
target = "late"
timestamp = "at"
timezone = "UTC"
features = ["wind", "hour", "carrier"]
categoricals = ["carrier"]

[training]
estimator = "sklearn.ensemble.HistGradientBoostingClassifier"

[monitoring]
window = "90d"
step = "90d"
performance_window = "90d"
performance_step = "90d"
minimum_rows = {minimum_rows}
fire = {fire}
of = {of}
silence = "1h"

[promotion]
approvals = 1
four_eyes = true
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a window's reading says: whether it has a verdict, and what lies beyond its reference."""

    judged: bool
    features: bool = False
    score: bool = False
    performance: str = ""
    """``doubtful``: not significant, though the interval excludes the reference; ``slight``: significant, and one window of it
    is not certain; ``certain``; or empty."""
    latency: bool = False
    errors: bool = False


@dataclass(slots=True)
class Report:
    """Last report of a target's serving process."""

    loaded: dict[str, int]
    failed: dict[str, str]
    is_silent: bool = False
    is_unheard: bool = False
    """True where the daemon has started since."""


@dataclass(slots=True)
class Facts:
    """Facts of a history, as the test knows them."""

    live: dict[Key, tuple[int, datetime]] = field(default_factory=dict)
    """Live version, and the event time since which it is live."""
    named: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(FLEET))
    last_event: dict[tuple[str, int, str], datetime] = field(default_factory=dict)
    windows: dict[tuple[str, int, str, str], dict[datetime, Judged]] = field(default_factory=dict)
    """By model, version, target and monitor: readings by the end of their window."""
    reports: dict[str, Report] = field(default_factory=dict)
    rules: dict[str, tuple[int, int]] = field(default_factory=lambda: dict.fromkeys(FLEET, (2, 3)))
    """``fire`` and ``of`` of each model."""


def expected(facts: Facts, key: Key, known_alerts: list[Alert], *, serving: bool) -> Health:
    """Health of a deployment by the rules: the worst of its serving process, its open alerts, its newest verdicts, and of
    what has not been judged; healthy only where none of these says anything."""
    if key not in facts.live:
        return Health.NOT_DEPLOYED
    (model, target), (version, since) = key, facts.live[key]
    grounds: list[Health] = []
    report = facts.reports.get(target)
    if serving and report is not None:
        if report.is_silent:
            grounds.append(Health.DOWN)
        elif report.is_unheard:
            grounds.append(Health.NOT_JUDGED)
        elif model in report.failed:
            grounds.append(Health.DEGRADED if model in report.loaded else Health.DOWN)
    own = [a for a in known_alerts if (a.model, a.target, a.version) == (model, target, version)]
    for alert in own:
        if alert.status is not AlertStatus.RESOLVED:
            worse = Health.CRITICAL if alert.severity == "critical" else Health.DEGRADED
            grounds.append(Health.NO_TRAFFIC if alert.kind == "silence" else worse)
    last_event = facts.last_event.get((model, version, target))
    if last_event is None:
        return min([*grounds, Health.NO_DATA], key=lambda health: health.rank)
    over = [a for a in own if a.kind == "silence" and a.status is AlertStatus.RESOLVED]
    if over:
        newest = max(over, key=lambda alert: alert.id)
        if newest.handled_by != DAEMON.name and newest.effective_at >= last_event:
            grounds.append(Health.NO_TRAFFIC)
    grounds += _of_windows(facts, model, version, target, since)
    return min(grounds, key=lambda health: health.rank, default=Health.HEALTHY)


def _of_windows(facts: Facts, model: str, version: int, target: str, since: datetime) -> Iterator[Health]:
    of = {
        monitor: facts.windows.get((model, version, target, monitor), {})
        for monitor in (readings.DRIFT, readings.QUALITY, readings.PERFORMANCE, readings.TRAFFIC)
    }
    judged = {name: sorted(end for end, w in ends.items() if w.judged) for name, ends in of.items()}
    drift, performance, traffic = judged[readings.DRIFT], judged[readings.PERFORMANCE], of[readings.TRAFFIC]
    if drift:
        newest = of[readings.DRIFT][drift[-1]]
        quality = of[readings.QUALITY].get(drift[-1])
        if newest.features or newest.score or (quality and quality.judged and quality.features):
            yield Health.DEGRADED
    if performance:
        fire, many = facts.rules[model]
        losses = [of[readings.PERFORMANCE][end].performance for end in performance]
        significant = [loss in ("slight", "certain") for loss in losses]
        if losses[-1] == "certain" or (significant[-1] and sum(significant[-many:]) >= fire):
            yield Health.DEGRADED
        elif losses[-1]:
            yield Health.SUSPECTED
    if judged[readings.TRAFFIC]:
        last = traffic[judged[readings.TRAFFIC][-1]]
        if last.latency or last.errors:
            yield Health.DEGRADED
    newest_ends = [ends[-1] for ends in (drift, performance) if ends]
    is_lacking = bool(of[readings.DRIFT]) and (not drift or max(of[readings.DRIFT]) > drift[-1])
    if not newest_ends or is_lacking or max(newest_ends) <= since:
        yield Health.NOT_JUDGED


def make_fleet(root: Path) -> Example:
    """A workspace in ``root`` with two models, three versions of each, nothing deployed."""
    copy_of("histories", _build, root)
    return _opened(root)


def _opened(root: Path) -> Example:
    example = Example(root, open_workspace(root))
    example.services.now = lambda: example.time
    return example


def _build(root: Path) -> None:
    workspaces.initialise(root, ADMIN, demo=True, clock=lambda: START)
    for name, targets in FLEET.items():
        folder = root / "models" / name
        folder.mkdir(parents=True)
        (folder / "rows.csv").write_text("at,wind,hour,carrier,late\n2013-01-01 00:00:00,3.5,0,UA,0\n")
        write_model_file(root, name, targets)
    example = _opened(root)
    services = example.services
    for name, role in PEOPLE.items():
        workspaces.grant_role(services, example.actor(ADMIN), name, role)
    apply_models.apply(services, example.actor(ADMIN))
    example.reference = keep_reference(services, "binary", "auc")
    for name in FLEET:
        for _ in range(VERSIONS):
            example.add_version(name)
    services.close()


def write_model_file(
    root: Path, name: str, targets: tuple[str, ...], minimum_rows: int = 300, fire: int = 2, of: int = 3
) -> None:
    """Write ``model.toml``."""
    text = _MODEL.format(name=name, minimum_rows=minimum_rows, fire=fire, of=of)
    text += "".join(f'\n[[targets]]\nname = "{target}"\n' for target in targets)
    (root / "models" / name / "model.toml").write_text(text)


class History:
    """One history: a workspace, the facts, and steps drawn by chance."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        shutil.rmtree(root, ignore_errors=True)
        self.example = make_fleet(root)
        self.services = self.example.services
        self.chance = chance
        self.facts = Facts()
        self.told: list[str] = []
        """What was done, a line a step."""
        self.rewritten: list[tuple[Key, datetime]] = []
        """Deployments of which facts of an earlier time were written in this step, and that time."""
        self._alive: dict[str, ServingReport] = {}
        stand_for_daemon(self.services)
        self._pulse = self._new_pulse()
        self._sequence = 0
        self._newest_alert = 0
        days = {name: window_closing.calibration_days(self._spec(name)) for name in FLEET}
        self.services.telemetry.calibrated.update(  # what a window costs is not the matter here
            (model, version, target, days[model])
            for model, targets in FLEET.items()
            for target in targets
            for version in range(1, VERSIONS + 1)
        )
        self.example.pass_time(minutes=1)

    @property
    def now(self) -> datetime:
        return self.example.time

    def all_keys(self) -> list[Key]:
        return [(model, target) for model, targets in FLEET.items() for target in targets]

    def all_alerts(self) -> list[Alert]:
        return alerts.list_alerts(self.services, self.example.actor("vera"))

    def expected(self, *, serving: bool) -> dict[Key, Health]:
        """Health of each deployment by the plain model."""
        known = self.all_alerts()
        return {key: expected(self.facts, key, known, serving=serving) for key in self.all_keys()}

    def step(self) -> None:
        """Do something, a few minutes after what was done before."""
        self.rewritten = []
        self.example.pass_time(minutes=self.chance.randint(1, 9))
        steps: list[tuple[int, Callable[[], str]]] = [
            (6, self._put_live), (2, self._roll_back), (4, self._send_some), (14, self._close_windows),
            (3, self._rewrite_window), (3, self._open_alert), (2, self._acknowledge), (4, self._resolve),
            (2, self._fall_silent), (7, self._report), (3, self._end_process), (1, self._restart_daemon),
            (2, self._apply),
        ]  # fmt: skip
        text = "nothing"
        while text == "nothing":
            (chosen,) = self.chance.choices([step for _, step in steps], [weight for weight, _ in steps])
            text = chosen()
        self.told.append(f"{self.now:%H:%M} {text}")
        self._watch()

    def _watch(self) -> None:
        """The monitor's round, with what it may change of the past."""
        monitoring_round.evaluate_windows(self.services)
        for alert in self.all_alerts():
            if alert.id > self._newest_alert and alert.effective_at < self.now:
                self.rewritten.append(((alert.model, alert.target), alert.effective_at))
        self._newest_alert = max((alert.id for alert in self.all_alerts()), default=0)

    def _put_live(self) -> str:
        model = self.chance.choice(list(FLEET))
        version = self.chance.randint(1, VERSIONS)
        named = self.facts.named[model]
        there = {t for t in named if self.facts.live.get((model, t), (0,))[0] == version}
        targets = [t for t in named if t not in there and self.chance.random() < 0.7]
        if not targets:
            return "nothing"
        for target in targets:
            self._bring_clock(model, target)
        try:
            self.put_live(model, version, targets)
        except ConflictError as error:
            return f"not put live: {error}"
        return f"{model}/{version} live on {', '.join(targets)}"

    def put_live(self, model: str, version: int, targets: Sequence[str]) -> None:
        """Request and approval of a version on some targets. Raises ConflictError."""
        request = promotions.request_promotion(
            self.services, self.example.actor("sam"), f"{model}/{version}", targets, reason="better"
        )
        promotions.approve(
            self.services, self.example.actor("pat"), request.id, request.evidence_digest, "seen"
        )
        for target in targets:
            self.facts.live[model, target] = (version, self.now)

    def _roll_back(self) -> str:
        model = self.chance.choice(list(FLEET))
        on = [target for target in FLEET[model] if (model, target) in self.facts.live]
        for target in on:
            self._bring_clock(model, target)
        try:
            rolled = deployments.roll_back(
                self.services, self.example.actor("oscar"), model, reason="too slow"
            )
        except ConflictError as error:
            return f"not rolled back: {error}"
        for deployment in rolled:
            self.facts.live[model, deployment.target] = (deployment.version, self.now)
        return f"{model} rolled back: " + ", ".join(f"v{d.version} on {d.target}" for d in rolled)

    def _bring_clock(self, model: str, target: str) -> None:
        """Let the target's event clock be the wall clock, where it has one: what happens now is dated by it."""
        versions = [v for v in range(1, VERSIONS + 1) if (model, v, target) in self.facts.last_event]
        if versions:
            self.send(model, versions[-1], target)

    def _send_some(self) -> str:
        key = self._a_deployment()
        if key is None:
            return "nothing"
        version = self.facts.live[key][0]
        if self.chance.random() < 0.15:
            version = self.chance.randint(1, VERSIONS)
        self.send(key[0], version, key[1])
        return f"events of {key[0]}/{version} on {key[1]}"

    def send(self, model: str, version: int, target: str) -> None:
        """Three predictions that are made now."""
        self._sequence += 1
        times = np.array([to_us(self.now) - 2, to_us(self.now) - 1, to_us(self.now)], "<i8")
        numeric = {name: np.array([5.0, 9.0, 14.0], "<f8").tobytes() for name in ("wind", "hour")}
        batch = PredictionBatch(
            f"{target}-1", self._sequence, target, model, version, 3, times.tobytes(),
            np.array([0.1, 0.4, 0.7], "<f8").tobytes(), numeric, {"carrier": ["UA", "B6", "UA"]}, ["0", "0", "1"],
            [RequestTiming(3, 5_900, to_us(self.now))],
        )  # fmt: skip
        receipt = ingest_batch(self.services, batch)
        assert receipt.accepted == 3, receipt
        self.facts.last_event[model, version, target] = self.now

    def _close_windows(self) -> str:
        key = self._a_deployment()
        if key is None:
            return "nothing"
        version = self.facts.live[key][0]
        if self.chance.random() < 0.1:
            version = self.chance.randint(1, VERSIONS)
        if (key[0], version, key[1]) not in self.facts.last_event:
            self.send(key[0], version, key[1])
        told = []
        drawn = [m for m in _DRAWN if self.chance.random() < 0.55] or [readings.DRIFT]
        if readings.QUALITY in drawn and readings.DRIFT not in drawn:
            drawn.append(readings.DRIFT)  # both are of the same window
        enough = self.chance.random() < 0.8
        for monitor in drawn:
            is_judged = (
                enough if monitor in (readings.DRIFT, readings.QUALITY) else self.chance.random() < 0.8
            )
            told.append(self.write(key, version, monitor, self.now, self._draw(monitor, is_judged)))
        return f"windows of {key[0]}/{version} on {key[1]}: " + ", ".join(told)

    def _rewrite_window(self) -> str:
        """Late outcomes, or a back-fill: a closed window gets other figures, or an older one its first."""
        written = [key for key, ends in self.facts.windows.items() if ends]
        if not written:
            return "nothing"
        model, version, target, monitor = self.chance.choice(written)
        ends = self.facts.windows[model, version, target, monitor]
        end = self.chance.choice(sorted(ends))
        if self.chance.random() < 0.25:
            end -= timedelta(seconds=30)
        text = self.write(
            (model, target),
            version,
            monitor,
            end,
            self._draw(monitor, self.chance.random() < 0.8),
            again=True,
        )
        with self.services.registry.transaction() as connection:
            states.refresh(self.services, connection, {(model, target)})
        self.rewritten.append(((model, target), end))
        return f"back-fill of {model}/{version} on {target} to {end:%H:%M:%S}: {text}"

    def _draw(self, monitor: str, is_judged: bool) -> Judged:
        chance = self.chance.random
        if monitor == readings.DRIFT:
            return Judged(is_judged, features=chance() < 0.35, score=chance() < 0.15)
        if monitor == readings.QUALITY:
            return Judged(is_judged, features=chance() < 0.3)
        if monitor == readings.PERFORMANCE:
            return Judged(
                is_judged,
                performance=self.chance.choice(["", "", "", "doubtful", "slight", "slight", "certain"]),
            )
        return Judged(is_judged, latency=chance() < 0.25, errors=chance() < 0.15)

    def write(
        self, key: Key, version: int, monitor: str, end: datetime, drawn: Judged, *, again: bool = False
    ) -> str:
        (model, target), rows = key, 600 if drawn.judged else 40
        window = Window(start=end - timedelta(hours=1), end=end, rows=rows, judged=drawn.judged)
        closed = ClosedWindow(window=window, findings=_findings(monitor, drawn))
        with self.services.telemetry.transaction() as connection:
            stream = find_stream(connection, model, version, target)
            assert stream is not None
            put = revisions.replace if again else readings.write
            put(connection, stream.id, monitor, closed, to_us(self.now))
        self.facts.windows.setdefault((model, version, target, monitor), {})[end] = drawn
        flags = [
            name for name in ("features", "score", "performance", "latency", "errors") if getattr(drawn, name)
        ]
        return f"{monitor}{'' if drawn.judged else ' (thin)'} {'+'.join(flags) or 'quiet'}"

    def _open_alert(self) -> str:
        """An alert as the monitors open one, without the windows that it takes."""
        key = self._a_deployment()
        if key is None:
            return "nothing"
        version = self.facts.live[key][0]
        kind, subject = self.chance.choice(
            [("data_drift", "features"), ("performance", "auc"), ("latency", "p95")]
        )
        severity = self.chance.choice(["warning", "critical"])
        new = alerts.NewAlert(
            model=key[0], version=version, target=key[1], kind=kind, subject=subject, severity=severity,
            effective_at=self.now, summary=f"{kind} on {key[1]}", explanation="why", figures={"psi": 0.4},
        )  # fmt: skip
        alerts.open_alert(self.services, new)
        return f"alert of {kind}, {severity}, on {key[0]}/{version} on {key[1]}"

    def _acknowledge(self) -> str:
        unhandled = [alert for alert in self.all_alerts() if alert.status is AlertStatus.OPEN]
        if not unhandled:
            return "nothing"
        alert = self.chance.choice(unhandled)
        alerts.acknowledge(self.services, self.example.actor("oscar"), alert.id, "looking")
        return f"alert {alert.id} acknowledged"

    def _resolve(self) -> str:
        unresolved = [alert for alert in self.all_alerts() if alert.status is not AlertStatus.RESOLVED]
        if not unresolved:
            return "nothing"
        alert = self.chance.choice(unresolved)
        if self.chance.random() < 0.3:
            alerts.resolve_alert_automatically(self.services, alert.id, "quiet again")
            return f"alert {alert.id} resolved by the daemon"
        alerts.resolve(self.services, self.example.actor("oscar"), alert.id, "known")
        return f"alert {alert.id} ({alert.kind}) resolved"

    def _fall_silent(self) -> str:
        self.example.pass_time(minutes=self.chance.randint(50, 130))
        return "nothing comes for a while"

    def _report(self) -> str:
        target = self.chance.choice(sorted({target for targets in FLEET.values() for target in targets}))
        loaded: dict[str, int] = {}
        failed: dict[str, str] = {}
        for model in FLEET:
            deployed = self.facts.live.get((model, target))
            if deployed is None:
                continue
            fate = self.chance.random()
            if fate < 0.8:
                loaded[model] = deployed[0] if fate < 0.6 else self.chance.randint(1, VERSIONS)
            if fate > 0.7:
                failed[model] = "no memory"
        self._alive[target] = ServingReport(
            target, 8080, self.chance.randint(2, 9_999), loaded, failed, self.chance.randint(0, 3)
        )
        self.facts.reports[target] = Report(loaded, failed)
        self._beat()
        return f"{target} reports {loaded}, failed {list(failed)}"

    def _end_process(self) -> str:
        if not self._alive or self.chance.random() < 0.2:
            target = self.chance.choice(["ewr", "jfk", "lga"])
        else:
            target = self.chance.choice(sorted(self._alive))
        self._alive.pop(target, None)
        if self.chance.random() < 0.5:
            note_serving_end(self.services, target)
            self.facts.reports.setdefault(target, Report({}, {})).is_silent = True
            return f"the process of {target} ends"
        self._beat()
        return f"the process of {target} hangs"

    def _restart_daemon(self) -> str:
        announce_daemon(self.services, "none")
        self._pulse = self._new_pulse()
        for report in self.facts.reports.values():
            report.is_unheard = True
        heard = [target for target in sorted(self._alive) if self.chance.random() < 0.6]
        for target in heard:
            self._pulse.take_report(self._alive[target])
            self.facts.reports[target].is_silent = self.facts.reports[target].is_unheard = False
        return f"the daemon starts again, and hears of {heard}"

    def _new_pulse(self) -> Pulse:
        self._pulse_since = self.now
        return Pulse(self.services, own_name())

    def _beat(self) -> None:
        """Every process that lives reports, and the daemon writes its heartbeat."""
        for report in self._alive.values():
            self._pulse.take_report(report)
        self._pulse.beat()
        for target, last in self.facts.reports.items():
            last.is_silent = target not in self._alive and (last.is_silent or self._pulse_since < self.now)
            last.is_unheard = last.is_unheard and target not in self._alive

    def _apply(self) -> str:
        model = self.chance.choice(list(FLEET))
        of = self.chance.randint(2, 4)
        fire = self.chance.randint(1, of)
        targets = FLEET[model] if self.chance.random() < 0.7 else FLEET[model][:-1]
        write_model_file(self.example.root, model, targets, self.chance.choice([100, 300, 500]), fire, of)
        apply_models.apply(self.services, self.example.actor(ADMIN))
        self.facts.named[model], self.facts.rules[model] = targets, (fire, of)
        return f"model file of {model}: {fire} of {of}, on {', '.join(targets)}"

    def _a_deployment(self) -> Key | None:
        return self.chance.choice(sorted(self.facts.live)) if self.facts.live else None

    def _spec(self, model: str) -> ModelSpec:
        with self.services.registry.read() as connection:
            spec = spec_in_force(connection, model)
        assert spec is not None
        return spec


_DRAWN = (readings.DRIFT, readings.QUALITY, readings.PERFORMANCE, readings.TRAFFIC)


def _findings(monitor: str, drawn: Judged) -> tuple[Finding, ...]:
    if monitor == readings.DRIFT:
        beyond = {"wind": drawn.features, "hour": False, "score": drawn.score}
        return tuple(
            DriftFinding(
                feature=name, statistic="psi", value=0.31 if far else 0.03, threshold=0.12,
                p_value=0.0004 if far else 0.4, significant=far, statistics={"psi": 0.31 if far else 0.03},
            )
            for name, far in beyond.items()
        )  # fmt: skip
    if monitor == readings.QUALITY:
        return (
            QualityFinding(
                feature="wind", fault="missing", value=0.2 if drawn.features else 0.0, reference=0.0,
                threshold=0.02, p_value=0.0004 if drawn.features else 0.5, significant=drawn.features,
            ),
        )  # fmt: skip
    if monitor == readings.PERFORMANCE:
        value = {"": 0.71, "doubtful": 0.67, "slight": 0.69, "certain": 0.40}[drawn.performance]
        return (
            PerformanceFinding(
                metric="auc", value=value, low=value - 0.03, high=value + 0.03, reference=0.71,
                reference_low=0.70, reference_high=0.72, labelled_share=1.0,
                significant=drawn.performance in ("slight", "certain"),
            ),
        )  # fmt: skip
    return (
        TrafficFinding(
            requests=600, errors=300 if drawn.errors else 0, p50_ms=5.0, p95_ms=40.0 if drawn.latency else 6.0,
            p99_ms=50.0, baseline_p95_ms=5.8, latency_significant=drawn.latency, errors_significant=drawn.errors,
        ),
    )  # fmt: skip
