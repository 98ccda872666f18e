"""Other sites by what they have published: followed, looked at, and never believed beyond what they have signed.

Each head must extend the one that was seen before, by the rule of a witness (``transparency/witness_requests.py``). Once a day
the head goes into our own audit log, and with that into whatever keeps our heads: so sites that follow each other witness each
other.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    PilothouseError,
)
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identifiers import check_name
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.outbox.happenings import SITE_CONTRADICTS, SITE_FAILING, SITE_RECOVERED
from pilothouse.domain.sites.answers import FollowedState, SiteFigures, read_figures
from pilothouse.domain.sites.followed import FollowedLook, FollowedSite, FollowStanding
from pilothouse.operations.authorisation import authorise, change_in, changing, clean_text, reading
from pilothouse.operations.services import Services
from pilothouse.operations.sites import sources
from pilothouse.operations.sites.claims import ALONE, Around, Verdict, beside, contradiction
from pilothouse.operations.sites.sources import Read
from pilothouse.operations.transparency import log_keys
from pilothouse.store import workspace
from pilothouse.store.sites import followed_sites
from pilothouse.transparency import merkle, published, witness_requests
from pilothouse.transparency.notes import ED25519, PublicKey, encode, parse_key
from pilothouse.transparency.published import PublishedState
from pilothouse.transparency.tile_tree import TileTree
from pilothouse.transparency.witness_requests import Request, Seen

FOLLOWED, LEFT, WITNESSED = "site.followed", "site.left", "site.witnessed"
"""Actions of entries about followed sites."""
LEAST_S, MOST_S = 30, 30 * 86_400
WITNESS_EVERY = timedelta(days=1)
_AHEAD = timedelta(minutes=5)
"""How far a site's clock may be ahead of ours."""
_AT_ONCE = 8
_PATIENCE = timedelta(minutes=5)
"""How long nothing may be heard before receivers are told."""


def follow(
    services: Services, actor: Actor, name: str, place: str, key: str, *, stale_after_s: int
) -> FollowedSite:
    """Follow a site by the files that it publishes at a place. ``key`` is that of its log, as somebody there gave it.

    Raises InvalidInputError, ConflictError (the name is taken) or NotAllowedError.
    """
    check_name(name, "site")
    place = sources.check_place(clean_text(place, "the place of a site"))
    public = parse_key(key)
    if public.kind != ED25519:
        raise InvalidInputError(
            f"{key[:80]!r} is not the key of a log: expected what pilothouse log status shows there"
        )
    if not LEAST_S <= stale_after_s <= MOST_S:
        raise InvalidInputError(f"stale after {stale_after_s} s: expected {LEAST_S} s to 30 days")
    with changing(services, actor, Permission.SET_POLICY) as change:
        if any(one.name == name for one in followed_sites.in_use(change.connection)):
            raise ConflictError(f"a site {name} is followed already: leave it first, or take another name")
        facts = {"name": name, "place": place, "key": str(public), "stale_after_s": stale_after_s}
        followed_sites.add(change.connection, {**facts, "added_by": actor.name, "recorded_at": change.at})
        change.record(FOLLOWED, f"site {name}", {**facts})
        return next(one for one in followed_sites.in_use(change.connection) if one.name == name)


def leave(services: Services, actor: Actor, name: str) -> FollowedSite:
    """Follow a site no more; what it was stays on record. Raises NotFoundError or NotAllowedError."""
    with changing(services, actor, Permission.SET_POLICY) as change:
        site = next((one for one in followed_sites.in_use(change.connection) if one.name == name), None)
        if site is None:
            raise NotFoundError(f"no site {name!r} is followed: see pilothouse site list")
        followed_sites.remove(change.connection, site.id, by=actor.name, at=change.at)
        change.record(LEFT, f"site {name}", {"place": site.place, "key": site.key})
        return site


def listed(services: Services, actor: Actor) -> list[tuple[FollowedSite, FollowedLook | None]]:
    """Followed sites with what each was at the last look. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        return [
            (one, followed_sites.look_at(connection, one.id)) for one in followed_sites.in_use(connection)
        ]


def states(services: Services, actor: Actor) -> tuple[FollowedState, ...]:
    """Followed sites as a tile shows them. None in the past: what they were then is not on record."""
    if services.at is not None:
        return ()
    return tuple(_as_state(site, look) for site, look in listed(services, actor))


def _as_state(site: FollowedSite, look: FollowedLook | None) -> FollowedState:
    if look is None:
        return FollowedState(name=site.name, standing=str(FollowStanding.UNKNOWN))
    figures = None
    if look.note:
        figures = read_figures(published.parse(look.note).figures)
    return FollowedState(
        name=site.name, standing=str(look.standing), figures=figures, said=look.said, heard_at=look.made_at
    )


def look(services: Services, actor: Actor, name: str = "") -> list[tuple[FollowedSite, FollowedLook]]:
    """Look at the sites now, or at one, and record what each is. What is found follows from what was signed: whoever may read
    may look. Raises NotFoundError or NotAllowedError."""
    authorise(services, actor)
    known = [pair for pair in listed(services, actor) if name in ("", pair[0].name)]
    if name and not known:
        raise NotFoundError(f"no site {name!r} is followed: see pilothouse site list")

    with reading(services, actor) as connection:
        key = log_keys.current(connection)
        around = Around(workspace.identity(connection), str(key or ""), tuple(listed(services, actor)))

    def judge(pair: tuple[FollowedSite, FollowedLook | None]) -> FollowedLook:
        return judged(*pair, sources.reader(pair[0].place, published.LONGEST), services.now(), around)

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as threads:  # one that does not answer holds up no other
        looks = list(threads.map(judge, known))
    return [
        (site, _recorded(services, actor, site, before, after))
        for (site, before), after in zip(known, looks, strict=True)
    ]


def judged(
    site: FollowedSite, before: FollowedLook | None, read: Read, now: datetime, around: Around = ALONE
) -> FollowedLook:
    """What a site is by what ``read`` gives, by what was seen of it before, and beside others. Raises nothing that a site can
    cause."""
    known = before or FollowedLook(
        FollowStanding.UNKNOWN, "", now, now, "", None, None, 0, merkle.EMPTY_ROOT, None, ""
    )
    if known.standing is FollowStanding.CONTRADICTS:
        return replace(known, tried_at=now)
    verdict = beside(site, known, _verdict(site, known, read, now), read, around)
    since = known.since if known.standing is verdict.standing else now
    after = replace(
        known,
        standing=verdict.standing,
        said=one_line(verdict.said),
        since=since,
        tried_at=now,
        evidence=verdict.evidence,
    )
    if verdict.state is None or verdict.figures is None:
        return after
    head = verdict.state.head.checkpoint
    is_news = str(verdict.state.note) != known.note
    return replace(
        after,
        note=str(verdict.state.note),
        made_at=verdict.figures.made_at,
        heard_at=now if is_news else known.heard_at,
        head_size=head.size,
        head_root=head.root,
    )


def _verdict(site: FollowedSite, known: FollowedLook, read: Read, now: datetime) -> Verdict:
    key = parse_key(site.key)
    try:
        text = read(published.STATE).decode()
    except (PilothouseError, OSError) as error:
        return Verdict(FollowStanding.AWAY, str(error))
    except UnicodeDecodeError:
        return Verdict(FollowStanding.FORGED, "what lies there is not UTF-8")
    try:
        state = published.parse(text)
        published.check(state, key)
        figures = read_figures(state.figures)
    except (IntegrityError, InvalidInputError) as error:
        return Verdict(FollowStanding.FORGED, str(error))
    return _against_head(site, known, state, figures, key, read, now)


def _against_head(
    site: FollowedSite,
    known: FollowedLook,
    state: PublishedState,
    figures: SiteFigures,
    key: PublicKey,
    read: Read,
    now: datetime,
) -> Verdict:
    """The verdict on a state that is signed by the key on record."""
    head, is_older = state.head.checkpoint, known.made_at is not None and figures.made_at < known.made_at
    if head.size == known.head_size and head.root != known.head_root:
        return contradiction(state, f"it has signed two heads of {head.size:,} rows")
    if is_older:
        assert known.made_at is not None
        return Verdict(
            FollowStanding.REPLAYED,
            f"a state of {figures.made_at:%Y-%m-%d %H:%M:%S} lies there, and one of {known.made_at:%Y-%m-%d %H:%M:%S} was seen "
            "already: an old copy, or somebody holds the newer ones back",
        )
    if figures.made_at > now + _AHEAD:
        return Verdict(
            FollowStanding.FORGED, f"its state is of {figures.made_at:%Y-%m-%d %H:%M} UTC, which is not yet"
        )
    if head.size < known.head_size:
        return contradiction(
            state,
            f"its log had {known.head_size:,} rows, and a newer state has {head.size:,}: its end was cut off",
        )
    try:
        tree = TileTree(head.size, read)
        proof = merkle.consistency_proof(known.head_size, head.size, tree.subtree)
    except (PilothouseError, OSError) as error:
        return Verdict(FollowStanding.UNPROVEN, f"its head of {head.size:,} rows cannot be compared: {error}")
    refusal = witness_requests.judge(
        Request(known.head_size, tuple(proof), state.head),
        {key.name: [key]},
        Seen(known.head_size, known.head_root),
    )
    if refusal is not None:
        return _unextended(known, state, tree, refusal.text.strip())
    age = now - figures.made_at
    if age.total_seconds() > site.stale_after_s:
        said = f"its newest state is of {figures.made_at:%Y-%m-%d %H:%M} UTC"
        return Verdict(FollowStanding.STALE, said, state, figures)
    return Verdict(FollowStanding.CURRENT, "", state, figures)


def _unextended(known: FollowedLook, state: PublishedState, tree: TileTree, said: str) -> Verdict:
    """A proof made of tiles does not hold. Tiles that have the signed root show another log; others may only be damaged."""
    head = state.head.checkpoint
    try:
        has_root = merkle.root(head.size, tree.subtree) == head.root
        old_root = merkle.root(known.head_size, tree.subtree)
    except (PilothouseError, OSError) as error:
        return Verdict(FollowStanding.UNPROVEN, str(error))
    if has_root and old_root != known.head_root:
        return contradiction(
            state,
            f"its head of {head.size:,} rows does not extend the one of {known.head_size:,} that it had signed before: rows "
            "were changed, or the log was written anew",
        )
    return Verdict(FollowStanding.UNPROVEN, f"its tiles are not those of the head that it has signed: {said}")


def _recorded(
    services: Services, actor: Actor, site: FollowedSite, before: FollowedLook | None, after: FollowedLook
) -> FollowedLook:
    """Put a look on record, with an entry where something is to be told or witnessed."""
    is_due = after.standing is FollowStanding.CURRENT and (
        after.witnessed_at is None or after.tried_at - after.witnessed_at >= WITNESS_EVERY
    )
    told = _told(before, after)
    with services.registry.transaction() as connection:
        if followed_sites.look_at(connection, site.id) != before:  # another look came first: the newer counts
            return after
        change = change_in(services, connection, actor)
        if is_due:
            after = replace(after, witnessed_at=after.tried_at)
            root = encode(after.head_root)
            change.record(
                WITNESSED,
                f"site {site.name}",
                {"origin": parse_key(site.key).name, "size": after.head_size, "root": root},
            )
        if told:
            change.record(told, f"site {site.name}", {"standing": str(after.standing), "said": after.said})
        followed_sites.put_look(connection, site.id, after)
    return after


def _told(before: FollowedLook | None, after: FollowedLook) -> str:
    """Action of the entry that receivers are told of; empty for none. A site that is away or late is told once it has been so
    for a while."""
    was = before.standing if before else FollowStanding.UNKNOWN
    if after.standing is FollowStanding.CONTRADICTS:
        return SITE_CONTRADICTS if was is not FollowStanding.CONTRADICTS else ""
    if after.standing.is_sound:
        return SITE_RECOVERED if before and not was.is_sound and _was_told(before) else ""
    return (
        SITE_FAILING
        if _is_long(after) and not (before and was is after.standing and _is_long(before))
        else ""
    )


def _is_long(look: FollowedLook) -> bool:
    return look.tried_at - look.since >= _PATIENCE


def _was_told(look: FollowedLook) -> bool:
    return _is_long(look)
