"""Windows of long lists: the same rows in the same order as the whole list has, wherever the window lies."""

from collections.abc import Iterator

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.listing import Query, parse_filter
from pilothouse.domain.records import Job
from pilothouse.operations import listings
from pilothouse.operations.alerts import incident_cost, incidents
from pilothouse.operations.services import Services
from pilothouse.sqlite import windows
from pilothouse.store import listing
from pilothouse.store.deployed import fleet
from pilothouse.store.deployed import incidents as incident_rows
from pilothouse.store.log import audit
from support import example, many_rows

JOBS = 700
ORDERS = {
    "": lambda job: -job.id,
    "kind": lambda job: (job.kind, job.id),
    "model": lambda job: (job.model, job.id),
    "status": lambda job: (str(job.status), job.id),
    "by": lambda job: (job.created_by, job.id),
    "took": lambda job: (
        int((job.ended_at - job.started_at).total_seconds() * 1e6) if job.ended_at and job.started_at else -1, job.id,
    ),
    "what": lambda job: (job.error or job.reason, job.id),
}  # fmt: skip
FILTERS = {
    "": lambda job: True,
    "nightly": lambda job: "nightly" in job.reason and not job.error,
    "!nightly": lambda job: "nightly" not in job.reason or bool(job.error),
    "by=sam status=failed": lambda job: job.created_by == "sam" and job.status == "failed",
    "model=bike*": lambda job: job.model.startswith("bike"),
    "kind!=train": lambda job: job.kind != "train",
    "zeppelin": lambda job: False,
    "100%": lambda job: False,
}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    root = tmp_path_factory.mktemp("many_rows") / "workspace"
    root.mkdir()
    many_rows.build(root, jobs=JOBS, versions=40, alerts=120, deployments=60)
    with example.opened(root) as services:
        yield services


@pytest.fixture(scope="module")
def everything(services: Services) -> list[Job]:
    whole = listings.jobs_page(services, example.person(services, "pat"), Query(after=2_000)).rows
    assert len(whole) == JOBS + 6
    return list(whole)


@pytest.mark.parametrize("few", [5_000, 10], ids=["ordered whole", "window by window"])
@pytest.mark.parametrize("typed", FILTERS)
@pytest.mark.parametrize("sort", ORDERS)
def test_a_window_is_a_piece_of_the_whole(
    services: Services,
    everything: list[Job],
    monkeypatch: pytest.MonkeyPatch,
    sort: str,
    typed: str,
    few: int,
) -> None:
    monkeypatch.setattr(windows, "FEW", few)
    pat = example.person(services, "pat")
    passing = [job for job in everything if FILTERS[typed](job)]
    for descending in (False, True):
        wanted = [job.id for job in sorted(passing, key=ORDERS[sort], reverse=descending)]
        query = Query(parse_filter(typed), sort, descending, after=20)
        first = listings.jobs_page(services, pat, query)
        assert [job.id for job in first.rows] == wanted[:20]
        assert (first.first, first.total) == (0, len(wanted))
        last = listings.jobs_page(
            services, pat, Query(parse_filter(typed), sort, descending, from_end=True, after=20)
        )
        assert [job.id for job in last.rows] == wanted[-20:]
        assert last.first == max(0, len(wanted) - 20)
        for place in range(0, len(wanted), 111):
            query = Query(parse_filter(typed), sort, descending, anchor=wanted[place], before=7, after=9)
            found = listings.jobs_page(services, pat, query)
            assert [job.id for job in found.rows] == wanted[max(0, place - 7) : place + 9]
            assert (found.first, found.total) == (max(0, place - 7), len(wanted))


def test_only_unhealthy(services: Services, everything: list[Job]) -> None:
    found = listings.jobs_page(services, example.person(services, "pat"), Query(unhealthy=True, after=2_000))
    wanted = [job.id for job in everything if job.status in ("failed", "crashed")]
    assert [job.id for job in found.rows] == wanted


def test_every_list_takes_every_column_and_a_text(services: Services) -> None:
    pat = example.person(services, "pat")
    pages = {
        "JOBS": listings.jobs_page, "VERSIONS": listings.versions_page, "DEPLOYMENTS": listings.deployments_page,
        "AUDIT": listings.audit_page, "INCIDENTS": incidents.incidents_page,
    }  # fmt: skip
    for name, page in pages.items():
        whole = page(services, pat, Query(after=2_000))
        assert whole.total == len(whole.rows) > 0
        for column in getattr(listing, name).columns:
            for descending in (False, True):
                found = page(services, pat, Query(sort=column, descending=descending, after=2_000))
                assert len(found.rows) == len(whole.rows), column
            page(services, pat, Query(filter=parse_filter(f"{column}=*a*"), after=10))
        page(services, pat, Query(filter=parse_filter("a"), unhealthy=True, after=10))


INCIDENT_FILTERS = {
    "jfk": lambda i: "jfk" in i.targets,
    "!jfk": lambda i: "jfk" not in i.targets,
    "region=us-east where=w*": lambda i: "washington" in i.targets,
    "bu=ops": lambda i: bool({"ewr", "jfk"} & set(i.targets)),
    "severity=critical": lambda i: i.severity == "critical",
    "cost=*week": lambda i: i.cost.words.endswith("week"),
    "state=open": lambda i: i.status == "open",
    "kind=latency model=bike*": lambda i: (
        i.model == "bike-demand" and any(a.kind == "latency" for a in i.alerts)
    ),
    "wind": lambda i: any("wind" in f"{a.subject} {a.summary}" for a in i.alerts),
}


def test_incidents_are_found_by_what_their_alerts_say(services: Services) -> None:
    pat = example.person(services, "pat")
    everything = incidents.incidents_page(services, pat, Query(after=2_000)).rows
    assert len(everything) > 100
    for typed, holds in INCIDENT_FILTERS.items():
        found = incidents.incidents_page(services, pat, Query(filter=parse_filter(typed), after=2_000))
        wanted = [i.id for i in everything if holds(i)]
        assert [i.id for i in found.rows] == wanted, typed
        assert found.total == len(wanted)
    by_time = incidents.incidents_page(services, pat, Query(sort="since", after=2_000)).rows
    assert [i.id for i in by_time] == [i.id for i in sorted(everything, key=lambda i: (i.since, i.id))]
    going_on = incidents.incidents_page(services, pat, Query(unhealthy=True, after=2_000)).rows
    assert {i.id for i in going_on} == {i.id for i in everything if i.unresolved}


@pytest.mark.parametrize("few", [5_000, 10], ids=["ordered whole", "window by window"])
def test_all_incidents_are_sorted_by_what_is_shown(
    services: Services, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(windows, "FEW", few)
    pat = example.person(services, "pat")
    incident_cost.judge_changed(services, windows_closed=True)
    everything = incidents.incidents_page(services, pat, Query(after=2_000)).rows
    assert len({i.cost.rank for i in everything}) > 60
    orders = {
        "cost": lambda i: (-i.cost.tier, i.cost.weight, i.id), "severity": lambda i: (i.severity, i.id),
        "state": lambda i: (str(i.status), i.id), "alerts": lambda i: (len(i.alerts), i.id),
        "where": lambda i: (", ".join(i.targets), i.id), "since": lambda i: (i.since, i.id), "on": lambda i: (i.assignee, i.id),
        "region": lambda i: i.id,
    }  # fmt: skip
    for name, order in orders.items():
        for typed in ("", "bu=ops", "drifts"):
            for descending in (False, True):
                query = Query(parse_filter(typed), name, descending, after=2_000)
                found = incidents.incidents_page(services, pat, query).rows
                assert len(found) > 60
                wanted = {i.id for i in found}
                in_order = sorted((i for i in everything if i.id in wanted), key=order, reverse=descending)
                assert [i.id for i in found] == [i.id for i in in_order], (name, typed)


def test_an_unknown_column_is_said(services: Services) -> None:
    with pytest.raises(InvalidInputError, match="there is no column 'colour' here: expected job, kind"):
        listings.jobs_page(
            services, example.person(services, "pat"), Query(filter=parse_filter("colour=red"))
        )


def test_what_goes_on_is_found_without_a_look_at_what_is_over(services: Services) -> None:
    statements: list[str] = []
    with services.registry.read() as connection:
        connection.set_trace_callback(statements.append)
        incident_rows.listed(connection, unresolved=True)
        connection.set_trace_callback(None)
        plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statements[0]}")]
    assert any("INDEX incidents_going_on" in step for step in plan), plan


@pytest.mark.parametrize(
    ("of", "query"),
    [
        ("JOBS", Query(sort="took")), ("JOBS", Query(sort="status")), ("JOBS", Query(sort="kind", anchor=300)),
        ("JOBS", Query(anchor=300)), ("DEPLOYMENTS", Query(sort="since", anchor=30)), ("DEPLOYMENTS", Query(sort="until")),
        ("INCIDENTS", Query(anchor=30)), ("INCIDENTS", Query(sort="on")), ("INCIDENTS", Query(sort="cost", anchor=30)),
        ("INCIDENTS", Query(sort="cause")), ("INCIDENTS", Query(sort="where")), ("INCIDENTS", Query(sort="model")),
        ("DEPLOYMENTS", Query(sort="target")), ("DEPLOYMENTS", Query(sort="model")), ("VERSIONS", Query(sort="gates")),
        ("VERSIONS", Query(sort="stage")), ("VERSIONS", Query(sort="stage", anchor=2)), ("VERSIONS", Query(sort="model")),
        ("VERSIONS", Query(sort="version")), ("VERSIONS", Query(sort="created", anchor=2)),
        ("JOBS", Query(sort="trial")), ("JOBS", Query(sort="trial", anchor=300)),
    ],
)  # fmt: skip
def test_windows_are_read_along_an_index(services: Services, of: str, query: Query) -> None:
    statements: list[str] = []
    with services.registry.read() as connection:
        connection.set_trace_callback(statements.append)
        listing.window(connection, getattr(listing, of), query)
        connection.set_trace_callback(None)
        ordered = [text for text in statements if "ORDER BY" in text]
        assert ordered
        for text in ordered:
            plan = " ".join(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}"))
            assert "TEMP B-TREE" not in plan, plan


@pytest.mark.parametrize("sort", ["deployed", "how", "by", "reason"])
def test_deployments_are_sorted_by_how_they_came_along_an_index(services: Services, sort: str) -> None:
    statements: list[str] = []
    with services.registry.read() as connection:
        shown = {one.id: one for one in fleet.of_numbers(connection, tuple(range(1, 20))).values()}
        connection.set_trace_callback(statements.append)
        page = listing.window(connection, fleet.STATES, Query(sort=sort, after=50))
        connection.set_trace_callback(None)
        (ordered,) = [text for text in statements if "ORDER BY" in text]
        plan = " ".join(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {ordered}"))
    assert "TEMP B-TREE" not in plan, plan
    assert "deployments " not in ordered
    live = [shown[number].deployment for number in page.rows if shown[number].deployment is not None]
    value = {"deployed": "effective_at", "how": "kind", "by": "actor", "reason": "reason"}[sort]
    found = [str(getattr(one, value)) for one in live if one is not None]
    assert found == sorted(found)
    assert found


def test_the_whole_audit_log_is_searched_along_one_index(services: Services) -> None:
    statements: list[str] = []
    with services.registry.read() as connection:
        connection.set_trace_callback(statements.append)
        listing.window(connection, listing.AUDIT, Query(filter=parse_filter("zeppelin")))
        listing.window(connection, listing.AUDIT, Query(filter=parse_filter("detail=*zep=pelin*")))
        audit.entries(connection, limit=10, text="zeppelin")
        connection.set_trace_callback(None)
        for text in statements[1:]:
            plan = " ".join(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}"))
            assert "COVERING INDEX audit_searched" in plan, (text, plan)


def test_versions_are_searched_in_their_list_and_not_in_their_wide_table(services: Services) -> None:
    statements: list[str] = []
    with services.registry.read() as connection:
        connection.set_trace_callback(statements.append)
        for typed in ("candidate", "v4912", "stage=retired"):
            listing.window(connection, listing.VERSIONS, Query(filter=parse_filter(typed)))
        connection.set_trace_callback(None)
    assert statements
    assert not [text for text in statements if " versions " in text or " deployments " in text]


@pytest.mark.parametrize(
    "typed", ["candid", "-f cdt", "can*te", "rolled", "zeppelin", "!candid", "!zeppelin"]
)
def test_a_text_that_no_stage_of_a_version_has_is_not_looked_for_among_the_stages(
    services: Services, typed: str
) -> None:
    pat = example.person(services, "pat")
    whole = listings.versions_page(services, pat, Query(after=2_000)).rows
    sought = parse_filter(typed)
    holds = "candidate" if "z" not in typed and "rolled" not in typed else "zzz"
    wanted = [v.id for v in whole if (holds in str(v.standing.stage)) is (sought.kind != "lacks")]
    found = listings.versions_page(services, pat, Query(filter=sought, after=2_000)).rows
    assert [v.id for v in found] == wanted


def test_what_an_entry_of_the_log_says_is_found_in_any_script(services: Services) -> None:
    with services.registry.transaction() as connection:
        said = audit.append(
            connection, at=services.now(), actor="pat", action="note.made", subject="x",
            detail={"reason": "Über die Höhe: a \"storm\" 100%_\\", "alert": 9},
        )  # fmt: skip

    def found(typed: str) -> bool:
        query = Query(filter=parse_filter(typed), after=2_000)
        page = listings.audit_page(services, example.person(services, "pat"), query)
        return said.seq in [entry.seq for entry in page.rows]

    for typed in (
        "über die höhe", "Höhe", "detail=*höhe*", "detail=*Über*", "detail=*alert=9*", "100%_",
        "detail={alert=9*", "detail=*storm*",
    ):  # fmt: skip
        assert found(typed), typed
    for typed in (
        "hoehe",
        "!höhe",
        "detail!=*höhe*",
        "detail=*hühe*",
        "detail=storm",
        "detail=alert=9*",
        "100__",
    ):
        assert not found(typed), typed
