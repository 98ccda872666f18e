"""What a site says, read as hostile text is."""

import json
from datetime import timedelta
from typing import Any

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.sites.answers import SiteAnswer, answer_plain, of_status, read_answer
from pilothouse.domain.sites.readings import Reading, Standing, answered, failed
from support.site_values import ANSWER, FIGURES, NOW


def plain(**changes: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(answer_plain(ANSWER))), **changes}


def test_an_answer_comes_through_json_as_it_was() -> None:
    assert read_answer(plain()) == ANSWER


def test_what_is_not_known_is_passed_over_and_what_is_absent_is_empty() -> None:
    assert read_answer(plain(weather="fine")) == ANSWER
    assert read_answer({"schema": 19}).figures is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": 2}, "newer release"),
        ({"schema": -1}, "schema"),
        ({"schema": True}, "schema"),
        ({"release": 7}, "release"),
        ({"figures": []}, "figures"),
        ({"figures": {"made_at": "yesterday"}}, "made_at"),
        ({"figures": {"made_at": None}}, "made_at"),
        ({"items": [{}] * 801}, "items"),
        ({"items": {}}, "items"),
        ({"items": [{"kind": "alert", "key": "--readonly"}]}, "key"),
        ({"items": [{"kind": "alert", "key": "1; id"}]}, "key"),
        ({"items": [{"kind": "shell", "key": "1"}]}, "kind"),
        ({"items": ["x"]}, "items"),
    ],
)
def test_a_field_of_another_kind_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError, match=field):
        read_answer(plain(**changes))


def test_texts_are_made_safe_and_cut() -> None:
    hostile = plain(
        actor="\x1b]0;owned\x07" + "x" * 9_000, items=[{**plain()["items"][0], "text": "a\x1b[2Jb"}]
    )
    found = read_answer(hostile)
    assert found.actor.isprintable()
    assert len(found.actor) <= 400
    assert found.items[0].text.isprintable()


def test_a_health_that_a_newer_release_knows_is_not_judged() -> None:
    figures = {**plain()["figures"], "health": "on holiday"}
    found = read_answer(plain(figures=figures)).figures
    assert found is not None
    assert found.health is Health.NOT_JUDGED


def test_the_status_of_a_release_before_sites_gives_its_figures() -> None:
    status = {
        "health": "critical",
        "deployments": {"critical": 1, "healthy": 4, "not deployed": 2},
        "automation": {"paused": True, "reason": "a storm"},
        "models": [{"open_alerts": 2, "open_requests": 1, "unfinished_jobs": 1}, {"open_alerts": 1}],
    }
    found = of_status(status, NOW)
    figures = found.figures
    assert figures is not None
    assert (figures.health, figures.deployments, figures.unhealthy) == (Health.CRITICAL, 5, 1)
    assert (figures.alerts, figures.requests, figures.jobs, figures.paused) == (3, 1, 1, "a storm")
    assert answered(Reading(site="a"), found, NOW).standing is Standing.PARTIAL


def test_a_site_that_goes_away_keeps_its_last_state_and_says_since_when() -> None:
    heard = answered(Reading(site="a"), ANSWER, NOW)
    away = failed(heard, Standing.AWAY, "no connection", NOW + timedelta(minutes=1))
    still = failed(away, Standing.AWAY, "no connection", NOW + timedelta(minutes=9))
    assert (still.standing, still.figures, still.since, still.is_stale) == (Standing.AWAY, FIGURES, NOW, True)
    back = answered(still, ANSWER, NOW + timedelta(minutes=10))
    assert (back.standing, back.said, back.is_stale) == (Standing.ANSWERS, "", False)


@pytest.mark.parametrize(("schema", "standing"), [(16, Standing.OLDER), (21, Standing.NEWER)])
def test_a_schema_that_the_program_does_not_know_is_said_and_the_last_state_stays(
    schema: int, standing: Standing
) -> None:
    heard = answered(Reading(site="a"), ANSWER, NOW)
    other = answered(heard, SiteAnswer(schema=schema, knows=19, release="1.0"), NOW)
    assert (other.standing, other.figures, other.standing.opens) == (standing, FIGURES, False)
    assert str(schema) in other.said
