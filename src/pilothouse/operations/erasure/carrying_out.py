"""An erasure ordered and carried out, in steps of which each may be the last that a process does: the next run goes on.

The order is one transaction. Then: files, predictions, files of jobs, summaries on record; both databases are written anew; and
the tombstone comes last, when all of it has gone. An order that is on record is carried out, never taken back.
"""

import json
from collections.abc import Sequence

from pilothouse.artifacts.artifact_store import Mark
from pilothouse.domain.erasure import (
    COMPLETED,
    ORDERED,
    ErasedFile,
    ErasedRows,
    Erasure,
    Plan,
    counts_of,
    statement_digest,
    tombstone,
)
from pilothouse.domain.errors import ConflictError, IntegrityError, NotFoundError, UnavailableError
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.models.dataclass_reader import read_dataclass, to_plain
from pilothouse.interop import signing_keys
from pilothouse.operations.authorisation import Change, authorise, changing
from pilothouse.operations.dossier.signing_key import private_key
from pilothouse.operations.erasure import planning, replay_examples, summaries, tombstones
from pilothouse.operations.erasure.files_with_rows import without_lines, without_rows
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import write_state
from pilothouse.sqlite import Connection, Database
from pilothouse.store import erasures, legal_holds
from pilothouse.store.log import audit, seals
from pilothouse.system import files
from pilothouse.system.turns import turn
from pilothouse.telemetry.intake.faults import reach
from pilothouse.telemetry.rows import erasing, erasing_examples

_TRIES = 5
_BUSY = (
    "a backup is being made, or another process carries an erasure out: the order stands; run pilothouse erase finish when "
    "that is done"
)
_SUMMARISED = "erasure.summaries"
_REPLAYED = "erasure.examples_taken"


def order(services: Services, actor: Actor, name: str) -> Erasure:
    """Order a plan to be carried out; with it nothing is gone yet.

    Raises NotAllowedError (role, or a second person), NotFoundError (no such plan), InvalidInputError (no name of one) or
    ConflictError (a legal hold, a job that runs, a plan that was ordered).
    """
    authorise(services, actor, Permission.ERASE)
    plan = planning.read_plan(services, name)
    with changing(services, actor, Permission.ERASE) as change:
        number = put_order(change, plan)
        found = erasures.find(change.connection, number)
        assert found is not None
    return found


def put_order(change: Change, plan: Plan, *, repeats: str = "") -> int:
    """Record the order of a plan in a change; ``repeats``: digest of the tombstone that it repeats."""
    _check_free(change.connection, plan)
    if erasures.of_plan(change.connection, plan.digest) is not None:
        raise ConflictError("this plan is ordered already: pilothouse erase finish carries it out")
    if not repeats:
        _check_as_planned(change.connection, plan)
    number = erasures.add(
        change.connection,
        plan,
        reason=plan.reason,
        by=change.actor.name,
        second=change.second.name if change.second else "",
        repeats=repeats,
        at=change.at,
    )
    detail = {
        "plan": plan.digest,
        "model": plan.model,
        "named_by": plan.named_by,
        "reason": plan.reason,
        **counts_of(plan),
        **({"repeats": repeats} if repeats else {}),
    }
    change.record(ORDERED, f"erasure {number}", detail)
    return number


def finish(services: Services, actor: Actor) -> list[Erasure]:
    """Carry out every order that is not done yet; returns them with their tombstones. Raises what ``carry_out`` raises."""
    authorise(services, actor, Permission.ERASE)
    with services.registry.read() as connection:
        waiting = erasures.unfinished(connection)
    return [carry_out(services, actor, erasure) for erasure in waiting]


def carry_out(services: Services, actor: Actor, erasure: Erasure) -> Erasure:
    """Carry out an order, or go on with it. Twice is as good as once.

    Raises NotAllowedError, IntegrityError (a file is damaged), or UnavailableError (a reader keeps a database from being
    written anew; the order stands).
    """
    authorise(services, actor, Permission.ERASE)
    with services.registry.read() as connection:
        if erasures.of_plan(connection, erasure.plan_digest) is None:
            raise NotFoundError(f"erasure {erasure.id} was never ordered: pilothouse erase apply does it")
    reach("erasure ordered")
    with turn(services.paths.copying_lock, _BUSY, alone=True):
        done = _carry_out(services, actor, erasure, private_key(services, actor))
    reach("erasure complete")
    tombstones.put_file(services, done)
    planning.forget_plan(services, done.plan)
    return done


def _carry_out(services: Services, actor: Actor, erasure: Erasure, key: bytes) -> Erasure:
    gone = _erase_files(services, erasure.plan)
    reach("erasure of files done")
    report = _erase_predictions(services, erasure.plan)
    reach("erasure of predictions done")
    _erase_job_files(services, erasure.plan)
    reach("erasure of job files done")
    _erase_summaries(services, actor, erasure)
    _erase_replay_examples(services, actor, erasure)
    reach("erasure of summaries done")
    for database in _databases(services):
        _write_anew(database)
        reach("erasure has written a database anew")
    rows, elsewhere = report
    elsewhere = {**elsewhere, **_counted(erasure.plan)}
    with changing(services, actor, Permission.ERASE, alone=True) as change:
        done = erasures.find(change.connection, erasure.id)
        assert done is not None
        if not done.is_complete:
            _put_tombstone(change, done, gone, rows, elsewhere, key)
        done = erasures.find(change.connection, erasure.id)
        assert done is not None
    return done


def _put_tombstone(
    change: Change,
    erasure: Erasure,
    gone: Sequence[ErasedFile],
    rows: Sequence[ErasedRows],
    elsewhere: dict[str, int],
    key: bytes,
) -> None:
    head = audit.head(change.connection)
    statement = tombstone(erasure, gone, rows, elsewhere, (head.count, head.hash), change.at)
    signature = signing_keys.sign(key, statement).hex()
    public = signing_keys.public_part(key).decode()
    text = statement.decode()
    erasures.add_tombstone(change.connection, erasure.id, text, signature, public, gone, change.at)
    change.record(
        COMPLETED,
        f"erasure {erasure.id}",
        {
            "plan": erasure.plan_digest,
            "reason": erasure.reason,
            "ordered_by": erasure.ordered_by,
            "tombstone": statement_digest(text),
            "key": signing_keys.fingerprint(public.encode()),
            "files": {file.digest: [file.left, file.rows, file.of_rows] for file in gone},
            "predictions": sum(part.rows for part in rows),
            "elsewhere": elsewhere,
        },
    )


def _check_free(connection: Connection, plan: Plan) -> None:
    """Raise ConflictError where a legal hold stands on the rows, or a job runs that may have read them."""
    models = {batch.model for batch in (*plan.batches, *plan.kept)} | {plan.model}
    for hold in legal_holds.all_holds(connection):
        if hold.lifted_at is None and (hold.model in ("", *models) or not plan.model):
            raise ConflictError(
                f"legal hold {hold.id} stands on {hold.scope}: {hold.reason}; nothing of it is erased before it is lifted"
            )
    _, running = erasures.jobs_to_look_at(connection, plan.model)
    if running:
        raise ConflictError(
            f"job {running[0]} runs, and may have read the rows: wait for its end, or cancel it; then make the plan anew"
        )


def _check_as_planned(connection: Connection, plan: Plan) -> None:
    """Raise ConflictError where another erasure has written a file or a record of the plan anew, or will: the plan names rows
    of it by their places before, and they would stay while the tombstone says that they are gone."""
    others = erasures.unfinished(connection)
    written = erasures.replaced(connection) | {file.digest for other in others for file in other.plan.files}
    cut = {(cell.table, cell.key) for other in others for cell in other.plan.cells}
    if (
        any(file.digest in written for file in plan.files)
        or any((cell.table, cell.key) in cut for cell in plan.cells)
        or summaries.have_changed(connection, plan.cells)
    ):
        raise ConflictError(
            "another erasure was ordered since this plan was made, and writes some of its places anew: let it end "
            "(pilothouse erase finish), then make the plan anew"
        )


def _erase_files(services: Services, plan: Plan) -> list[ErasedFile]:
    """Put what is left of each file in its place. Of files that are not here, as in a workspace that was restored to a time
    before, nothing is said. Raises IntegrityError."""
    gone = []
    for file in plan.files:
        mark = services.artifacts.mark(file.digest)
        if not services.artifacts.has(file.digest):
            if mark is not None and mark.plan == plan.digest:
                gone.append(ErasedFile(file.digest, mark.left, file.name, mark.rows, mark.of_rows))
            continue
        data = services.artifacts.read(file.digest)
        rest = without_lines(data, file.rows) if file.is_text else without_rows(data, file.rows)
        left = services.artifacts.put_bytes(rest)
        services.artifacts.erase(Mark(file.digest, left, len(file.rows), file.of_rows, plan.digest), rest)
        gone.append(ErasedFile(file.digest, left, file.name, len(file.rows), file.of_rows))
        reach("erasure of a file done")
    return gone


def _erase_predictions(services: Services, plan: Plan) -> tuple[list[ErasedRows], dict[str, int]]:
    """Erase rows of predictions and what belongs to them in one transaction, which notes what it took."""
    if not services.paths.telemetry.exists():
        return [], {}
    with services.telemetry.transaction() as connection:
        noted = connection.execute("SELECT report FROM erasures WHERE plan=?", (plan.digest,)).fetchone()
        if noted is None:
            connection.execute("PRAGMA secure_delete = ON")
            rows = erasing.erase(connection, plan.batches)
            erasing.forget_unused_texts(connection, plan.model)
            report = {
                "rows": [to_plain(part) for part in rows],
                "elsewhere": {
                    "kept rejections": erasing.erase_kept(connection, plan.kept, to_us(services.now())),
                    "examples of rejections": erasing_examples.erase(connection, plan.examples, plan.totals),
                    "waiting outcomes": erasing.erase_waiting(connection, plan.waiting),
                    "outcomes": sum(part.outcomes for part in rows),
                },
            }
            noted = (json.dumps(report),)
            connection.execute("INSERT INTO erasures VALUES (?,?)", (plan.digest, *noted))
        reach("erasure before the commit of predictions")
    plain = json.loads(noted[0])
    return [_read_rows(part) for part in plain["rows"]], plain["elsewhere"]


def _read_rows(plain: object) -> ErasedRows:
    problems: list[str] = []
    rows = read_dataclass(ErasedRows, plain, "report", problems)
    if rows is None or problems:
        raise IntegrityError(f"telemetry's report of an erasure is not valid: {problems[:1]}")
    return rows


def _erase_job_files(services: Services, plan: Plan) -> None:
    """Delete records of ended jobs, and write their logs without some lines."""
    for file in plan.job_files:
        path = services.paths.state / file.path
        if (
            not path.is_file()
            or path.is_symlink()
            or not path.resolve().is_relative_to(services.paths.jobs.resolve())
        ):
            continue
        if file.lines:
            files.write_atomically(path, without_lines(path.read_bytes(), file.lines))
        else:
            path.unlink()


def _erase_summaries(services: Services, actor: Actor, erasure: Erasure) -> None:
    """Take entries out of summaries on record, and seal the registry anew: these records have changed."""
    if not erasure.plan.cells:
        return
    write_state.check_seal(services)
    with changing(services, actor, Permission.ERASE, alone=True) as change:
        change.connection.execute("PRAGMA secure_delete = ON")
        count = summaries.erase(change.connection, erasure.plan.cells)
        if count:
            change.record(_SUMMARISED, f"erasure {erasure.id}", {"entries": count})
            change.record(seals.ACTION, "workspace", {"tables": seals.take(change.connection)})


def _erase_replay_examples(services: Services, actor: Actor, erasure: Erasure) -> None:
    """Take examples out of the results of replays. What is not there any more is no change."""
    with services.registry.read() as connection:
        if not replay_examples.count(connection, erasure.plan.batches):
            return
    write_state.check_seal(services)
    with changing(services, actor, Permission.ERASE, alone=True) as change:
        change.connection.execute("PRAGMA secure_delete = ON")
        count = replay_examples.erase(change.connection, erasure.plan.batches)
        change.record(_REPLAYED, f"erasure {erasure.id}", {"examples": count})
        change.record(seals.ACTION, "workspace", {"tables": seals.take(change.connection)})


def _databases(services: Services) -> list[Database]:
    known: list[Database] = [services.registry]
    return [services.telemetry, *known] if services.paths.telemetry.exists() else known


def _write_anew(database: Database) -> None:
    """Raises UnavailableError where a reader keeps the old pages."""
    for _ in range(_TRIES):
        if database.rewrite():
            return
    raise UnavailableError(
        f"{database.path.name}: somebody reads an old state of it, so that its log still holds the rows: end old consoles, "
        "then run pilothouse erase finish"
    )


def _counted(plan: Plan) -> dict[str, int]:
    return {
        "entries of summaries": sum(len(cell.entries) for cell in plan.cells),
        "files of jobs": len(plan.job_files),
    }


def get(services: Services, actor: Actor, number: int) -> Erasure:
    """One erasure. Raises NotFoundError or NotAllowedError."""
    authorise(services, actor)
    with services.registry.read() as connection:
        found = erasures.find(connection, number)
    if found is None:
        raise NotFoundError(f"there is no erasure {number}: pilothouse erase list names them")
    return found


def list_erasures(services: Services, actor: Actor) -> list[Erasure]:
    """Every erasure, oldest first."""
    authorise(services, actor)
    with services.registry.read() as connection:
        return erasures.every(connection)
