"""Lists of 100,000 rows in SQL: opening, deep pages, and every filter and order of each, by CPU time.

What is asked of a list is made from its columns: each by some values that many, few and no rows have, each as an order (both
ways; first, last and middle page; of one model; of what is unhealthy; with texts that most and few rows hold).
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench import median_s, show

from pilothouse.domain.formats.wire import Outcome
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query, parse_filter
from pilothouse.operations import listings
from pilothouse.operations.alerts import incidents
from pilothouse.operations.ingest import ingest, outcome_lists
from pilothouse.operations.services import Services
from pilothouse.store import listing
from pilothouse.store.log import audit
from pilothouse.telemetry.outcomes import outcome_lists as outcome_store
from support import example, many_rows

COUNT = 100_000
_ROWS, _REPEATS, _AT_ONCE = 240, 5, 100
_ACTIONS = ("job.succeeded", "job.failed", "alert.opened", "job.created")

Asked = tuple[str, Callable[[Services, Actor, Query], Page[Any]], listing.Listing, dict[str, str], str]
LISTS: tuple[Asked, ...] = (
    ("incidents", incidents.incidents_page, listing.INCIDENTS, {
        "inc": "99*", "severity": "critical warning x", "state": "open resolved", "cause": "*7* x", "model": "bike*",
        "where": "jfk e*", "cost": "*week 5*", "since": "1*", "alerts": "1", "on": "sam", "kind": "latency x",
        "region": "us* x", "product": "*", "unit": "ops x",
    }, "drifts|column 7|zeppelin|jfk|sam"),
    ("jobs", listings.jobs_page, listing.JOBS, {
        "job": "99123 9*", "kind": "train x", "model": "flight*", "status": "succeeded failed", "step": "fit", "by": "sam o*",
        "progress": "0*", "made": "1*", "took": "-1", "trial": "no", "what": "*nightly* *99123*",
    }, "nightly|retraining 99123|zeppelin|sam"),
    ("versions", listings.versions_page, listing.VERSIONS, {
        "version": "4*", "model": "bike* flight*", "stage": "candidate live", "gates": "candidate refused", "created": "1*",
    }, "candidate|v4912|zeppelin"),
    ("deployments", listings.deployments_page, listing.DEPLOYMENTS, {
        "since": "1*", "until": "9*", "target": "jfk", "model": "bike*", "version": "1 2", "how": "rollback", "by": "sam",
        "reason": "*quest* *99123*", "recorded": "1*", "region": "us* x", "product": "*", "unit": "ops",
    }, "request|request 99123|zeppelin|jfk"),
    ("audit", listings.audit_page, listing.AUDIT,
     {"seq": "99*", "recorded": "1*", "who": "sam x", "did": "job.* x", "to": "*99123*", "detail": "*99123*"},
     "job|job 99123|zeppelin"),
    ("outcomes that wait", outcome_lists.waiting_page, outcome_store.WAITING,
     {"prediction": "*99123", "outcome": "1", "from": "ewr x", "since": "1*", "waits": "x"}, "order|order/99123|zeppelin"),
)  # fmt: skip


def run() -> None:
    """Each list with its rows and its counts; what goes on, which is read whole."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workspace"
        root.mkdir()
        many_rows.build(root, jobs=COUNT, versions=COUNT // 2, alerts=COUNT, deployments=COUNT)
        with example.opened(root) as services:
            log_rows(services, COUNT)
            ingest.ingest_outcomes(services, [Outcome(f"order/{i}", "1") for i in range(COUNT)], "ewr")
            pat = example.person(services, "pat")
            taken = median_s(lambda: incidents.list_incidents(services, pat, unresolved=True), 9)
            show(
                f"lists: 11 incidents that go on, of {COUNT:,}",
                f"{taken * 1000:.1f} ms",
                "with what each costs",
            )
            for name, page, of, values, texts in LISTS:
                _ask(name, lambda query, page=page: page(services, pat, query), of, values, texts.split("|"))  # type: ignore[misc]


def log_rows(services: Services, count: int) -> None:
    """Add entries to the audit log."""
    with services.registry.transaction() as connection:
        for first in range(0, count, _AT_ONCE):
            audit.append_all(
                connection, at=example.NOW + timedelta(days=1, seconds=first),
                actor=("sam", "olga", "daemon")[first // _AT_ONCE % 3],
                changes=[(_ACTIONS[i % 4], f"job {i}", {}) for i in range(first, min(first + _AT_ONCE, count))],
            )  # fmt: skip


def _ask(
    name: str,
    page: Callable[[Query], Page[Any]],
    of: listing.Listing,
    values: dict[str, str],
    texts: list[str],
) -> None:
    whole = page(Query(after=_ROWS))
    middle = whole.total // 2 if whole.total else 0
    show(
        f"lists: {whole.total:,} {name}: open",
        _ms(_cpu_s(page, Query(after=_ROWS))),
        "with its rows and counts",
    )
    deep = Query(anchor=middle, before=_ROWS // 2, after=_ROWS // 2, count=False)
    deep_s, top_s = _cpu_s(page, deep), _cpu_s(page, Query(after=_ROWS, count=False))
    show(f"lists: {name}: a page in the middle", _ms(deep_s), f"{deep_s / top_s:.2f}× the top")
    for what, questions in (
        ("filters", dict(_filters(values, texts))),
        ("orders", dict(_orders(of, middle))),
        ("orders of some", dict(_orders_of_some(of, texts))),
    ):
        taken = {question: _cpu_s(page, query) for question, query in questions.items()}
        slowest = max(taken, key=lambda question: taken[question])
        show(
            f"lists: {name}: the slowest of {len(taken)} {what}",
            _ms(taken[slowest]),
            f"{slowest}; median {_ms(statistics.median(taken.values()))}",
        )


def _filters(values: dict[str, str], texts: list[str]) -> Iterator[tuple[str, Query]]:
    predicates = [
        f"{column}{sign}{value}"
        for column, words in values.items()
        for value in words.split()
        for sign in ("=", "!=")
    ]
    for typed in [
        *predicates,
        *texts,
        *(f"!{text}" for text in texts),
        *(f"-f {text[::2]}" for text in texts),
    ]:
        yield typed, Query(filter=parse_filter(typed), after=_ROWS)
    yield "only unhealthy", Query(unhealthy=True, after=_ROWS)


def _orders(of: listing.Listing, middle: int) -> Iterator[tuple[str, Query]]:
    half = _ROWS // 2
    for column in of.columns:
        for falling in (False, True):
            name = f"{column}{', falling' if falling else ''}"
            yield name, Query(sort=column, descending=falling, after=_ROWS)
            yield f"{name}, last page", Query(sort=column, descending=falling, from_end=True, after=_ROWS)
            yield (
                f"{name}, middle",
                Query(sort=column, descending=falling, anchor=middle, before=half, after=half),
            )


def _orders_of_some(of: listing.Listing, texts: list[str]) -> Iterator[tuple[str, Query]]:
    some = {f"of {text}": Query(filter=parse_filter(text), after=_ROWS) for text in texts}
    some["of what is unhealthy"] = Query(unhealthy=True, after=_ROWS)
    if "model" in of.columns:
        some["of one model"] = Query(where=(("model", "flight-delay"),), after=_ROWS)
    for column in of.columns:
        for falling in (False, True):
            for words, query in some.items():
                named = f"{column}{', falling' if falling else ''}, {words}"
                yield (
                    named,
                    Query(query.filter, column, falling, query.unhealthy, after=_ROWS, where=query.where),
                )


def _cpu_s(page: Callable[[Query], Page[Any]], query: Query) -> float:
    """The median CPU time of a question in seconds: whatever else runs counts little in it."""
    page(query)
    taken = []
    for _ in range(_REPEATS):
        began = time.process_time()
        page(query)
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
