"""One tile for one site, whatever ways lead to it; a copy of a workspace is told from it."""

import json
import shutil
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.composition import open_workspace
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.sites.addresses import read_address
from pilothouse.domain.sites.answers import FollowedState, SiteAnswer, SiteFigures
from pilothouse.domain.sites.one_site import merged
from pilothouse.domain.sites.readings import Reading, Standing, answered, failed, why_no_act, with_followed
from pilothouse.operations.sites import identities, site_states
from pilothouse.operations.transparency import heads
from pilothouse.operations.workspace import audits, workspaces
from pilothouse.presentation.site_tiles import detail, summary
from pilothouse.sites.asking import Site, ask
from pilothouse.store import workspace
from pilothouse.system.leader import leader, leadership
from pilothouse.system.processes import own_name
from support.site_values import ANSWER, FIGURES, NOW, MakeSite

IDENTITY = "a" * 32
OWN = replace(FIGURES, identity=IDENTITY, log_size=40, log_hash="1" * 64)


def answer_of(figures: SiteFigures = OWN, folder: str = "b" * 32, **other: object) -> SiteAnswer:
    return replace(ANSWER, figures=figures, instance=folder, **{"daemon": True, **other})  # type: ignore[arg-type]


def heard(site: str, answer: SiteAnswer, *, ago: int = 0) -> Reading:
    return answered(Reading(site=site), answer, NOW - timedelta(seconds=ago))


def hub(figures: SiteFigures = OWN, standing: str = "current") -> list[Reading]:
    """A hub that follows a site of these figures as eu."""
    state = FollowedState(name="eu", standing=standing, figures=figures, heard_at=NOW, said="")
    own = replace(FIGURES, identity="c" * 32, alerts=0)
    return with_followed([heard("hub", answer_of(own, "d" * 32, followed=(state,)))])


def test_a_site_that_is_asked_and_followed_by_a_hub_is_one_tile() -> None:
    found = merged([heard("jfk", answer_of()), *hub()])
    assert [(one.site, one.standing) for one in found] == [
        ("jfk", Standing.ANSWERS),
        ("hub", Standing.ANSWERS),
    ]
    assert summary(found) == "2 sites · 3 alerts, 2 requests, 4 jobs"
    _, (why, *_) = detail(found[0], "/srv/jfk", NOW)
    assert "hub follows it" in why.text
    assert found[0].answer is not None
    assert found[0].answer.items


def test_a_site_that_is_away_is_shown_by_what_a_hub_has_heard_since() -> None:
    before = heard("jfk", answer_of(), ago=300)
    newer = replace(OWN, alerts=7, log_size=44, log_hash="2" * 64)
    one, _ = merged([failed(before, Standing.AWAY, "no connection", NOW), *hub(newer)])
    assert (one.site, one.via, one.standing) == ("jfk", "hub", Standing.ANSWERS)
    assert one.figures == newer
    assert "asked itself, it is away: no connection" in one.said
    assert "known by what hub read" in why_no_act(one)


def test_one_folder_by_two_paths_is_one_site_and_the_way_that_answers_is_shown() -> None:
    first, second = heard("jfk", answer_of()), heard("far", answer_of())
    (one,) = merged([first, second])
    assert (one.site, one.ways) == ("jfk", ("also far",))
    (other,) = merged([failed(first, Standing.AWAY, "gone", NOW), second])
    assert (other.site, other.ways) == ("far", ("also jfk (away)",))


def test_a_copy_that_does_not_run_is_a_copy_and_counts_nothing() -> None:
    copy = heard("old", answer_of(replace(OWN, log_size=30), "e" * 32, daemon=False))
    found = merged([copy, heard("jfk", answer_of())])
    assert [(one.site, one.standing) for one in found] == [("old", Standing.COPY), ("jfk", Standing.ANSWERS)]
    assert "identity of jfk in another folder" in found[0].said
    assert summary(found) == "2 sites, 1 copy · 3 alerts, 1 request, 2 jobs"
    assert found[0].answer is not None
    assert found[0].answer.items == (), "an item is listed once"
    assert "old is copy" in why_no_act(found[0])


def test_two_that_run_under_one_identity_contradict() -> None:
    found = merged(
        [heard("jfk", answer_of()), heard("old", answer_of(replace(OWN, log_size=44), "e" * 32)), *hub()]
    )
    assert [one.standing for one in found] == [
        Standing.CONTRADICTS,
        Standing.CONTRADICTS,
        Standing.ANSWERS,
        Standing.ANSWERS,
    ]
    assert "old runs under the same identity (rows of the log: 40 here, 44 in old)" in found[0].said


@pytest.mark.parametrize("standing", ["contradicts", "not believed", "replayed", "copy"])
def test_what_is_wrong_with_a_followed_site_is_never_put_away_behind_its_own_answer(standing: str) -> None:
    found = merged([heard("jfk", answer_of()), *hub(standing=standing)])
    assert [one.site for one in found] == ["jfk", "hub", "eu"]


def test_another_log_of_the_same_length_is_named_whoever_claims_it() -> None:
    found = merged([heard("jfk", answer_of()), *hub(replace(OWN, log_hash="9" * 64))])
    assert [(one.site, one.standing) for one in found][-1] == ("eu", Standing.CONTRADICTS)
    assert "another log of 40 rows" in found[-1].said


def test_without_an_identity_nothing_is_put_together() -> None:
    older = replace(OWN, identity="")
    assert len(merged([heard("jfk", answer_of(older)), *hub(older)])) == 3


@pytest.mark.parametrize("lie", ["\x1b[2J", "x" * 32, "A" * 32, "a" * 80, 7])
def test_an_identity_that_is_no_identity_is_no_answer(lie: object) -> None:
    from pilothouse.domain.sites.answers import answer_plain, read_answer

    plain = answer_plain(answer_of())
    plain["figures"]["identity"] = lie
    with pytest.raises(InvalidInputError, match="identity"):
        read_answer(plain)


def test_a_link_is_the_same_site_a_copy_is_not_and_one_of_its_own_again_is_another(
    make_site: MakeSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_site("jfk")
    (tmp_path / "link").symlink_to(root)
    with leadership(root / "state" / "daemon.lock"):
        shutil.copytree(root, tmp_path / "copy")
        assert leader(root / "state" / "daemon.lock") == own_name()
        assert leader(tmp_path / "copy" / "state" / "daemon.lock") is None, (
            "its daemon is that of another folder"
        )
    words = ["--json", "site", "ask", str(root), str(tmp_path / "link"), str(tmp_path / "copy")]
    assert failures.run(lambda: main.run(words)) == 7
    found = {one["site"]: one for one in json.loads(capsys.readouterr().out)}
    assert {name: one["standing"] for name, one in found.items()} == {
        "jfk": "answers",
        "link": "answers",
        "copy": "copy",
    }
    assert found["link"]["said"] == "the same site as jfk"
    with closing(open_workspace(tmp_path / "copy")) as services:
        ada = workspaces.identify(services, "ada")
        before, key = identities.identity(services, ada), heads.status(services, ada).key
        with pytest.raises(InvalidInputError, match="needs a reason"):
            identities.renew(services, ada, " ")
        made = identities.renew(services, ada, "a copy for trials")
        assert made != before
        assert heads.status(services, ada).key != key
        assert f"/{made[:8]}" in heads.status(services, ada).origin
        key_made, renewed = audits.show(services, ada)[:2]
        assert (renewed.action, key_made.action) == (identities.RENEWED, "log.key_made")
        assert (renewed.detail["workspace"], renewed.detail["before"]) == (made, before)
        assert key_made.detail["workspace"] == made
    assert failures.run(lambda: main.run(words)) == 0
    assert {one["standing"] for one in json.loads(capsys.readouterr().out)} == {"answers"}


def test_a_workspace_has_its_identity_from_init_on_in_its_log(tmp_path: Path) -> None:
    for name in ("one", "two"):
        workspaces.initialise(tmp_path / name, "ada", clock=lambda: NOW)
    found = []
    for name in ("one", "two"):
        with closing(open_workspace(tmp_path / name)) as services:
            ada = workspaces.identify(services, "ada")
            (created,) = (one for one in audits.show(services, ada) if one.action == "workspace.created")
            assert created.detail["workspace"] == identities.identity(services, ada)
            assert site_states.figures(services, ada).identity == created.detail["workspace"]
            found.append(created.detail["workspace"])
    assert len(set(found)) == 2


def test_an_older_workspace_has_one_identity_however_often_its_backup_is_upgraded(
    older_site: Path, tmp_path: Path
) -> None:
    shutil.copytree(older_site, tmp_path / "again")
    found = set()
    for root in (older_site, tmp_path / "again"):
        with closing(open_workspace(root)) as services, services.registry.read() as connection:
            found.add(workspace.identity(connection))
    assert len(found) == 1
    assert len(found.pop()) == 32


def test_what_is_asked_first_is_a_place(make_site: MakeSite) -> None:
    """The folder of an answer is the same by every path, and it is no path."""
    root = make_site("jfk")
    first = ask(Site("a", read_address(str(root))), Reading(site="a"))
    second = ask(Site("b", read_address(f"{root}/../jfk")), Reading(site="b"))
    assert first.answer is not None
    assert second.answer is not None
    assert first.answer.instance == second.answer.instance
    assert "/" not in first.answer.instance
