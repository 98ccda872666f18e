"""Words about deployments by breaking the glass."""

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.promotion.break_glass import REVIEWERS, BrokenGlass, GlassReview
from pilothouse.presentation.documents import Line, text_line

_NAMED = 2
"""Targets that are named."""


def glass_text(glass: BrokenGlass) -> str:
    """``GLASS BROKEN by ola until 11-29 09:12, 0 of 2 have looked: request 9, delay v7 on ewr``."""
    more = len(glass.targets) - _NAMED
    where = ", ".join(glass.targets[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return (
        f"GLASS BROKEN by {glass.actor} {standing(glass)}, {looked(glass)} of {REVIEWERS} have looked: "
        f"request {glass.request_id}, {glass.model} v{glass.version} on {where}"
    )


def looked(glass: BrokenGlass) -> int:
    """Persons whose review counts."""
    return len({review.person for review in glass.counted})


def standing(glass: BrokenGlass) -> str:
    """``until 11-29 09:12 UTC``, ``kept``, ``taken back by vera 11-29 08:10 UTC``, ``no longer live``."""
    if glass.taken_back_at is not None:
        return f"taken back by {glass.taken_back_by} {glass.taken_back_at:%m-%d %H:%M} UTC"
    if not glass.live_on:
        return "no longer live"
    return "kept" if glass.is_kept else f"until {glass.expires_at:%m-%d %H:%M} UTC"


def superseded_text(glass: BrokenGlass) -> str:
    """Which open requests it closed, for whatever they asked beside; empty where none was open."""
    if not glass.superseded:
        return ""
    several = len(glass.superseded) > 1
    numbers = ", ".join(map(str, glass.superseded))
    return (
        f"it superseded request{'s' if several else ''} {numbers}, which {'were' if several else 'was'} open for some of these "
        f"targets: ask anew for what else {'they' if several else 'it'} asked for"
    )


def signed_text(glass: BrokenGlass) -> str:
    """With which second component it was broken; empty where with none."""
    signature = glass.signature
    if signature is None:
        return ""
    how = f"signed with {signature.fingerprint}" if signature.fingerprint else f"with {signature.kind.words}"
    return f"{glass.actor} broke it {how}"


def to_review_text(glass: BrokenGlass) -> str:
    """``broken glass: delay v7 by ola, request 9``."""
    return safe(f"broken glass: {glass.model} v{glass.version} by {glass.actor}, request {glass.request_id}")


def _void(review: GlassReview) -> str:
    return f" (does not count: {review.void})" if review.void else ""


def glass_lines(glass: BrokenGlass) -> list[Line]:
    """What a request's page says first of all: who deployed it alone and why, and what others said of it."""
    head = f"{glass_text(glass)}. {glass.actor}: {glass.reason}"
    more = [text for text in (superseded_text(glass), signed_text(glass)) if text]
    return [
        text_line(safe(head, 2_000), "bad"),
        *(text_line(safe(text, 2_000), hang=2) for text in more),
        *(
            text_line(
                safe(f"{review.actor}: {review.verdict}, {review.reason}{_void(review)}", 2_000), hang=2
            )
            for review in glass.reviews
        ),
        Line(),
    ]
