"""Two versions side by side: every fact on record, the paired test of the later against the earlier, and their code."""

import difflib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.domain.evaluation import GateResult
from pilothouse.domain.records import Version
from pilothouse.domain.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import ComparisonRow, compare_versions, require_version
from pilothouse.operations.models import paired_predictions
from pilothouse.operations.services import Services
from pilothouse.store import runs

_FOLDER = "model_folder"
_FILE_LIMIT = 1 << 20
_LINES_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """``rows`` are facts; ``code`` is a unified diff of the models' folders, empty where they are the same; ``code_note`` says
    why there is none, where there is none."""

    rows: tuple[ComparisonRow, ...]
    code: tuple[str, ...]
    code_note: str


def compare(
    services: Services, actor: Actor, first: str, second: str, *, from_record: bool = True
) -> Comparison:
    """Everything that can be held side by side. Without ``from_record`` the paired test from the record, which may take a
    second, is only announced. Raises InvalidInputError, NotFoundError or NotAllowedError."""
    rows = compare_versions(services, actor, first, second)
    with reading(services, actor) as connection:
        versions = [require_version(connection, reference) for reference in (first, second)]
        folders = [runs.files_of(connection, version.run_id).get(_FOLDER) for version in versions]
        sides = paired_predictions.sides_of(connection, *versions)
    tested = (*_paired(*versions), *_from_record(services, sides, *versions, now=from_record))
    if not all(folders):
        return Comparison((*tested, *rows), (), "the code of one of them was not kept")
    digests = [folder.digest for folder in folders if folder is not None]
    if digests[0] == digests[1]:
        return Comparison((*tested, *rows), (), "the model's folder is the same, byte for byte")
    packed = [services.artifacts.read(digest) for digest in digests]
    lines = tuple(_folder_diff(*packed))
    return Comparison((*tested, *rows), lines[:_LINES_LIMIT], "" if lines else "the files are the same")


def _gates_between(first: Version, second: Version) -> list[GateResult]:
    """The comparison gates of either against the other."""
    if first.model != second.model:
        return []
    sides = ((second, first), (first, second))
    return [g for c, incumbent in sides for g in c.gates if g.gate == f"comparison.v{incumbent.number}"]


def _paired(first: Version, second: Version) -> Iterator[ComparisonRow]:
    """What the comparison gate of either found against the other, on the same rows; each figure on its own side."""
    for candidate, incumbent in ((second, first), (first, second)):
        gate = next((g for g in candidate.gates if g.gate == f"comparison.v{incumbent.number}"), None)
        if gate is None or candidate.model != incumbent.model:
            continue
        name = f"v{candidate.number} against v{incumbent.number}"
        figures = gate.figures
        if "difference" not in figures:
            yield _on_side(candidate is second, name, f"{gate.outcome}: {gate.reason}")
            continue
        low, high = figures["low"], figures["high"]
        verdict = "better" if low > 0 else "worse" if high < 0 else "no difference beyond chance"
        theirs, ours = f"{figures['incumbent']:.4f}", f"{figures['candidate']:.4f}"
        a, b = (theirs, ours) if candidate is second else (ours, theirs)
        rows = f"both on the same {figures['rows']:,.0f} rows"
        yield ComparisonRow("paired test", rows, a, b, True)
        words = f"{verdict}: {figures['difference']:+.4f} ({low:+.4f} to {high:+.4f})"
        yield _on_side(candidate is second, name, words)


def _from_record(
    services: Services, sides: paired_predictions.Sides | str, first: Version, second: Version, *, now: bool
) -> Iterator[ComparisonRow]:
    """Where no gate could tell them apart: the same test on the rows that both held out, or why there is none."""
    if any("difference" in gate.figures for gate in _gates_between(first, second)):
        return
    name = f"v{second.number} against v{first.number}, from the record"
    if not now and not isinstance(sides, str):
        yield _on_side(True, name, "is being computed …")
        return
    found = sides if isinstance(sides, str) else paired_predictions.compare_pairs(services.artifacts, sides)
    if isinstance(found, str):
        how = "a training while one of them is live has the comparison gate make it"
        yield _on_side(True, name, f"not made: {found}; {how}")
        return
    words = "better" if found.low > 0 else "worse" if found.high < 0 else "no difference beyond chance"
    rows = f"{found.metric}, {found.rows:,} rows that both held out"
    yield ComparisonRow("paired test", rows, f"{found.value_a:.4f}", f"{found.value_b:.4f}", True)
    yield _on_side(True, name, f"{words}: {found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})")


def _on_side(is_second: bool, name: str, words: str) -> ComparisonRow:
    return ComparisonRow("paired test", name, "" if is_second else words, words if is_second else "", True)


def _folder_diff(first: bytes, second: bytes) -> Iterator[str]:
    """A unified diff of two packed folders, file by file; contents that are no text are named only."""
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
        found = ((entry.name, archive.extractfile(entry)) for entry in archive if entry.isreg())
        return {name: content.read() for name, content in found if content is not None}


def _lines(content: bytes | None) -> list[str] | None:
    if content is None:
        return []
    if len(content) > _FILE_LIMIT or b"\0" in content:
        return None
    return content.decode("utf-8", "replace").splitlines()
