"""Promotion on the command line: requests that can no longer be decided, and lists that say what they leave out."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.conftest import Answer
from fixtures.registries import Example, make_example, raised
from pilothouse.cli import failures, main
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.workspace import audits


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    example = make_example(tmp_path / "workspace", demo=True)
    example.time = datetime.now(UTC)
    yield example
    example.close()


@pytest.fixture
def run(example: Example, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str, name: str = "pat") -> Answer:
        given = ["--workspace", str(example.root), "--as", name, *arguments]
        capsys.readouterr()
        code = failures.run(lambda: main.run(given))
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


def ask(example: Example, reference: str, **rest: object) -> PromotionRequest:
    return promotions.request_promotion(example.services, example.actor("sam"), reference, **rest)  # type: ignore[arg-type]


def promote(example: Example, reference: str, **rest: object) -> None:
    request = ask(example, reference, **rest)
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)


def outdate(example: Example) -> PromotionRequest:
    for number in (1, 2):
        example.add_version()
        promote(example, f"delay/{number}")
    example.add_version()
    request = ask(example, "delay/3", reason="summer rows")
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="slow")
    return request


def test_an_outdated_request_is_marked_says_what_changed_and_is_asked_anew(example: Example, run) -> None:
    outdate(example)
    today = f"{example.time:%Y-%m-%d}"
    row = next(line for line in run("requests").out.splitlines() if "▲ outdated" in line)
    assert f"compared with v2 on ewr, jfk; v1 is live there since {today}" in row
    assert "▶" not in row
    page = run("evidence", "3").out
    assert f"Outdated: compared with v2 on ewr, jfk; v1 is live there since {today}." in page
    assert "Ask anew with pilothouse request --again 3." in page
    (change, _) = run("evidence", "3", "--json").json["outdated_by"]
    assert (change["target"], change["compared_with"], change["live"]) == ("ewr", 2, 1)

    again = run("request", "--again", "3", name="oscar")

    assert (again.code, again.err) == (
        0,
        "request 4 is open; needs 1 approval; can be approved by pat, pia\n"
        "next: pilothouse evidence 4, pilothouse approve 4 --evidence DIGEST\n",
    )
    assert [r["id"] for r in run("requests", "--status", "open", "--json").json] == [4]
    assert "▶" in next(line for line in run("requests").out.splitlines() if "◆ open" in line)


def test_asking_anew_says_to_train_again_where_the_version_cannot_be_compared_with_what_is_live(
    example: Example, run
) -> None:
    for number in (1, 2):
        example.add_version()
        promote(example, f"delay/{number}")
    example.add_version(incumbents=(2,))
    ask(example, "delay/3")
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="slow")

    assert "Ask anew with pilothouse request --again 3." in run("evidence", "3").out
    refused = run("request", "--again", "3", name="oscar")
    assert (
        "was not compared with version 1, which went live since and cannot be from the record" in refused.err
    )
    assert "train again" in refused.err


def test_asking_anew_needs_a_request_or_a_version_and_not_both(example: Example, run) -> None:
    for arguments in (
        ("request",),
        ("request", "delay/1", "--again", "3"),
        ("request", "--again", "3", "--reason", "x"),
    ):
        assert run(*arguments, name="sam").code == 2


def test_a_list_of_requests_says_what_it_leaves_out(example: Example, run) -> None:
    example.apply(targets=[{"name": f"t{number}"} for number in range(5)])
    example.add_version()
    for number in range(5):
        ask(example, "delay/1", targets=[f"t{number}"])

    short = run("requests", "--limit", "2")

    assert len(short.out.splitlines()) == 1 + 2
    assert short.err == "… and 3 more: --limit 5\n"
    assert run("requests", "--limit", "5").err == ""
    assert [r["id"] for r in run("requests", "--model", "delay", "--limit", "3", "--json").json] == [5, 4, 3]


def test_versions_say_where_they_stand_everywhere(example: Example, run) -> None:
    for _ in range(3):
        example.add_version()
    promote(example, "delay/1")
    promote(example, "delay/2")
    promotions.reject(example.services, example.actor("pat"), ask(example, "delay/3").id, "too few rows")
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="slow")

    lines = run("versions", "delay").out.splitlines()[1:]
    for line, words in zip(lines, ("✖ rejected", "▲ rolled back", "● live"), strict=True):
        assert words in line
    stages = {v["number"]: v["standing"] for v in run("versions", "delay", "--json").json}
    assert (stages[3]["stage"], stages[3]["by"], stages[3]["reason"]) == ("rejected", "pat", "too few rows")
    shown = run("show", "delay/3").out
    assert "rejected" in shown
    assert "by pat (request 3): too few rows" in shown
    assert "rejected" in run("compare", "delay/2", "delay/3").out
    assert "models:/delay/3  rejected" in run("lineage", "delay/3").out
    assert run("lineage", "delay/3", "--affected", "--json").json["versions"][0]["stage"] == "rejected"


def test_every_list_that_is_cut_says_how_much_it_left_out(example: Example, run) -> None:
    example.apply(automation={"schedule": [{"name": "hourly", "every": "1h", "action": "monitor"}]})
    for number in (1, 2, 3):
        example.add_version()
        promote(example, f"delay/{number}")
    for kind in ("latency", "errors", "data_drift"):
        raised(example, kind)
    with example.services.registry.transaction() as connection:
        connection.executemany(
            "INSERT INTO schedule_fires (schedule_id, nominal_at, recorded_at, decision, outcome) "
            "VALUES (1, ?, 1, 'skipped', 'late')",
            [(number,) for number in range(5)],
        )
        connection.executemany(
            "INSERT INTO trigger_events (model_id, trigger, key, what, status, reason, seen_at, recorded_at) "
            "VALUES (1, 'fresh', ?, 'new data', 'waiting', 'paused', 1, 1)",
            [(str(number),) for number in range(4)],
        )
    totals = {
        ("jobs",): 3, ("alerts",): 3, ("deployments", "--all"): 6, ("schedule", "show", "1"): 5,
        ("triggers", "--events"): 4, ("requests",): 3, ("alerts", "--status", "open"): 3, ("incidents", "--all"): None,
        ("audit", "show"): example_audit(example),
    }  # fmt: skip
    for arguments, total in totals.items():
        cut = run(*arguments, "--limit", "2", name="aud" if arguments[0] == "audit" else "pat")
        assert cut.code == 0, cut.err
        if total is not None:
            assert cut.err == f"… and {total - 2} more: --limit {total}\n", arguments
            whole = run(*arguments, "--limit", str(total), "--json", name="aud")
            assert whole.err == "", arguments
    assert len(run("jobs", "--limit", "2").out.splitlines()) == 1 + 2
    assert len(run("versions", "delay").out.splitlines()) == 1 + 3


def example_audit(example: Example) -> int:
    return audits.head(example.services, example.actor("aud")).count


def test_the_page_says_what_the_rules_in_force_ask_and_who_can_approve(example: Example, run) -> None:
    example.add_version()
    ask(example, "delay/1")
    example.pass_time(seconds=1)
    run("policy", "set", "--approvals", "2", "--reason", "audit", name="ada")

    page = run("evidence", "1").out
    assert "approvals  0 of 2" in page
    assert "in force   2 approvals since the policy of " in page
    assert "approvers  can be approved by pat, pia" in page
    assert "sam applied the model file that delay/1 was trained with" in page
    rules = run("evidence", "1", "--json").json["in_force"]
    assert (rules["policy"]["approvals"], rules["can_approve"]) == (2, ["pat", "pia"])
    run("grant", "pj", "approver", name="ada")
    run("persons", "join", "pat", "pj", "--reason", "one account each", name="ada")
    assert "approvers  can be approved by pat (also pj), pia" in run("evidence", "1").out
    run("revoke", "pia", "approver", name="ada")
    only = "2 needed, and only pat (also pj) can approve: grant another approver"
    assert f"approvers  {only}" in run("evidence", "1").out
    assert f"is open; needs 2 approvals; {only}" in run("request", "delay/1", name="sam").err
    for name in ("pat", "pj"):
        run("revoke", name, "approver", name="ada")
    assert "approvers  nobody can approve it: grant the role approver to somebody" in run("evidence", "2").out


def test_a_deployed_request_counts_by_the_policy_that_decided_it(example: Example, run) -> None:
    example.add_version()
    request = ask(example, "delay/1")
    run("policy", "set", "--approvals", "2", "--reason", "audit", name="ada")
    digest = request.evidence_digest
    run("approve", "1", "--evidence", digest, name="pat")

    approved = run("approve", "1", "--evidence", digest, name="pia")

    assert approved.err == "request 1 is deployed: 2 of 2 approvals\n"
    page = run("evidence", "1").out
    assert "approvals   2 of 2, deployed" in page
    assert "decided by  2 approvals, four eyes" in page
    assert "2/2" in run("requests").out


def test_the_page_says_which_gates_were_tightened(example: Example, run) -> None:
    example.add_version(auc=0.65)
    ask(example, "delay/1")
    example.apply(gates={"metric": [{"metric": "auc", "minimum": 0.7}]})

    page = " ".join(run("evidence", "1").out.split())
    assert (
        "gates delay/1 was judged before the gates were tightened: gates.metric auc minimum 0.7, and it has 0.65"
        in page
    )
    assert "approvers" not in page


def test_persons_are_listed_and_joined(example: Example, run) -> None:
    joined = run("persons", "join", "pia", "pat", "--reason", "one person", name="ada")
    assert joined.err == "pat and pia are one person: what one of them did counts for all\n"
    people = {person["name"]: person["names"] for person in run("persons", "list", "--json").json}
    assert ["pat", "pia"] in people.values()
    assert run("persons", "join", "pia", "vera", "--reason", "x", name="pat").code != 0


def test_what_was_live_by_the_wall_clock_is_shown_with_times_of_the_wall_clock(example: Example, run) -> None:
    example.add_version()
    request = ask(example, "delay/1")
    run("approve", "1", "--evidence", request.evidence_digest)
    at = f"{datetime.now(UTC) + timedelta(minutes=1):%Y-%m-%d %H:%M}"
    assert "DATA" not in run("deployed", "--at", at).out
    assert "SINCE (DATA)" in run("deployed", "--at", at, "--clock", "event").out


def test_an_approval_without_a_digest_says_where_that_is_from(run) -> None:
    refused = run("approve", "7")
    assert refused.code == 2
    assert "it is from pilothouse evidence 7 (try --help)" in refused.err
