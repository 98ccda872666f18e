"""Whose identity a followed site claims, beside the others: one that another has too, one that it did not have before, two logs
by one key."""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.sites.answers import SiteFigures, read_figures
from pilothouse.domain.sites.followed import FollowedLook, FollowedSite, FollowStanding
from pilothouse.operations.sites.sources import Read
from pilothouse.transparency import merkle, published
from pilothouse.transparency.published import PublishedState
from pilothouse.transparency.tile_tree import TileTree


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. ``state``: the newest, where it is believed and new."""

    standing: FollowStanding
    said: str = ""
    state: PublishedState | None = None
    figures: SiteFigures | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """What a site is judged beside: identity and log key of who follows it, and every followed site as it was."""

    identity: str
    key: str
    followed: Sequence[tuple[FollowedSite, FollowedLook | None]]


ALONE = Around("", "", ())


def contradiction(state: PublishedState, said: str) -> Verdict:
    """The verdict on a state that stands against what its key has signed before."""
    return Verdict(FollowStanding.CONTRADICTS, said, evidence=str(state.note))


def beside(site: FollowedSite, known: FollowedLook, verdict: Verdict, read: Read, around: Around) -> Verdict:
    """The verdict once the identity that the state claims is compared. One without, of a release of before, stays as it is; so
    does what is not believed anyway."""
    if verdict.state is None or verdict.figures is None:
        return verdict
    others = [(one, look) for one, look in around.followed if one.id != site.id and look and look.note]
    for other, look in others:
        if other.key == site.key and not _extends(verdict.state, look, read):
            return contradiction(
                verdict.state,
                f"its log of {verdict.state.head.checkpoint.size:,} rows does not extend that of {look.head_size:,} that the "
                f"same key has signed in {other.name}: a copy of the workspace went its own way",
            )
    identity, before = verdict.figures.identity, identity_of(known)
    if before and identity != before:
        return Verdict(
            FollowStanding.FORGED,
            f"its state claims {_named(identity)}, and it had {_named(before)}: another workspace signs with its key, or it "
            "was given a new one; ask there, then follow it anew",
        )
    if not identity or verdict.standing is not FollowStanding.CURRENT:
        return verdict
    if identity == around.identity and site.key != around.key:
        return _copy(verdict, f"it has the identity of this workspace, {_named(identity)}")
    for other, look in others:
        is_first = other.id < site.id and other.key != site.key and look.standing is FollowStanding.CURRENT
        if is_first and identity_of(look) == identity:
            return _copy(
                verdict, f"it has the identity of {other.name}, {_named(identity)}, which is current too"
            )
    return verdict


def identity_of(look: FollowedLook) -> str:
    """The identity that a site's newest believed state claims; empty for none."""
    return read_figures(published.parse(look.note).figures).identity if look.note else ""


def _copy(verdict: Verdict, said: str) -> Verdict:
    why = f"{said}, and another key: a copy that runs beside it, or it claims to be it"
    return Verdict(FollowStanding.COPY, why, verdict.state, verdict.figures)


def _named(identity: str) -> str:
    return f"identity {identity[:8]}" if identity else "no identity"


def _extends(state: PublishedState, seen: FollowedLook, read: Read) -> bool:
    """False where the log, by its own tiles, does not begin with a head that was seen elsewhere. A longer one is compared when
    that place is looked at, and tiles that are missing prove nothing."""
    head = state.head.checkpoint
    if head.size < seen.head_size:
        return True
    if head.size == seen.head_size:
        return head.root == seen.head_root
    try:
        tree = TileTree(head.size, read)
        if merkle.root(head.size, tree.subtree) != head.root:
            return True
        return merkle.root(seen.head_size, tree.subtree) == seen.head_root
    except (PilothouseError, OSError):
        return True
