"""Two versions side by side: recorded facts, the paired test of each against the other, and a diff of their code."""

import difflib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.evaluation import GateResult
from pilothouse.domain.records import Version
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_run, require_version
from pilothouse.operations.models import paired_predictions
from pilothouse.operations.models.what_is_left import left_of
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.work import runs

if TYPE_CHECKING:
    from pilothouse.statistics.performance.comparison import Comparison as PairedTest

_FOLDER = "model_folder"
_FILE_LIMIT = 1 << 20
_LINES_LIMIT = 20_000


_MEASURED = ("metrics", "slices")
OTHER_ROWS = "measured on different hold-out rows: the two figures cannot be compared, only a paired test on the same rows can"


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One fact of two versions; ``a`` or ``b`` is empty where that version lacks it."""

    group: str
    name: str
    a: str
    b: str
    differs: bool
    note: str = ""
    """Why the two cannot be compared, where they cannot."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Facts of two versions, and ``code``, a unified diff of the models' folders; ``code_note`` says why it is empty."""

    rows: tuple[ComparisonRow, ...]
    code: tuple[str, ...]
    code_note: str


def compare(
    services: Services, actor: Actor, first: str, second: str, *, from_record: bool = True
) -> Comparison:
    """Comparison of two versions. Without ``from_record`` the paired test on recorded predictions, which may take a second,
    is only announced. Raises InvalidInputError, NotFoundError or NotAllowedError."""
    with reading(services, actor) as connection:
        versions = [require_version(connection, reference) for reference in (first, second)]
        facts = [_facts(connection, version) for version in versions]
        apart = len({_holdout(connection, version) for version in versions}) > 1
        folders = [runs.files_of(connection, version.run_id).get(_FOLDER) for version in versions]
        sides = paired_predictions.sides_of(connection, *versions)
    tests = (*_paired(*versions), *_from_record(services, sides, *versions, now=from_record))
    rows = (*tests, *_fact_rows(*facts))
    if apart:
        rows = tuple(replace(row, note=OTHER_ROWS) if row.group in _MEASURED else row for row in rows)
    digests = [folder.digest for folder in folders if folder is not None]
    if len(digests) < 2:
        return Comparison(rows, (), "the code of one of them was not kept")
    if digests[0] == digests[1]:
        return Comparison(rows, (), "the model's folder is the same, byte for byte")
    lines = tuple(_folder_diff(*(services.artifacts.read(digest) for digest in digests)))
    if len(lines) > _LINES_LIMIT:
        cut = f"… cut: {len(lines) - _LINES_LIMIT:,} more lines"
        return Comparison(rows, (*lines[:_LINES_LIMIT], cut), "")
    return Comparison(rows, lines, "" if lines else "the files are the same")


def differing_facts(connection: Connection, first: Version, second: Version) -> list[ComparisonRow]:
    """Recorded facts that differ between two versions, without the paired test and the diff of their code."""
    apart = _holdout(connection, first) != _holdout(connection, second)
    rows = _fact_rows(_facts(connection, first), _facts(connection, second))
    return [
        replace(row, note=OTHER_ROWS) if apart and row.group in _MEASURED else row
        for row in rows
        if row.differs
    ]


def _holdout(connection: Connection, version: Version) -> tuple[object, ...]:
    """Equal for two versions whose figures were measured on the same rows."""
    digest = runs.record_of(connection, version.run_id).get("holdout_digest")
    data = require_run(connection, version).snapshot
    return (digest,) if digest else (data.content_digest, data.trained_until, data.holdout_rows)


def _fact_rows(a: dict[tuple[str, str], str], b: dict[tuple[str, str], str]) -> list[ComparisonRow]:
    keys = dict.fromkeys([*a, *b])
    order = list(dict.fromkeys(group for group, _ in keys))
    rows = [ComparisonRow(*key, a.get(key, ""), b.get(key, ""), a.get(key) != b.get(key)) for key in keys]
    return sorted(rows, key=lambda row: order.index(row.group))


def _facts(connection: Connection, version: Version) -> dict[tuple[str, str], str]:
    run = require_run(connection, version)
    data = run.snapshot
    facts: dict[tuple[str, str], str] = {
        ("version", "stage"): str(version.standing.stage),
        ("version", "live on"): ", ".join(version.live_on),
        ("version", "created"): version.created_at.isoformat(),
    }
    for metric in version.metrics:
        name = f"{metric.metric} {metric.slice}".strip()
        facts["slices" if metric.slice else "metrics", name] = (
            f"{metric.value:.4f} [{metric.low:.3f} {metric.high:.3f}] of {metric.rows:,}"
        )
    facts.update({("gates", gate.gate): f"{gate.outcome}: {gate.reason}" for gate in version.gates})
    facts.update({("fitted", str(i)): step for i, step in enumerate(run.fitted, 1)})
    facts.update(_flat("parameters", run.parameters))
    facts["parameters", "seed"] = str(run.seed)
    facts["data", "rows digest"] = data.content_digest
    facts["data", "source digest"] = data.source_digest
    facts["data", "training rows"] = str(data.training_rows)
    facts["data", "hold-out rows"] = str(data.holdout_rows)
    facts["data", "first row"] = data.first_row_at.isoformat()
    facts["data", "last row"] = data.last_row_at.isoformat()
    facts["data", "as of"] = run.as_of.isoformat() if run.as_of else "all rows"
    for column in data.columns:
        mean = f", mean {column.mean:.4g}" if column.mean is not None else ""
        facts["columns", column.name] = (
            f"{column.kind}, {column.missing} missing, {column.distinct} distinct{mean}"
        )
    facts["code", "specification"] = run.spec_digest
    facts.update(_flat("code", run.code))
    facts.update(_flat("environment", run.environment))
    facts["run", "started by"] = run.started_by
    facts["run", "reason"] = run.reason
    facts["run", "duration"] = f"{run.duration_s:.1f} s"
    facts["run", "peak memory"] = f"{run.peak_memory_mb:.0f} MB"
    facts["artifacts", "model"] = version.model_digest
    facts["artifacts", "model size"] = f"{version.model_bytes} bytes"
    facts["artifacts", "input schema"] = version.schema_digest
    facts["artifacts", "profile specification"] = version.profile_spec_digest
    facts["artifacts", "reference"] = version.reference_digest
    facts["artifacts", "predictions"] = version.predictions_digest
    return facts


def _flat(group: str, values: dict[str, Any], prefix: str = "") -> dict[tuple[str, str], str]:
    facts: dict[tuple[str, str], str] = {}
    for name, value in sorted(values.items()):
        if isinstance(value, dict):
            facts.update(_flat(group, value, f"{prefix}{name}."))
        else:
            facts[group, prefix + name] = str(value)
    return facts


def _gates_between(first: Version, second: Version) -> Iterator[tuple[Version, Version, GateResult]]:
    """(candidate, incumbent, gate) of the comparison gates of either version against the other."""
    for candidate, incumbent in ((second, first), (first, second)):
        gate = next((g for g in candidate.gates if g.gate == f"comparison.v{incumbent.number}"), None)
        if gate is not None and first.model == second.model:
            yield candidate, incumbent, gate


def _paired(first: Version, second: Version) -> Iterator[ComparisonRow]:
    """Results of the comparison gates of either version against the other; each figure on its own side."""
    for candidate, incumbent, gate in _gates_between(first, second):
        name = f"v{candidate.number} against v{incumbent.number}"
        figures = gate.figures
        if "difference" not in figures:
            yield _on_side(candidate is second, name, f"{gate.outcome}: {gate.reason}")
            continue
        a, b = (f"{figures[side]:.4f}" for side in ("incumbent", "candidate"))
        rows = f"both on the same {figures['rows']:,.0f} rows"
        yield ComparisonRow("paired test", rows, *((a, b) if candidate is second else (b, a)), True)
        verdict = _verdict(figures["difference"], figures["low"], figures["high"])
        yield _on_side(candidate is second, name, verdict)


def _verdict(difference: float, low: float, high: float) -> str:
    verdict = "better" if low > 0 else "worse" if high < 0 else "no significant difference"
    return f"{verdict}: {difference:+.4f} ({low:+.4f} to {high:+.4f})"


def paired_on_record(services: Services, sides: paired_predictions.Sides) -> "PairedTest | str":
    """The test on what is left of the records, or why there is none."""
    try:
        predictions, rows = (
            (left_of(services, a), left_of(services, b)) for a, b in (sides.predictions, sides.rows)
        )
    except PilothouseError as error:
        return str(error)
    return paired_predictions.compare_pairs(
        services.artifacts, replace(sides, predictions=predictions, rows=rows)
    )


def _from_record(
    services: Services, sides: paired_predictions.Sides | str, first: Version, second: Version, *, now: bool
) -> Iterator[ComparisonRow]:
    """The same test on the rows that both held out, or why it is missing; nothing where a gate has compared them."""
    if any("difference" in gate.figures for _, _, gate in _gates_between(first, second)):
        return
    name = f"v{second.number} against v{first.number}, from the record"
    if not now and not isinstance(sides, str):
        yield _on_side(True, name, "is being computed …")
        return
    test = sides if isinstance(sides, str) else paired_on_record(services, sides)
    if isinstance(test, str):
        advice = "a training while one of them is live has the comparison gate make it"
        yield _on_side(True, name, f"not made: {test}; {advice}")
        return
    rows = f"{test.metric}, {test.rows:,} rows that both held out"
    yield ComparisonRow("paired test", rows, f"{test.value_a:.4f}", f"{test.value_b:.4f}", True)
    yield _on_side(True, name, _verdict(test.difference, test.low, test.high))


def _on_side(is_second: bool, name: str, text: str) -> ComparisonRow:
    return ComparisonRow("paired test", name, "" if is_second else text, text if is_second else "", True)


def _folder_diff(first: bytes, second: bytes) -> Iterator[str]:
    """Unified diff of two packed folders, file by file; files that are no text are only named."""
    before, after = _files(first), _files(second)
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        texts = [_lines(content) for content in (old, new)]
        if None in texts:
            yield f"--- {name}: differs, and is no text of less than {_FILE_LIMIT >> 20} MiB"
            continue
        labels = (name if old is not None else "/dev/null", name if new is not None else "/dev/null")
        yield from difflib.unified_diff(texts[0] or [], texts[1] or [], *labels, lineterm="")


def _files(packed: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as archive:
        files = ((entry.name, archive.extractfile(entry)) for entry in archive if entry.isreg())
        return {name: content.read() for name, content in files if content is not None}


def _lines(content: bytes | None) -> list[str] | None:
    if content is None:
        return []
    if len(content) > _FILE_LIMIT or b"\0" in content:
        return None
    return content.decode("utf-8", "replace").splitlines()
