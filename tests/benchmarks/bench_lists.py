"""Lists of 100,000 incidents, deployments and outcomes that wait: opening, deep pages, filters and orders, in SQL."""

import sys
import tempfile
from pathlib import Path

from bench import median_s, show

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "console"))

import harbour

import crowd
from pilothouse.domain.listing import Page, Query, parse_filter
from pilothouse.domain.wire import Outcome
from pilothouse.operations import incidents, ingest, listings, outcome_lists

COUNT = 100_000
_ROWS = 240


def run() -> None:
    """Every page with its rows and its counts; what goes on, which is read whole."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workspace"
        root.mkdir()
        crowd.build(root, jobs=0, alerts=COUNT, deployments=COUNT)
        with harbour.opened(root) as services:
            ingest.ingest_outcomes(services, [Outcome(f"order/{i}", "1") for i in range(COUNT)], "ewr")
            pat = harbour.person(services, "pat")

            def page(of: object, query: Query) -> Page[object]:
                return of(services, pat, query)  # type: ignore[operator,no-any-return]

            taken = median_s(lambda: incidents.list_incidents(services, pat, unresolved=True), 9)
            show(
                f"lists: 11 incidents that go on, of {COUNT:,}",
                f"{taken * 1000:.1f} ms",
                "with what each costs",
            )
            for name, of, cases in (
                (
                    "incidents",
                    incidents.incidents_page,
                    (
                        "sort since",
                        "sort severity",
                        "bu=ops region=us*",
                        "severity=critical",
                        "column 7",
                        "zeppelin",
                    ),
                ),
                (
                    "deployments",
                    listings.deployments_page,
                    (
                        "sort since",
                        "sort target",
                        "bu=ops region=us*",
                        "how=rollback by=sam",
                        "request 99123",
                        "zeppelin",
                    ),
                ),
                ("outcomes that wait", outcome_lists.waiting_page, ("sort since", "from=ewr", "order/99123")),
            ):
                whole = page(of, Query(after=_ROWS))
                first = median_s(lambda of=of: page(of, Query(after=_ROWS)), 9)  # type: ignore[misc]
                show(
                    f"lists: {whole.total:,} {name}: open",
                    f"{first * 1000:.1f} ms",
                    "with its rows and counts",
                )
                middle = Query(anchor=COUNT // 2, before=_ROWS // 2, after=_ROWS // 2, count=False)
                top = Query(after=_ROWS, count=False)
                deep_s = median_s(lambda of=of, middle=middle: page(of, middle), 9)  # type: ignore[misc]
                top_s = median_s(lambda of=of, top=top: page(of, top), 9)  # type: ignore[misc]
                show(
                    f"lists: {name}: a page in the middle",
                    f"{deep_s * 1000:.1f} ms",
                    f"{deep_s / top_s:.2f}× the top",
                )
                for case in cases:
                    query = (
                        Query(sort=case.removeprefix("sort "), after=_ROWS, count=False)
                        if case.startswith("sort ")
                        else Query(filter=parse_filter(case), after=_ROWS)
                    )
                    taken = median_s(lambda of=of, query=query: page(of, query), 9)  # type: ignore[misc]
                    show(f"lists: {name}: {case}", f"{taken * 1000:.1f} ms")
