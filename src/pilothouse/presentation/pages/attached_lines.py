"""What is attached to a request and to its approvals, on its page: documents and conditions."""

from collections.abc import Iterator

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.promotion.conditions import wording
from pilothouse.domain.promotion.decisions import Decision
from pilothouse.domain.promotion.documents import current, digests_of, names_text
from pilothouse.domain.records import PromotionRequest
from pilothouse.presentation.cells import Cell, Tone
from pilothouse.presentation.documents import Line, section
from pilothouse.presentation.texts import count_text, time_text


def document_lines(request: PromotionRequest) -> list[Line]:
    """Documents by name, those that were replaced dim below the one that counts; nothing of what is in them."""
    lines: list[Line] = []
    for newest in current(request.documents):
        for one in reversed([one for one in request.documents if one.name == newest.name]):
            is_newest = one == newest
            name = one.name if is_newest else f"  replaced: {one.name}"
            by = f"attached by {one.attached_by} {time_text(one.recorded_at)}"
            text = f"  {count_text(one.size)} bytes, {one.file}, {by}"
            tone: Tone = "" if is_newest else "dim"
            lines.append(
                Line((Cell(safe(name), "strong" if is_newest else "dim"), Cell(safe(text, 1_000), tone)), 4)
            )
            lines.append(Line((Cell(f"    sha256 {safe(one.digest)}", "dim"),), 4))
    return section("Documents", lines)


def attached_cells(request: PromotionRequest, decision: Decision) -> Iterator[Cell]:
    """What a decision was given on, and on which condition."""
    later = {*digests_of(request.documents)} - {*decision.documents}
    if decision.documents:
        on = ", ".join(f"{name} {digest[:12]}…" for name, digest in sorted(decision.documents.items()))
        yield Cell(safe(f"on {on}", 2_000), "dim")
    if later:
        yield Cell(safe(f"before {names_text(sorted(later))} was attached", 1_000), "warn")
    condition = decision.condition
    if condition is None:
        return
    if condition.confirmed_at is not None:
        done = (
            f"confirmed by {condition.confirmed_by} {time_text(condition.confirmed_at)}: {condition.remark}"
        )
        yield Cell(safe(f"● condition {condition.id}: {condition.text}; {done}", 4_000), "good")
    else:
        yield Cell(safe(f"◆ condition {condition.id}: {wording(condition)}", 4_000), "warn")
