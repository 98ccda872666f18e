"""Plan of an erasure: where a person's rows are, as places alone, in a file of the workspace until it is ordered."""

import secrets
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass

from pilothouse.domain.erasure import (
    BatchRows,
    FileRows,
    JobFile,
    Plan,
    Selection,
    check_selection,
    plan_from_plain,
)
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.promotion.proposals import LASTS
from pilothouse.operations.authorisation import authorise, clean_text
from pilothouse.operations.catalogue import require_model
from pilothouse.operations.erasure import exported, residue, summaries
from pilothouse.operations.erasure.files_with_rows import TABLE, lines_with, pattern_of, rows_with
from pilothouse.operations.services import Services
from pilothouse.store import erasures
from pilothouse.store.models import versions
from pilothouse.system import files
from pilothouse.telemetry.rows import erasing, erasing_examples

_FEWEST_DIGITS = 12
"""Digits of a plan at least: fewer could be met by another plan on purpose."""
_LONGEST_NAME = 64
_ROWS = ("snapshot", "train", "holdout")
_LOG = "log.txt"
_SEGMENTS = "*/**/*.segment"
"""Files of the spools of serving processes, below their folder."""
_SHIPPED_WITHIN_S = 20.0
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class PlanReport:
    """A plan, what cannot be named by it, and where the value stands beside rows."""

    plan: Plan
    unnamed: tuple[str, ...]
    """Places whose rows have not the columns, so that none can be found there."""
    elsewhere: tuple[str, ...]
    """Places in which a value stands beside what the plan takes."""
    sources: tuple[str, ...]
    """Sources of models in which a value stands: they are the user's own, and the next training reads them."""
    backups: tuple[str, ...]
    """Backups in the workspace that may hold the rows."""
    exports: tuple[str, ...]
    """Exported predictions in which a value stands, and exports that could not be searched."""
    is_searched: bool
    """False where each value is too short to be searched for beside rows."""


def make_plan(services: Services, actor: Actor, selection: Selection, reason: str = "") -> PlanReport:
    """Find a person's rows. With a reason the plan, which says where they are and holds no value, is kept to be ordered.

    Raises NotAllowedError, InvalidInputError (nothing is named, or the reason names the person), NotFoundError (no such
    model) or ConflictError (predictions that have not been shipped yet).
    """
    authorise(services, actor, Permission.ERASE)
    reason = clean_text(reason, "the reason")
    check_selection(selection, reason)
    _forget_old(services)
    if selection.model:
        with services.registry.read() as connection:
            require_model(connection, selection.model)
    _check_spools(services)
    stored, unnamed = _in_files(services, selection)
    batches, kept, examples, totals, waiting, lacking = _in_telemetry(services, selection)
    with services.registry.read() as connection:
        cells = tuple(summaries.find(connection, selection.model, selection.where))
        ended, _ = erasures.jobs_to_look_at(connection, selection.model)
    plan = Plan(
        model=selection.model,
        columns=tuple(dict.fromkeys(name for name, _ in selection.where)),
        ids=len(selection.predictions),
        salt=secrets.token_hex(8),
        reason=reason,
        files=tuple(stored),
        batches=tuple(batches),
        kept=tuple(kept),
        examples=tuple(examples),
        totals=tuple(totals),
        waiting=tuple(waiting),
        cells=cells,
        job_files=tuple(_of_jobs(services, ended, selection)),
    )
    if reason and not plan.is_empty:
        _put(services, plan)
    return PlanReport(
        plan,
        tuple(unnamed + lacking),
        tuple(residue.search(services, selection.values, plan)),
        tuple(residue.in_sources(services, selection.values, selection.model)),
        tuple(backups_of(services)),
        tuple(exported.search(services, selection.values)),
        any(len(value) >= residue.SHORTEST for value in selection.values),
    )


def read_plan(services: Services, name: str) -> Plan:
    """Plan by the first digits of its digest. Raises NotFoundError, InvalidInputError (several) or IntegrityError."""
    if not _FEWEST_DIGITS <= len(name) <= _LONGEST_NAME or set(name) - set("0123456789abcdef"):
        raise InvalidInputError(f"{name[:70]!r} is no plan: expected what pilothouse erase plan printed")
    found = sorted(services.paths.erasure_plans.glob(f"{name}*.json"))
    if not found:
        raise NotFoundError(f"there is no plan {name}: make it anew with pilothouse erase plan")
    if len(found) > 1:
        raise InvalidInputError(f"{name}: {len(found)} plans begin so; type more of its digits")
    plan = plan_from_plain(files.read_json(found[0]))
    if plan.digest != found[0].stem:
        raise NotFoundError(f"{found[0]} is not what it was: make the plan anew")
    return plan


def forget_plan(services: Services, plan: Plan) -> None:
    """Delete the file of a plan, which is in the registry once it is ordered."""
    (services.paths.erasure_plans / f"{plan.digest}.json").unlink(missing_ok=True)


def backups_of(services: Services) -> Iterator[str]:
    """Names of the backups that lie in the workspace."""
    folder = services.paths.root / "backups"
    yield from (f"backups/{path.name}" for path in sorted(folder.glob("*")) if path.is_file())


def _put(services: Services, plan: Plan) -> None:
    folder = services.paths.erasure_plans
    folder.mkdir(mode=0o700, exist_ok=True)
    files.write_atomically(folder / f"{plan.digest}.json", plan.to_text().encode())


def _check_spools(services: Services) -> None:
    """Wait for the predictions that are on their way: they are in no table yet. Raises ConflictError where they do not come."""
    waiting = [path for path in services.paths.serving.glob(_SEGMENTS) if path.is_file()]
    until = time.monotonic() + _SHIPPED_WITHIN_S
    while waiting and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
        waiting = [path for path in waiting if path.exists()]
    if waiting:
        raise ConflictError(
            f"{waiting[0].relative_to(services.paths.serving).parts[0]} holds predictions that were not shipped yet, in which "
            "the rows may be: let the daemon take them in (pilothouse daemon start), then plan again"
        )


def _in_files(services: Services, selection: Selection) -> tuple[list[FileRows], list[str]]:
    """Rows of snapshots, of the parts of them, and of the predictions on hold-outs; and the versions whose snapshot has not the
    columns."""
    with services.registry.read() as connection:
        of_versions = erasures.row_files(connection, selection.model)
    found: dict[str, FileRows] = {}
    unnamed, looked = [], dict[str, tuple[list[int], int] | None]()
    pattern = pattern_of(selection.values)
    for version in of_versions:
        name = f"{version['model']}/{version['number']}"
        for part in _ROWS:
            digest = version[part] and services.artifacts.left_of(version[part])
            if not digest or not selection.where:
                continue
            if digest not in looked:
                looked[digest] = rows_with(services.artifacts.read(digest), selection.where)
            matched = looked[digest]
            if matched is None:
                unnamed += [f"the rows of {name}"] if part == "snapshot" else []
            elif matched[0]:
                found.setdefault(digest, FileRows(digest, f"{part} of {name}", tuple(matched[0]), matched[1]))
                if part == "holdout":
                    answers = services.artifacts.left_of(version["predictions"])
                    found.setdefault(
                        answers,
                        FileRows(
                            answers, f"predictions on the hold-out of {name}", tuple(matched[0]), matched[1]
                        ),
                    )
        log = version["log"] and services.artifacts.left_of(version["log"])
        if log and log not in looked:
            looked[log] = lines_with(services.artifacts.read(log), pattern)
            lines, count = looked[log] or ([], 0)
            if lines:
                found[log] = FileRows(log, f"log of {name}", tuple(lines), count, is_text=True)
    found |= {file.digest: file for file in _of_no_run(services, selection, looked)}
    return [found[digest] for digest in sorted(found)], unnamed


def _of_no_run(services: Services, selection: Selection, looked: Container[str]) -> Iterator[FileRows]:
    """Rows of tables that no row on record names: interrupted work left them."""
    with services.registry.read() as connection:
        named = set(versions.artifact_digests(connection))
    for digest in services.artifacts.digests():
        if digest in named or digest in looked or not selection.where:
            continue
        data = services.artifacts.read(digest)
        matched = rows_with(data, selection.where) if data.startswith(TABLE) else None
        if matched is not None and matched[0]:
            yield FileRows(digest, "a file of no run", tuple(matched[0]), matched[1])


def _in_telemetry(
    services: Services, selection: Selection
) -> tuple[list[BatchRows], list[BatchRows], list[int], list[str], list[tuple[int, int]], list[str]]:
    with services.reading_telemetry() as connection:
        if connection is None:
            return [], [], [], [], [], []
        named = selection.model, selection.where, selection.predictions
        return (
            erasing.find(connection, *named),
            erasing.find_kept(connection, *named),
            *erasing_examples.find(connection, selection.values),
            erasing.find_waiting(connection, selection.predictions, _names(selection)),
            [
                f"predictions of {stream}"
                for stream in erasing.columns_missing(connection, selection.model, selection.where)
            ],
        )


def _names(selection: Selection) -> Callable[[str], bool]:
    """Whether a text holds a value that is long enough not to stand there by chance."""
    values = [value for value in selection.values if len(value) >= residue.SHORTEST]
    if not values:
        return lambda _: False
    pattern = pattern_of(values)
    return lambda text: pattern.search(text.encode()) is not None


def _of_jobs(services: Services, ended: list[int], selection: Selection) -> Iterator[JobFile]:
    """Files of ended jobs in which a value stands: of logs the lines, of others the whole file. What steps have made is among
    the artifacts, and what they said is on record."""
    pattern = pattern_of(selection.values)
    for job in ended:
        for path in sorted(services.paths.job_folder(job).glob("[0-9]*/[0-9][0-9]-*/**/*")):
            if path.is_symlink() or not path.is_file():
                continue
            data, place = path.read_bytes(), path.relative_to(services.paths.state).as_posix()
            if path.name == _LOG:
                lines, _ = lines_with(data, pattern)
                if lines:
                    yield JobFile(place, tuple(lines))
            elif any(pattern.search(form) for form in residue.unpacked(data)):
                yield JobFile(place)


def _forget_old(services: Services) -> None:
    """Delete plans that nobody has ordered for as long as a proposal lasts."""
    for path in services.paths.erasure_plans.glob("*.json"):
        if services.now().timestamp() - path.stat().st_mtime > LASTS.total_seconds():
            path.unlink(missing_ok=True)
