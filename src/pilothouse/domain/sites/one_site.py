"""One site, whatever ways lead to it: readings of one identity put together, copies of a workspace told apart from it.

Answers are not signed. So an identity alone puts nothing together: two that are asked themselves are one site where the same
folder answers, and what somebody else says of a site stands in for it only while it does not answer itself.
"""

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.domain.sites.readings import Reading, Standing

_SILENT = (Standing.AWAY, Standing.STALE, Standing.UNKNOWN)
"""What a site is of which somebody else may know more."""
_WELL = (Standing.ANSWERS, Standing.READ_ONLY, Standing.STALE, Standing.UNKNOWN)
"""What a followed site is of which nothing is told that must stand by itself."""
_WHICH = (
    "stop the one that is not the site, or give it an identity of its own (site identity --new --reason …)"
)


def merged(readings: Sequence[Reading]) -> list[Reading]:
    """Readings with one for each site, where its first stood, and one for each copy of it."""
    groups: dict[str, list[Reading]] = {}
    for one in readings:
        identity = _identity(one)
        if identity:
            groups.setdefault(identity, []).append(one)
    put: dict[str, Reading | None] = {}
    for group in groups.values():
        if len(group) > 1:
            put |= _sorted_out(group)
    found = (put.get(one.site, one) for one in readings)
    return [one for one in found if one is not None]


def each_told(readings: Sequence[Reading]) -> list[Reading]:
    """Every reading, with what it is beside the others: a copy of one, or another way to one."""
    shown = {one.site: one for one in merged(readings)}
    of = {_identity(one): one for one in shown.values() if one.ways}
    return [
        shown.get(one.site) or replace(one, said=f"the same site as {of[_identity(one)].site}")
        for one in readings
    ]


def _sorted_out(group: Sequence[Reading]) -> dict[str, Reading | None]:
    """What each of a group is shown as, by its name; None for one that is a way to another."""
    asked = [one for one in group if not one.via and one.is_current]
    main, others = _told_apart(asked)
    found: dict[str, Reading | None] = {one.site: one for one in others}
    if any(one.standing is Standing.CONTRADICTS for one in others):
        return found
    one_site = [one for one in group if one.site not in found and _may_join(one, main)]
    if len(one_site) < 2:
        return found
    best = _best(one_site)
    for one in one_site:
        found[one.site] = None if _agree(one, best) else _shown(one, _other_log(one, best))
    ways = tuple(_way(one) for one in one_site if one is not best and _agree(one, best))
    first = next(one for one in one_site if _agree(one, best))
    found[first.site] = replace(_named(best, one_site), ways=ways)
    return found


def _told_apart(asked: Sequence[Reading]) -> tuple[Reading | None, list[Reading]]:
    """The one of those that answer which is the site, and what each is that is another folder."""
    folders: dict[str, Reading] = {}
    for one in asked:
        folders.setdefault(_folder(one), one)
    firsts = list(folders.values())
    if len(firsts) < 2:
        return (firsts[0] if firsts else None), []
    running = [one for one in firsts if one.answer is not None and one.answer.daemon]
    if len(running) > 1:
        return running[0], [_shown(one, _twin(one, running, firsts)) for one in asked]
    main = running[0] if running else max(firsts, key=_rows)  # of equals the first that was named
    rest = [one for one in asked if _folder(one) != _folder(main)]
    return main, [_shown(one, _copy(one, main)) for one in rest]


def _twin(one: Reading, running: Sequence[Reading], firsts: Sequence[Reading]) -> tuple[Standing, str]:
    own = next(first for first in firsts if _folder(first) == _folder(one))
    others = [other for other in running if other is not own]
    if own not in running:
        return _copy(own, running[0])
    logs = ", ".join(f"{_rows(other):,} in {other.site}" for other in others)
    said = f"{others[0].site} runs under the same identity (rows of the log: {_rows(one):,} here, {logs}): {_WHICH}"
    return Standing.CONTRADICTS, said


def _copy(one: Reading, main: Reading) -> tuple[Standing, str]:
    return (
        Standing.COPY,
        f"it has the identity of {main.site} in another folder, and no daemon: a copy, or it claims to be it",
    )


def _other_log(one: Reading, other: Reading) -> tuple[Standing, str]:
    return (
        Standing.CONTRADICTS,
        f"it has the identity of {other.site}, and another log of {_rows(one):,} rows: a copy, or rows were changed; {_WHICH}",
    )


def _shown(one: Reading, what: tuple[Standing, str]) -> Reading:
    """A reading as that of a copy, whose items are not listed a second time."""
    standing, said = what
    is_copy = standing is Standing.COPY and one.answer is not None
    answer = replace(one.answer, items=()) if is_copy and one.answer is not None else one.answer
    return replace(one, standing=standing, said=said, answer=answer, since=None)


def _may_join(one: Reading, main: Reading | None) -> bool:
    """Whether a reading is of the site that answers: of its folder, silent, or known by others without a fault."""
    if one.via:
        return one.standing in _WELL
    return main is None or one.standing in _SILENT or _folder(one) == _folder(main)


def _agree(one: Reading, other: Reading) -> bool:
    """False where two logs of one length end in another row: neither is a part of the other."""
    first, second = one.figures, other.figures
    if first is None or second is None or first.log_size != second.log_size:
        return True
    return not first.log_hash or not second.log_hash or first.log_hash == second.log_hash


def _best(one_site: Sequence[Reading]) -> Reading:
    """The reading that is shown: of those that answer themselves the first, else the one that was heard last."""
    asked = [one for one in one_site if not one.via]
    known = next((one for one in asked if one.standing not in _SILENT), None)
    if known is not None:
        return known
    current = [one for one in one_site if one.is_current]
    return max(current or one_site, key=lambda one: one.heard_at.timestamp() if one.heard_at else 0.0)


def _named(best: Reading, one_site: Sequence[Reading]) -> Reading:
    """The reading by the name that it has here, also where somebody else has said it."""
    asked = next((one for one in one_site if not one.via), None)
    if not best.via or asked is None:
        return best
    said = f"asked itself, it is {asked.standing}{f': {asked.said}' if asked.said else ''}"
    return replace(best, site=asked.site, said="; ".join(filter(None, (said, best.said))))


def _way(one: Reading) -> str:
    state = "" if one.standing is Standing.ANSWERS else f" ({one.standing})"
    return f"{one.via} follows it{state}" if one.via else f"also {one.site}{state}"


def _identity(one: Reading) -> str:
    return one.figures.identity if one.figures is not None else ""


def _folder(one: Reading) -> str:
    """The folder that answered; one that does not say it is a folder of its own."""
    return (one.answer.instance if one.answer is not None else "") or f"at {one.site}"


def _rows(one: Reading) -> int:
    return one.figures.log_size if one.figures is not None else 0
