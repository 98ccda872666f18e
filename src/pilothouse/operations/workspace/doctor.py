"""Checks of a workspace that change nothing: databases, chain, artifacts, disk, rights, isolation, processes."""

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator

from pilothouse.confinement import probe
from pilothouse.domain.confinement import (
    PAGE,
    Promise,
    confines,
    held_by,
    in_short,
    promise_lines,
    refusal,
    verdict,
)
from pilothouse.domain.doctor import Finding, end_text
from pilothouse.domain.errors import IntegrityError, PilothouseError, UnavailableError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.models.upgrade import release_line
from pilothouse.domain.monitoring.monitoring import ServingState
from pilothouse.inference.safe_format import scikit_learn_here
from pilothouse.operations.authorisation import authorise, changing, clock_is_behind
from pilothouse.operations.fleet import health, hub_door, processes
from pilothouse.operations.integrations import cluster
from pilothouse.operations.promotion import signature_checks
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.operations.transparency import log_health
from pilothouse.operations.workspace import (
    audits,
    before_upgrade,
    erasure_checks,
    list_checks,
    private_files,
    serving_checks,
    stored_row_checks,
    write_state,
)
from pilothouse.sqlite import Database, driver
from pilothouse.sqlite.connection import check_file_system, check_library
from pilothouse.store.deployed import deployment_states, deployments
from pilothouse.store.log import audit, row_digests
from pilothouse.store.models import imported, portable_models, versions
from pilothouse.store.models.used_versions import used_versions
from pilothouse.store.work import jobs

_LOW_DISK = 1 << 30
_NAMED = 5
"""Versions that a finding names at most."""
_LARGE_WAL = 256 << 20
_STATES_CHECKED = 2_000
"""Deployments whose state is computed again at most; models are drawn at random where there are more."""


_INDEXES_UP_TO = 16 << 20
"""Bytes of a database whose indexes are compared with their tables without being asked for."""
_PAGES_UP_TO = 512 << 20
"""Bytes of a database whose pages and references are all walked without being asked for: seconds."""
_NEWEST_ENTRIES = 50_000
"""Entries of the log whose hashes are computed again without being asked for."""
_ROWS_UP_TO = 200_000
"""Rows that decide up to which all are compared without being asked for; of more, the newest of each table."""
_NEWEST_ROWS = 20_000
_BYTES_READ = 2 << 30
"""Bytes of artifacts that are read without being asked for; files are drawn at random where there are more."""


def diagnose(
    services: Services, actor: Actor, *, full: bool = False, tell: Callable[[str], None] | None = None
) -> list[Finding]:
    """Findings of all checks; one that fails does not stop the others. Raises NotAllowedError.

    Each finding says what was examined: of large databases and long logs a part, unless ``full``. ``tell`` is told which check
    is under way.
    """
    authorise(services, actor)
    under_way = ""

    def told(what: str) -> audits.Progress | None:
        return audits.said(tell and (lambda text: tell(f"{under_way}, {text}")), what)

    checks: dict[str, Callable[[], str]] = {
        "sqlite": lambda: _library(services),
        "registry": lambda: _registry(services, full),
        "telemetry": lambda: _telemetry(services, full),
        "stored rows": lambda: stored_row_checks.examine(services, full),
        "audit chain": lambda: _chain(services, actor, full, told("entries verified")),
        "records": lambda: _records(services, actor, full, told("rows compared with the log")),
        "signatures": lambda: signature_checks.examine(services, actor),
        "transparency": lambda: log_health.examine(services, actor),
        "incidents": lambda: list_checks.incidents_listed(services),
        "versions": lambda: list_checks.versions_listed(services),
        "states": lambda: _states(services),
        "seal": lambda: write_state.check_seal(services, told("rows compared with the seal")),
        "artifacts": lambda: _artifacts(services, full),
        "erasures": lambda: erasure_checks.examine(services),
        "portable": lambda: _portable(services),
        "scikit-learn": lambda: _scikit_learn(services),
        "clients": lambda: serving_checks.examine(services),
        "hub": lambda: hub_door.examine(services),
        "orphans": lambda: _orphans(services),
        "kept copy": lambda: before_upgrade.kept_text(services.paths),
        "secrets": lambda: private_files.examine(services),
        "clock": lambda: _clock(services),
        "writing": lambda: _writing(services),
    }
    findings = []
    for number, (name, check) in enumerate(checks.items(), 1):
        under_way = f"check {number} of {len(checks)}: {name}"
        if tell is not None:
            tell(under_way)
        findings.append(_run(name, check))
    findings += [*_surroundings(services), _guarded("daemon", lambda: _daemon(services))]
    if cluster.settings_in_force(services).engine != "local":
        findings.append(_guarded("cluster", lambda: _cluster(services, actor)))
    if processes.daemon_state(services).running or not _live(services):
        findings.append(_run("serving", lambda: _serving(services, actor)))
    return findings


def _run(name: str, check: Callable[[], str]) -> Finding:
    return _guarded(name, lambda: Finding(name, True, check()))


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except PilothouseError as error:
        return Finding(name, False, str(error))
    except Exception as error:  # noqa: BLE001 - on damaged records anything may fail: that is a finding too
        return Finding(name, False, f"could not be examined: {type(error).__name__}: {error}")


def _library(services: Services) -> str:
    check_library()
    check_file_system(services.paths.state)
    return f"version {driver.sqlite_version}, on a local file system"


def _writing(services: Services) -> str:
    services.write_guard.check()
    sizes = [path.stat().st_size for path in services.paths.state.glob("*.db-wal")]
    if sum(sizes) > _LARGE_WAL:
        raise UnavailableError(
            f"the write-ahead logs hold {sum(sizes) >> 20} MiB: a reader has been left open; end old consoles"
        )
    return f"allowed; write-ahead logs hold {sum(sizes) >> 10} KiB"


def _clock(services: Services) -> str:
    """The wall clock orders audit, leases and expiry: it must not be earlier than the newest audit entry."""
    with services.registry.read() as connection:
        newest = audit.newest_recorded(connection)
    now = services.now()
    if newest is not None and now < newest - audit.TOLERANCE:
        raise UnavailableError(clock_is_behind(now, newest))
    return f"{now:%Y-%m-%d %H:%M:%S} UTC, not before the newest entry of the log"


def repair_states(services: Services, actor: Actor) -> int:
    """Write the states of all deployments anew from the facts; returns how many were wrong. Raises NotAllowedError."""
    wrong = states.differing(services)
    with changing(services, actor, Permission.REPAIR) as change:
        states.rebuild(services, change.connection)
        change.record("states.rebuilt", "workspace", {"wrong": len(wrong)})
    return len(wrong)


def _states(services: Services) -> str:
    """Raises IntegrityError where a state on record is not what follows from the facts."""
    with services.registry.read() as connection:
        total = sum(deployment_states.count_by_health(connection).values())
    wrong = states.differing(services, at_most=_STATES_CHECKED)
    if wrong:
        named = ", ".join(f"{model} on {target}" for model, target in wrong[:3])
        raise IntegrityError(
            f"the state of {named}{f' and {len(wrong) - 3} more' if len(wrong) > 3 else ''} is not what follows from its "
            "windows, alerts and reports: run pilothouse doctor --repair"
        )
    checked = min(total, _STATES_CHECKED)
    return f"{checked:,} of {total:,} deployments have the state that follows from the facts"


def _orphans(services: Services) -> str:
    """Artifacts that no row names: interrupted work left them. They are harmless and reported for their size."""
    with services.registry.read() as connection:
        named = {*versions.artifact_digests(connection), *imported.file_digests(connection)}
    orphans = [digest for digest in services.artifacts.digests() if digest not in named]
    size = sum(services.artifacts.size(digest) for digest in orphans)
    return (
        f"{len(orphans)} artifacts ({size:,} bytes) belong to no run: pilothouse gc lists them"
        if orphans
        else "none"
    )


def _registry(services: Services, full: bool) -> str:
    return _sound(services.registry, full)


def _telemetry(services: Services, full: bool) -> str:
    if not services.paths.telemetry.exists():
        return "nothing has arrived yet"
    return _sound(services.telemetry, full)


def _sound(database: Database, full: bool) -> str:
    size = database.path.stat().st_size
    indexes, pages = full or size <= _INDEXES_UP_TO, full or size <= _PAGES_UP_TO
    database.check(indexes=indexes, pages=pages)
    if not pages:
        return (
            f"{size:,} bytes, its tables, indexes and triggers are those of this release; its pages, references and indexes "
            "were not looked at: --full does it"
        )
    return f"{size:,} bytes, sound" + ("" if indexes else "; its indexes were not compared: --full does it")


def _chain(services: Services, actor: Actor, full: bool, progress: audits.Progress | None) -> str:
    head = audits.verify_chain(
        services, actor, newest=None if full else _NEWEST_ENTRIES, progress=progress if full else None
    )
    ends = f"head {head.count}:{head.hash}"
    if full or head.count <= _NEWEST_ENTRIES:
        return f"{head.count} entries, {ends}"
    return f"the newest {_NEWEST_ENTRIES} of {head.count} entries, {ends}; --full verifies all"


def _records(services: Services, actor: Actor, full: bool, progress: audits.Progress | None) -> str:
    with services.registry.read() as connection:
        rows = row_digests.count(connection)
    if full or rows <= _ROWS_UP_TO:
        audits.check_rows(services, actor, progress=progress)
        return f"{rows:,} rows that decide are what the audit log says"
    audits.check_rows(services, actor, newest=_NEWEST_ROWS)
    return (
        f"of {rows:,} rows that decide the newest {_NEWEST_ROWS:,} of each table, and those of the newest {_NEWEST_ROWS:,} "
        "changes, are what the audit log says; --full compares all, as the daemon does once a day"
    )


def _artifacts(services: Services, full: bool) -> str:
    here = list(services.artifacts.digests())
    known = set(here)
    with services.registry.read() as connection:
        for digest in (*versions.artifact_digests(connection), *imported.file_digests(connection)):
            if digest not in known:
                services.artifacts.path(
                    services.artifacts.left_of(digest)
                )  # raises where the file is missing
    if not full:
        random.shuffle(here)  # others each time
    count = size = 0
    for digest in here:
        if size > _BYTES_READ and not full:
            return (
                f"none of {len(here):,} files is missing; {count:,} of them, {size:,} bytes, drawn at random, have the bytes "
                "of their digests; --full reads all"
            )
        size += len(services.artifacts.read(digest))
        count += 1
    return f"{count} files, {size:,} bytes, each with the bytes of its digest"


def _portable(services: Services) -> str:
    """Which live versions only their scikit-learn reads: no fault today, and one at its next release."""
    with services.registry.read() as connection:
        live = portable_models.of_live_versions(connection)
    if not live:
        return "no version is live"
    tied = [
        f"{model}/{number} is {form.tied if form else 'of a release without portable forms'}"
        for model, number, form in live
        if form is None or form.tied
    ]
    more = [f"and {len(tied) - _NAMED} more"] if len(tied) > _NAMED else []
    count = f"{len(live) - len(tied)} of {len(live)} live versions have a portable form"
    older = any(form is None for _, _, form in live)
    helps = ["pilothouse upgrade --convert makes those of earlier releases"] if older else []
    return "; ".join([count, *tied[:_NAMED], *more, *helps])


def _scikit_learn(services: Services) -> str:
    """How many live versions need which scikit-learn, and whether this one is another."""
    with services.registry.read() as connection:
        live = [version for version in used_versions(connection) if version.live_on]
    here = scikit_learn_here()
    tied = Counter(release_line(version.scikit_learn) for version in live if not version.portable_digest)
    parts = [
        f"{count} live version{'s' * (count != 1)} tied to {line}"
        f"{'' if line == release_line(here) else ', which is another: pilothouse upgrade --check says what it does here'}"
        for line, count in sorted(tied.items())
    ]
    return "; ".join([f"{here} here", *(parts or ["no live version is tied to a release"])])


def _surroundings(services: Services) -> Iterator[Finding]:
    free = shutil.disk_usage(services.paths.state).free
    yield Finding(
        "disk",
        free >= _LOW_DISK,
        f"{free / 2**30:.1f} GiB free" + ("" if free >= _LOW_DISK else ": make room"),
    )
    paths = services.paths
    private = (paths.state, paths.registry, paths.telemetry, paths.jobs, paths.serving, paths.artifacts)
    exposed = [path for path in private if path.exists() and path.stat().st_mode & 0o077]
    commands = ", ".join(f"chmod go-rwx {path}" for path in exposed)
    yield Finding(
        "rights", not exposed, f"open to other users: run {commands}" if exposed else "only for their owner"
    )
    offered = probe.offered()
    said = verdict(offered, processes.daemon_state(services).mode)
    advice = "" if confines(offered) else f"; {refusal(offered)}"
    yield Finding("isolation", confines(offered), f"{said}{advice}; see {PAGE}")
    for promise, line in zip(Promise, promise_lines(offered), strict=True):
        yield Finding("isolation", bool(held_by(promise, offered)), line)


def _live(services: Services) -> int:
    with services.registry.read() as connection:
        return len(deployments.live(connection))


def _daemon(services: Services) -> Finding:
    """A stopped daemon is a fault where deployments or queued jobs wait for it."""
    state = processes.daemon_state(services)
    if state.running:
        return Finding("daemon", True, f"runs, pid {state.pid}, isolation {in_short(state.isolation)}")
    with services.registry.read() as connection:
        waiting = len(jobs.listed(connection, status=JobStatus.QUEUED))
    live = _live(services)
    parts = [
        f"{n} {noun}{'s' * (n != 1)}" for n, noun in ((live, "deployment"), (waiting, "queued job")) if n
    ]
    wait = f": {' and '.join(parts)} wait{'s' * (live + waiting == 1)} for it" if parts else ""
    untold = "; whether targets answer cannot be told while the daemon does not run" if live else ""
    text = f"does not run, {end_text(state)}{wait}{untold}; start it with pilothouse daemon start"
    return Finding("daemon", not parts, text)


def _cluster(services: Services, actor: Actor) -> Finding:
    """Whether the cluster that runs steps can be reached, with workers that can."""
    state = cluster.cluster_state(services, actor)
    if state is None:
        scheduler = cluster.settings_in_force(services).scheduler
        text = f"steps run on {scheduler}; no daemon has told of it, for none runs with these settings"
        return Finding("cluster", True, text)
    return Finding("cluster", not state.faults, "; ".join([state.summary, *state.faults, state.scheduler]))


def _serving(services: Services, actor: Actor) -> str:
    """Raises UnavailableError with the deployments whose serving process is down or has failed."""
    states = [state for state in health.target_states(services, actor) if state.deployment is not None]
    faults = [
        f"{state.model} on {state.target} is {state.serving}{f': {state.serving_error}' if state.serving_error else ''}"
        for state in states
        if state.serving in _NOT_ANSWERING
    ]
    if faults:
        logs = dict.fromkeys(
            f"state/serving/{state.target}/serving.log"
            for state in states
            if state.serving in _NOT_ANSWERING
            and (services.paths.serving_folder(state.target) / "serving.log").exists()
        )
        see = f": see {', '.join(list(logs)[:3])}" if logs else ""
        raise UnavailableError(f"{'; '.join(faults)}{see}")
    counts = Counter(state.serving for state in states)
    return ", ".join(f"{count} {serving}" for serving, count in counts.items()) or "nothing is deployed"


_NOT_ANSWERING = (
    ServingState.DOWN,
    ServingState.FAILED,
    ServingState.NOT_REPORTED,
    ServingState.NOT_HEARD,
)
