"""Import of another registry, page by page: what it says goes on record as what it said.

Each page is one transaction with its audit entry, which has the digest of what came: an import that ends in the middle goes on
when it is run again. Nothing of it is a version of ours: it passed no gate, and nothing can be deployed from it.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.imported.records import ForeignModel, ForeignRun, ForeignVersion
from pilothouse.foreign.source import Source
from pilothouse.operations.authorisation import authorise, changing
from pilothouse.operations.exchange.fetched_files import FetchedFiles, fetch
from pilothouse.operations.services import Services
from pilothouse.store.models import imported, imports

FILES = ("none", "model", "all")
"""Which files are fetched: none, those of the model's folder, or those that its run has logged too."""
LARGEST_FILE = 512 << 20
RUNS = ("versions", "all")
"""Which runs are read: those of versions, or those that belong to no version too."""
_WORKERS = 8
_NAMED = 3
_LONGEST_ORIGIN = 200
_CLOCKS_DIFFER_MS = 24 * 3_600_000
"""By how much the clock of who ended a run may be behind ours."""

Tell = Callable[[int, int], None]
"""Told how many versions are done, of how many; 0 where the registry does not count."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is imported, and how much of it."""

    models: tuple[str, ...] = ()
    """Names there; all where none is named."""
    files: str = "model"
    runs: str = "versions"
    again: bool = False
    """Ask once more for runs that had ended when they were read: for tags and names that were changed since."""
    largest_file: int = LARGEST_FILE
    origin: str = ""
    """What the registry is called here; its address where it is empty."""


@dataclass
class ImportCounts:
    """What an import has found and written."""

    number: int | None = None
    models: int = 0
    versions: int = 0
    runs: int = 0
    runs_changed: int = 0
    runs_missing: int = 0
    runs_known: int = 0
    """Runs that had ended when they were read before: not asked for again."""
    aliases_changed: int = 0
    files: int = 0
    bytes: int = 0
    gone: int = 0
    pickled: int = 0
    without_files: int = 0
    ours: int = 0
    """Versions there with the model file of a version here: exported once."""
    faults: list[str] = field(default_factory=list)
    """First few reasons for which files were not fetched."""

    def take(self, taken: FetchedFiles) -> None:
        """Count the files of a version."""
        self.files += sum(bool(one.digest) for one in taken.files)
        self.bytes += sum(one.size for one in taken.files if one.digest)
        self.pickled += taken.form == "pickle"
        self.without_files += bool(taken.fault)
        if taken.fault and len(self.faults) < _NAMED and taken.fault not in self.faults:
            self.faults.append(taken.fault)

    @property
    def plain(self) -> dict[str, int]:
        """The numbers by their names."""
        return {
            name: value for name, value in vars(self).items() if isinstance(value, int) and name != "number"
        }


def check_options(options: ImportOptions) -> None:
    """Raise InvalidInputError where the options are none."""
    if options.files not in FILES:
        raise InvalidInputError(f"files: {options.files!r}; expected {', '.join(FILES)}")
    if options.runs not in RUNS:
        raise InvalidInputError(f"runs: {options.runs!r}; expected {', '.join(RUNS)}")
    if options.runs == "all" and options.models:
        raise InvalidInputError("runs: all are asked for, and models are named; expected one of both")
    if len(options.origin) > _LONGEST_ORIGIN or not options.origin.isprintable():
        raise InvalidInputError(
            f"origin: expected a name of {_LONGEST_ORIGIN} characters at most, all of which can be seen"
        )
    if options.largest_file < 1:
        raise InvalidInputError(f"largest file: {options.largest_file} bytes; expected 1 at least")


def look(
    services: Services, actor: Actor, source: Source, options: ImportOptions, tell: Tell | None = None
) -> ImportCounts:
    """What an import would read, with nothing written and no file fetched. Raises NotAllowedError, PilothouseError."""
    authorise(services, actor, Permission.IMPORT)
    check_options(options)
    counts, total = ImportCounts(), source.count(options.models) or 0
    for page in source.models(options.models):
        counts.models += len(page)
    _check_found(options, counts)
    for versions in source.versions(options.models):
        counts.versions += len(versions)
        counts.runs += len({version.run for version in versions if version.run})
        if tell is not None:
            tell(counts.versions, total and max(total, counts.versions))
    if options.runs == "all":
        counts.runs = sum(len(ids) for ids in source.run_ids())
    return counts


def run_import(
    services: Services, actor: Actor, source: Source, options: ImportOptions, tell: Tell | None = None
) -> ImportCounts:
    """Import models, versions, aliases, runs and files. Twice is as good as once. Raises NotAllowedError, PilothouseError."""
    authorise(services, actor, Permission.IMPORT)
    check_options(options)
    total = source.count(options.models) or 0
    origin = options.origin or source.origin
    with changing(services, actor, Permission.IMPORT) as change:
        plain = {"models": list(options.models), "files": options.files, "runs": options.runs}
        number = imports.begin(change.connection, origin, plain, actor.name, change.at)
        change.record("import.begun", f"import {number}", {"origin": origin, **plain})
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="import") as pool:
        at_work = _Import(services, actor, source, origin, number, options, pool, ImportCounts(number))
        seen: set[int] = set()
        for models in source.models(options.models):
            seen |= at_work.put_models(models)
        _check_found(options, at_work.counts)
        if tell is not None:
            tell(0, total)
        for versions in source.versions(options.models):
            at_work.put_page(versions)
            if tell is not None:
                tell(at_work.counts.versions, total and max(total, at_work.counts.versions))
        if options.runs == "all":
            for ids in source.run_ids():
                at_work.put_other_runs(ids)
        at_work.finish(seen)
    return at_work.counts


def _check_found(options: ImportOptions, counts: ImportCounts) -> None:
    if options.models and counts.models < len(set(options.models)):
        named = ", ".join(repr(safe(name, 80)) for name in options.models)
        raise NotFoundError(
            f"the registry has {counts.models} of the models {named}: names are compared letter by letter"
        )


@dataclass(frozen=True, slots=True)
class _Import:
    """An import at work."""

    services: Services
    actor: Actor
    source: Source
    origin: str
    number: int
    options: ImportOptions
    pool: ThreadPoolExecutor
    counts: ImportCounts
    of_versions: set[str] = field(default_factory=set)
    """Runs of versions that have been recorded."""

    @property
    def subject(self) -> str:
        """What the log calls it."""
        return f"import {self.number}"

    def put_models(self, models: Sequence[ForeignModel]) -> set[int]:
        """Record a page of models and what their aliases mean now; returns their keys."""
        if not models:
            return set()
        with changing(self.services, self.actor, Permission.IMPORT) as change:
            keys = imports.put_models(change.connection, self.origin, models, change.at)
            moved = sum(
                imports.move_aliases(
                    change.connection, keys[one.workspace, one.name], one.aliases, self.number, change.at
                )
                for one in models
            )
            told = [
                [one.workspace, one.name, one.description, dict(one.tags), dict(one.aliases), one.created_ms]
                for one in models
            ]
            facts = {"models": len(models), "aliases_changed": moved, "digest": canonical_digest(told)}
            change.record("import.models", self.subject, facts)
        self.counts.models += len(models)
        self.counts.aliases_changed += moved
        return set(keys.values())

    def put_page(self, versions: Sequence[ForeignVersion]) -> None:
        """Record a page of versions with their runs, then fetch the files that are not here yet."""
        if not versions:
            return
        ids = sorted({version.run for version in versions if version.run})
        keys = self._keys()
        absent = {(version.workspace, version.model) for version in versions} - set(keys)
        if absent:  # registered while the import ran
            self.put_models([ForeignModel(*one) for one in sorted(absent)])
            keys = self._keys()
        with self.services.registry.read() as connection:
            known = imports.ended_runs(connection, self.origin, ids)
            changed_since = imports.runs_of_changed(connection, keys, versions)
        asked = self._to_ask(ids, known - changed_since)
        read, changed, runs = self._put_parts(asked, known)
        with changing(self.services, self.actor, Permission.IMPORT) as change:
            without = imports.put_versions(change.connection, keys, versions, self.number, change.at)
            new = imports.put_runs(change.connection, self.origin, runs, self._with_curves(known), change.at)
            told = [
                [imports.version_digest(one) for one in versions],
                [canonical_digest(imports.run_facts(one)) for one in runs],
            ]
            facts = {
                "versions": len(versions),
                "runs": len(runs),
                "runs_changed": new,
                "digest": canonical_digest(told),
            }
            change.record("import.versions", self.subject, facts)
        self.of_versions.update(ids)
        self.counts.versions += len(versions)
        self.counts.runs += len(ids) - len(asked) + read
        self.counts.runs_known += len(ids) - len(asked)
        self.counts.runs_changed += changed + new
        self.counts.runs_missing += len(asked) - read
        wanted = [one for one in versions if (one.workspace, one.model, one.number) in without]
        if self.options.files != "none" and wanted:
            self._put_files(wanted, self._places_of(wanted), without)

    def put_other_runs(self, ids: Sequence[str]) -> None:
        """Record those of a page of runs that belong to no version."""
        ids = [one for one in ids if one not in self.of_versions]
        if not ids:
            return
        with self.services.registry.read() as connection:
            known = imports.ended_runs(connection, self.origin, ids)
        asked = self._to_ask(ids, known, every_run=True)
        read, changed, runs = self._put_parts(asked, known)
        self.counts.runs += len(ids) - len(asked) + read
        self.counts.runs_known += len(ids) - len(asked)
        self.counts.runs_changed += changed + self._put_runs(runs, known)

    def _put_parts(self, asked: Sequence[str], known: frozenset[str]) -> tuple[int, int, list[ForeignRun]]:
        """Read runs, and record all but the last part of them: their curves together may be larger than memory. Returns how
        many were read, how many of the recorded ones were new or had changed, and those that are left to record."""
        read, changed = 0, 0
        left: list[ForeignRun] = []
        for part in self.source.runs(asked, self._with_curves(known)):
            if left:
                changed += self._put_runs(left, known)
            left, read = part, read + len(part)
        return read, changed, left

    def _put_runs(self, runs: Sequence[ForeignRun], known: frozenset[str]) -> int:
        """Record runs, in one transaction; returns how many were new or had changed."""
        with changing(self.services, self.actor, Permission.IMPORT) as change:
            changed = imports.put_runs(
                change.connection, self.origin, runs, self._with_curves(known), change.at
            )
            told = [canonical_digest(imports.run_facts(one)) for one in runs]
            facts = {"runs": len(runs), "runs_changed": changed, "digest": canonical_digest(told)}
            change.record("import.runs", self.subject, facts)
        return changed

    def _to_ask(self, ids: Sequence[str], known: frozenset[str], *, every_run: bool = False) -> list[str]:
        """Runs but those that had ended when they were read, and have not changed since as far as the registry can say."""
        if self.options.again or not known:
            return list(ids)
        with self.services.registry.read() as connection:
            since_ms = imports.read_since_ms(connection, self.origin, every_run=every_run)
        changed = self.source.changed_runs(sorted(known), max(0, since_ms - _CLOCKS_DIFFER_MS))
        return [one for one in ids if one not in known or one in changed]

    def _with_curves(self, known: frozenset[str]) -> frozenset[str]:
        """Runs of which no curves are asked for."""
        return frozenset() if self.options.again else known

    def finish(self, seen: set[int]) -> None:
        """Mark what is no longer there, of the models that were read whole, and close the import."""
        with changing(self.services, self.actor, Permission.IMPORT) as change:
            keys = set(imports.keys_of(change.connection, self.origin).values())
            vanished = keys - seen if not self.options.models else set()
            for key in sorted(vanished):
                self.counts.aliases_changed += imports.move_aliases(
                    change.connection, key, {}, self.number, change.at
                )
            self.counts.gone = imports.mark_gone(change.connection, seen | vanished, self.number)
            self.counts.ours = imported.count_ours(change.connection, self.origin)
            imports.finish(change.connection, self.number, self.counts.plain, change.at)
            change.record("import.finished", self.subject, {"origin": self.origin, **self.counts.plain})

    def _keys(self) -> dict[tuple[str, str], int]:
        with self.services.registry.read() as connection:
            return imports.keys_of(connection, self.origin)

    def _places_of(self, versions: Sequence[ForeignVersion]) -> dict[str, str]:
        """Folders of the versions' runs, where their files are wanted."""
        if self.options.files != "all":
            return {}
        with self.services.registry.read() as connection:
            return imports.places_of(connection, self.origin, [one.run for one in versions])

    def _put_files(
        self,
        versions: Sequence[ForeignVersion],
        places: Mapping[str, str],
        keys: Mapping[imports.ForeignVersionKey, int],
    ) -> None:
        artifacts, source, options = self.services.artifacts, self.source, self.options
        fetched = list(
            self.pool.map(
                lambda one: fetch(artifacts, source, one, places.get(one.run), options.largest_file), versions
            )
        )
        with changing(self.services, self.actor, Permission.IMPORT) as change:
            for version, taken in zip(versions, fetched, strict=True):
                key = keys[version.workspace, version.model, version.number]
                imports.put_files(change.connection, key, taken.form, taken.files, taken.fault)
            named = [[one.path, one.digest] for taken in fetched for one in taken.files]
            change.record(
                "import.files", self.subject, {"files": len(named), "digest": canonical_digest(named)}
            )
        for taken in fetched:
            self.counts.take(taken)
