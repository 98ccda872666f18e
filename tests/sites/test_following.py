"""Sites that watch each other by what they publish: fresh, replayed, forged, cut off, rewritten."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.registries import Example, make_example
from pilothouse.cli import failures, main
from pilothouse.composition import open_workspace
from pilothouse.daemon.site_keeper import keep_sites
from pilothouse.daemon.thread_loop import Wakeup
from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
)
from pilothouse.domain.identity.roles import Actor, Role
from pilothouse.domain.outbox.happenings import SITE_CONTRADICTS, SITE_FAILING, SITE_RECOVERED, TOLD
from pilothouse.domain.sites.followed import FollowedLook, FollowStanding, natural
from pilothouse.domain.sites.readings import Reading, Standing, with_followed
from pilothouse.operations import automation_switch
from pilothouse.operations.authorisation import change_in
from pilothouse.operations.services import Services
from pilothouse.operations.sites import following, identities, publishing, site_states, sources
from pilothouse.operations.transparency import contradictions, heads, log_health
from pilothouse.operations.workspace import audits, workspaces
from pilothouse.store import workspace
from pilothouse.system.workspace_place import os_user
from pilothouse.transparency import published
from support import wait_until

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@dataclass
class Two:
    """A site that publishes into a folder, and one that follows it."""

    site: Services
    hub: Services
    folder: Path

    def ada(self, services: Services) -> Actor:
        return workspaces.identify(services, "ada")

    def work(self, services: Services, times: int = 1, reason: str = "a storm") -> None:
        """Rows for a site's log."""
        for _ in range(times):
            automation_switch.pause(services, self.ada(services), reason)
            automation_switch.resume(services, self.ada(services))

    def publish(self, services: Services | None = None, *, after: timedelta = timedelta(0)) -> None:
        one = services or self.site
        one.now = lambda: NOW + after
        publishing.publish(one, self.ada(one), self.folder)

    def follow(self, place: str = "") -> None:
        key = heads.status(self.site, self.ada(self.site)).key
        following.follow(
            self.hub, self.ada(self.hub), "eu", place or str(self.folder), key, stale_after_s=900
        )

    def look(self, *, after: timedelta = timedelta(0)) -> FollowedLook:
        self.hub.now = lambda: NOW + after
        ((_, found),) = following.look(self.hub, self.ada(self.hub))
        return found

    def look_all(self, *, after: timedelta = timedelta(0)) -> dict[str, FollowedLook]:
        self.hub.now = lambda: NOW + after
        return {site.name: found for site, found in following.look(self.hub, self.ada(self.hub))}

    def actions(self) -> list[str]:
        return [one.action for one in audits.show(self.hub, self.ada(self.hub))]


def _opened(example: Example) -> Services:
    example.services.now = lambda: NOW
    return example.services


@pytest.fixture
def two(tmp_path: Path) -> Two:
    both = Two(
        _opened(make_example(tmp_path / "site")), _opened(make_example(tmp_path / "hub")), tmp_path / "www"
    )
    identities.renew(both.hub, both.ada(both.hub), "another workspace than the site")
    both.publish()
    both.follow()
    return both


@contextmanager
def forked(two: Two, tmp_path: Path) -> Iterator[Services]:
    """The site as it is now, in a second copy: with the same key, and a log that goes another way."""
    shutil.copytree(two.site.paths.root, tmp_path / "fork")
    services = open_workspace(tmp_path / "fork")
    services.now = lambda: NOW
    try:
        yield services
    finally:
        services.close()


def test_a_site_is_current_by_its_signed_state_and_its_log_goes_on(two: Two) -> None:
    first = two.look()
    assert (first.standing, first.said) == (FollowStanding.CURRENT, "")
    two.work(two.site, 3)
    two.publish(after=timedelta(minutes=1))
    second = two.look(after=timedelta(minutes=1))
    assert second.standing is FollowStanding.CURRENT
    assert second.head_size > first.head_size
    (state,) = following.states(two.hub, two.ada(two.hub))
    assert state.figures is not None
    assert state.figures.log_size <= second.head_size
    witnessed = next(
        one for one in audits.show(two.hub, two.ada(two.hub)) if one.action == following.WITNESSED
    )
    assert witnessed.detail["size"] == first.head_size


def test_a_published_state_names_nobody_and_repeats_no_reason(two: Two) -> None:
    automation_switch.pause(two.site, two.ada(two.site), "petra said so")
    two.publish(after=timedelta(minutes=1))
    text = (two.folder / "state").read_text()
    assert "petra" not in text
    assert '"paused": "paused"' in text


def test_an_old_state_put_back_is_told_and_the_newer_one_stays(two: Two, tmp_path: Path) -> None:
    two.look()
    shutil.copy(two.folder / "state", tmp_path / "old")
    two.work(two.site)
    two.publish(after=timedelta(minutes=5))
    newest = two.look(after=timedelta(minutes=5))
    shutil.copy(tmp_path / "old", two.folder / "state")
    replayed = two.look(after=timedelta(minutes=6))
    assert replayed.standing is FollowStanding.REPLAYED
    assert "seen already" in replayed.said
    assert (replayed.note, replayed.head_size) == (newest.note, newest.head_size)


def test_a_state_that_nobody_renews_is_stale(two: Two) -> None:
    two.look()
    late = two.look(after=timedelta(minutes=16))
    assert (late.standing, late.head_size > 0) == (FollowStanding.STALE, True)
    two.publish(after=timedelta(minutes=17))
    assert two.look(after=timedelta(minutes=17)).standing is FollowStanding.CURRENT


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"alerts": 0', '"alerts": 1'),
        lambda text: text.replace("pilothouse-site-state/v1", "pilothouse-site-state/v2"),
        lambda text: text[:-20],
        lambda text: "",
        lambda text: "<html>not found</html>",
        lambda text: text.replace('"figures": {', '"figures": ["\x1b[2J"], "x": {'),
    ],
)
def test_what_the_key_on_record_has_not_signed_is_not_believed(
    two: Two, change: Callable[[str], str]
) -> None:
    before = two.look()
    text = (two.folder / "state").read_text()
    assert change(text) != text
    (two.folder / "state").write_text(change(text))
    after = two.look(after=timedelta(minutes=1))
    assert after.standing is FollowStanding.FORGED
    assert after.said.isprintable()
    assert after.note == before.note


def test_the_state_of_another_log_is_not_believed(two: Two, tmp_path: Path) -> None:
    two.look()
    shutil.rmtree(two.folder)
    two.publish(two.hub, after=timedelta(minutes=1))
    assert two.look(after=timedelta(minutes=1)).standing is FollowStanding.FORGED


def test_a_state_of_a_time_that_is_not_yet_is_not_believed(two: Two) -> None:
    two.publish(after=timedelta(hours=2))
    assert two.look().standing is FollowStanding.FORGED


@pytest.mark.parametrize(("ours", "theirs"), [(2, 2), (2, 5), (5, 2), (2, 0)])
def test_a_log_that_was_written_anew_contradicts_for_good(
    two: Two, tmp_path: Path, ours: int, theirs: int
) -> None:
    """Rows after the copy: as many, more, fewer, none (the end was cut off)."""
    with forked(two, tmp_path) as fork:
        two.work(two.site, ours)
        two.publish(after=timedelta(minutes=1))
        seen = two.look(after=timedelta(minutes=1))
        assert seen.standing is FollowStanding.CURRENT
        if theirs:
            two.work(fork, theirs, "no storm")
        shutil.rmtree(two.folder)
        two.publish(fork, after=timedelta(minutes=2))
        found = two.look(after=timedelta(minutes=2))
    assert found.standing is FollowStanding.CONTRADICTS, found.said
    assert found.head_size == seen.head_size
    evidence = published.parse(found.evidence)
    assert evidence.head.checkpoint.size != 0
    assert SITE_CONTRADICTS in two.actions()
    assert SITE_CONTRADICTS in TOLD
    assert any("eu" in text for text in contradictions.on_record(two.hub, two.ada(two.hub)))
    with pytest.raises(IntegrityError, match="followed site eu"):
        log_health.examine(two.hub, two.ada(two.hub))

    shutil.rmtree(two.folder)
    two.publish(after=timedelta(minutes=3))
    assert two.look(after=timedelta(minutes=3)).standing is FollowStanding.CONTRADICTS
    assert two.actions().count(SITE_CONTRADICTS) == 1


def test_missing_or_damaged_tiles_are_no_contradiction(two: Two, tmp_path: Path) -> None:
    first = two.look()
    two.work(two.site, 3)
    two.publish(after=timedelta(minutes=1))
    shutil.copytree(two.folder / "tile", tmp_path / "tile")
    for tile in (two.folder / "tile" / "0").rglob("*"):
        if tile.is_file():
            tile.write_bytes(bytes(len(tile.read_bytes())))
    damaged = two.look(after=timedelta(minutes=1))
    assert damaged.standing is FollowStanding.UNPROVEN, damaged.said
    assert damaged.head_size == first.head_size
    shutil.rmtree(two.folder / "tile")
    assert two.look(after=timedelta(minutes=1)).standing is FollowStanding.UNPROVEN
    (tmp_path / "tile").rename(two.folder / "tile")
    assert two.look(after=timedelta(minutes=2)).standing is FollowStanding.CURRENT


def test_a_site_that_is_away_for_minutes_is_told_once_and_its_return_too(two: Two, tmp_path: Path) -> None:
    two.look()
    two.folder.rename(tmp_path / "elsewhere")
    for minutes in (1, 2, 5, 7, 8):
        two.look(after=timedelta(minutes=minutes))
    assert two.actions().count(SITE_FAILING) == 1
    (tmp_path / "elsewhere").rename(two.folder)
    assert two.look(after=timedelta(minutes=9)).standing is FollowStanding.CURRENT
    assert two.actions().count(SITE_RECOVERED) == 1


def test_only_who_sets_the_policy_follows_and_leaves_and_each_is_an_entry(two: Two) -> None:
    oscar = workspaces.identify(two.hub, "oscar")
    with pytest.raises(NotAllowedError):
        following.leave(two.hub, oscar, "eu")
    with pytest.raises(NotAllowedError):
        publishing.set_publishing(two.hub, oscar, publishing.Publishing(two.folder, 60))
    with pytest.raises(ConflictError, match="followed already"):
        two.follow()
    assert following.look(two.hub, oscar)[0][1].standing is FollowStanding.CURRENT
    following.leave(two.hub, two.ada(two.hub), "eu")
    with pytest.raises(NotFoundError):
        following.leave(two.hub, two.ada(two.hub), "eu")
    two.follow()
    assert two.actions().count(following.FOLLOWED) == 2
    assert two.actions().count(following.LEFT) == 1


@pytest.mark.parametrize(
    "place",
    [
        "relative/folder",
        "http://user:word@host/x",
        "http://",
        "ftp://host/x",
        "ssh://-oX/srv",
        "http://host/a b",
        "x\x1b",
    ],
)
def test_a_place_that_is_none_is_refused(two: Two, place: str) -> None:
    key = heads.status(two.site, two.ada(two.site)).key
    with pytest.raises(InvalidInputError) as refused:
        following.follow(two.hub, two.ada(two.hub), "us", place, key, stale_after_s=900)
    assert str(refused.value).isprintable()


def test_over_http_files_are_read_bounded_and_without_redirects(two: Two) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            if self.path.startswith("/moved/"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/moved"))
                self.end_headers()
            else:
                super().do_GET()

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=two.folder)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_address[1]}"
        following.leave(two.hub, two.ada(two.hub), "eu")
        two.follow(place)
        assert two.look().standing is FollowStanding.CURRENT
        two.work(two.site)
        two.publish(after=timedelta(minutes=1))
        assert two.look(after=timedelta(minutes=1)).standing is FollowStanding.CURRENT
        with pytest.raises(NotFoundError):
            sources.reader(place, 1_000)("tile/5/000")
        for reader, path in (
            (sources.reader(place, 10), "state"),
            (sources.reader(f"{place}/moved", 1_000), "state"),
        ):
            with pytest.raises(Exception, match=r"has more than|redirects are not followed"):
                reader(path)
        with pytest.raises(InvalidInputError):
            sources.reader(place, 10)("../state")
        server.shutdown()
    assert two.look(after=timedelta(minutes=2)).standing is FollowStanding.AWAY


def test_what_is_given_over_ssh_is_what_would_be_published(two: Two) -> None:
    ada = two.ada(two.site)
    two.work(two.site)
    two.publish(after=timedelta(minutes=1))
    for path in two.folder.rglob("*"):
        name = str(path.relative_to(two.folder))
        if path.is_file() and name.startswith("tile/") and "entries" not in name:
            assert publishing.published_file(two.site, ada, name) == path.read_bytes()
    assert publishing.published_file(two.site, ada, "checkpoint") == (two.folder / "checkpoint").read_bytes()
    for wrong in (
        "tile/0/x001/000",
        "tile/0/000.p/255",
        "tile/7/000",
        "state/../../log.key",
        "tile/0/../../x",
    ):
        with pytest.raises((NotFoundError, InvalidInputError)):
            publishing.published_file(two.site, ada, wrong)


def test_parts_of_tiles_do_not_gather(two: Two) -> None:
    for minute in range(8):
        two.work(two.site)
        two.publish(after=timedelta(minutes=minute))
    assert len(list((two.folder / "tile" / "0" / "000.p").iterdir())) == publishing._PARTS_KEPT
    assert two.look(after=timedelta(minutes=8)).standing is FollowStanding.CURRENT


def test_the_daemon_publishes_on_a_schedule_and_looks(two: Two) -> None:
    ada = two.ada(two.hub)
    for wrong in (publishing.Publishing(Path("relative"), 60), publishing.Publishing(two.folder, 1)):
        with pytest.raises(InvalidInputError):
            publishing.set_publishing(two.hub, ada, wrong)
    own = two.folder.parent / "hub-www"
    publishing.set_publishing(two.hub, ada, publishing.Publishing(own, 60))
    stop = threading.Event()
    wakeup = Wakeup(stop, "sites", 60.0)
    thread = threading.Thread(target=keep_sites, args=(two.hub, wakeup))
    thread.start()
    try:
        wait_until(lambda: (own / "state").exists())
    finally:
        stop.set()
        wakeup.wake()
        thread.join()
    ((_, look),) = following.listed(two.hub, ada)
    assert look is not None
    assert look.standing is FollowStanding.CURRENT
    publishing.set_publishing(two.hub, ada, None)
    assert publishing.publishing(two.hub) is None


def test_a_followed_site_has_a_tile_by_the_word_of_who_follows_it(two: Two) -> None:
    two.look()
    answer = site_states.answer(two.hub, two.ada(two.hub))
    hub = Reading(site="hub", standing=Standing.ANSWERS, answer=answer, heard_at=NOW)
    _, eu = with_followed([hub])
    assert (eu.site, eu.standing, eu.via) == ("eu", Standing.ANSWERS, "hub")
    assert eu.figures is not None
    away = with_followed([Reading(site="hub", standing=Standing.AWAY, answer=answer, heard_at=NOW)])[1]
    assert (away.standing, away.said) == (Standing.STALE, "hub follows it, and is away")


def test_followed_sites_come_in_the_order_in_which_people_count() -> None:
    names = ["s10", "north", "s2", "s", "10", "9"]
    assert sorted(names, key=natural) == ["9", "10", "north", "s", "s2", "s10"]


def test_commands_publish_follow_and_look(two: Two, capsys: pytest.CaptureFixture[str]) -> None:
    workspaces.grant_role(two.hub, two.ada(two.hub), os_user(), Role.ADMIN)
    root, key = str(two.hub.paths.root), heads.status(two.site, two.ada(two.site)).key

    def run(*words: str) -> int:
        capsys.readouterr()
        return failures.run(lambda: main.run(["-w", root, *words]))

    assert run("site", "unfollow", "eu") == 0
    assert run("site", "follow", "eu", str(two.folder), "--key", key, "--stale-after", "30d") == 0
    two.publish(after=datetime.now(UTC) - NOW)
    assert run("site", "look", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["standing"] == "current"
    (two.folder / "state").write_text("x")
    assert run("site", "look") == 6
    assert run("site", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["standing"] == "not believed"
    assert run("site", "publish", str(two.folder.parent / "own")) == 0
    assert run("site", "publish") == 2


def test_a_state_that_claims_the_identity_of_another_is_named(two: Two, tmp_path: Path) -> None:
    two.look()
    with forked(two, tmp_path) as copy:
        copy.paths.log_key.unlink()  # as in one that was restored
        publishing.publish(copy, two.ada(copy), tmp_path / "copied")
        key = heads.status(copy, two.ada(copy)).key
    place = str(tmp_path / "copied")
    following.follow(two.hub, two.ada(two.hub), "us", place, key, stale_after_s=900)
    looks = two.look_all()
    assert looks["eu"].standing is FollowStanding.CURRENT
    assert looks["us"].standing is FollowStanding.COPY
    assert "the identity of eu" in looks["us"].said


def test_a_copy_that_signs_with_the_same_key_contradicts_where_it_lies_elsewhere(
    two: Two, tmp_path: Path
) -> None:
    two.look()
    key = heads.status(two.site, two.ada(two.site)).key
    following.follow(two.hub, two.ada(two.hub), "mirror", str(tmp_path / "mirror"), key, stale_after_s=900)
    shutil.copytree(two.folder, tmp_path / "mirror")
    looks = two.look_all()
    assert {one.standing for one in looks.values()} == {FollowStanding.CURRENT}, "a mirror is the same site"
    with forked(two, tmp_path) as copy:
        two.work(copy, reason="in the copy")
        publishing.publish(copy, two.ada(copy), tmp_path / "mirror")
    two.work(two.site, 4)
    two.publish(after=timedelta(minutes=1))
    two.look_all(after=timedelta(minutes=1))
    looks = two.look_all(after=timedelta(minutes=2))
    assert FollowStanding.CONTRADICTS in {one.standing for one in looks.values()}
    assert any("a copy of the workspace went its own way" in one.said for one in looks.values())


def test_a_site_that_claims_another_identity_than_before_is_not_believed(two: Two) -> None:
    before = two.look()
    with two.site.registry.transaction() as connection:
        workspace.add_identity(connection, by="eve", at=NOW)
        change_in(two.site, connection, two.ada(two.site)).record("x.y", "workspace", {})
    two.publish(after=timedelta(minutes=1))
    after = two.look(after=timedelta(minutes=1))
    assert after.standing is FollowStanding.FORGED
    assert "claims identity" in after.said
    assert after.note == before.note


def test_a_copy_of_the_hub_itself_is_named(two: Two, tmp_path: Path) -> None:
    shutil.copytree(two.hub.paths.root, tmp_path / "fork")
    services = open_workspace(tmp_path / "fork")
    services.now = lambda: NOW
    services.paths.log_key.unlink(missing_ok=True)
    publishing.publish(services, two.ada(services), tmp_path / "copied")
    key = heads.status(services, two.ada(services)).key
    services.close()
    following.follow(two.hub, two.ada(two.hub), "zz", str(tmp_path / "copied"), key, stale_after_s=900)
    assert "the identity of this workspace" in two.look_all()["zz"].said
