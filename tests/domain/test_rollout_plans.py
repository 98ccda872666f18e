"""Plans of roll-outs: the file, its faults, which targets a wave takes, and what a change drops."""

from typing import Any

import pytest

from pilothouse.domain.errors import ModelFileError
from pilothouse.domain.models.target_file import TargetDescription
from pilothouse.domain.rollouts.plan import Clock, GoOn, Plan, StepKind, blind_steps, placed
from pilothouse.domain.rollouts.plan_changes import looser
from pilothouse.domain.rollouts.plan_file import load_plans
from support.rollout_plans import TRIALS, TWO_WAVES, plan

CAREFUL = """
[[plan]]
name = "careful"
margin = 0.02
[[plan.wave]]
name = "first"
select = { region = "eu", business_unit = "!retail" }
[[plan.wave.step]]
kind = "shadow"
requests = 500
bake = "30m"
patience = "2d"
[[plan.wave.step]]
kind = "canary"
share = 0.1
go_on = "hand"
clock = "event"
[[plan.wave.step]]
kind = "live"
bake = "1h"
[[plan.wave]]
name = "rest"
"""


def test_a_file_says_every_step_and_what_it_leaves_out_holds_as_documented() -> None:
    careful = load_plans(CAREFUL)["careful"]

    first, rest = careful.waves
    assert [step.kind for step in first.steps] == [StepKind.SHADOW, StepKind.CANARY, StepKind.LIVE]
    assert [step.ends_by for step in first.steps] == [GoOn.EVIDENCE, GoOn.HAND, GoOn.TIME]
    assert [(step.requests, step.bake, step.patience) for step in first.steps] == [
        (500, 1_800, 172_800),
        (0, 0, 604_800),
        (0, 3_600, 604_800),
    ]
    assert first.steps[1].clock is Clock.EVENT
    assert first.steps[1].title == "canary 10 %"
    assert [step.kind for step in rest.steps] == [StepKind.LIVE]
    assert (careful.false_rollbacks, careful.margin) == (0.01, 0.02)
    assert Plan.from_plain(careful.to_plain()).digest == careful.digest


WAVE = '[[plan]]\nname = "a"\n[[plan.wave]]\nname = "first"\n'
STEP = f"{WAVE}[[plan.wave.step]]\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "plan: found none"),
        ("[[plan]]\nname = 'a'\n", "plan[0].wave: missing"),
        ("[[plan]]\nname = 'A B'\nwave = [{ name = 'x' }]\n", "plan[0].name: found 'A B'"),
        (f"{WAVE}{WAVE}", "plan: 'a' is described 2 times"),
        (f'{WAVE}[[plan.wave]]\nname = "first"\n', "'first' is the name of 2 waves"),
        (f'{WAVE}[[plan.wave]]\nname = "b"\n', "'first' selects every target that is left"),
        (f'{WAVE}select = {{ regoin = "eu" }}\n', "plan[0].wave[0].select.regoin: unknown key"),
        (f"{WAVE}select = {{ region = 3 }}\n", "plan[0].wave[0].select.region: found 3"),
        (f"{WAVE}step = []\n", "plan[0].wave[0].step: found 0 steps"),
        (f'{STEP}kind = "drop"\n', "plan[0].wave[0].step[0].kind: found 'drop'"),
        (f'{STEP}kind = "shadow"\n', "found 'shadow'; expected live, the last step of every wave"),
        (f'{STEP}kind = "live"\n[[plan.wave.step]]\nkind = "live"\n', "expected shadow or canary before"),
        (f'{STEP}kind = "live"\nshare = 0.5\n', "share: is of canary steps alone"),
        (f'{STEP}kind = "live"\nbake = 30\n', 'found 30; expected a duration such as "90d"'),
        (f'{STEP}kind = "live"\nbake = "2w"\n', "patience: is not longer than bake"),
        (f'{STEP}kind = "live"\nrequests = -1\n', "requests: found -1"),
        (f'{STEP}kind = "live"\ngo_on = "evidence"\n', "nothing answers beside the new version"),
        (f'{STEP}kind = "canary"\n[[plan.wave.step]]\nkind = "live"\n', "share: found None"),
        (f'{STEP}kind = "canary"\nshare = 1.0\n[[plan.wave.step]]\nkind = "live"\n', "share: found 1.0"),
        (
            f'{STEP}kind = "canary"\nshare = 0.2\n[[plan.wave.step]]\nkind = "canary"\nshare = 0.1\n'
            '[[plan.wave.step]]\nkind = "live"\n',
            "found 0.1 after 0.2; expected shares that do not fall",
        ),
        ("[[plan]]\nname = 'a'\nfalse_rollbacks = 0\nwave = [{ name = 'x' }]\n", "false_rollbacks: found 0"),
        ("[[plan]]\nname = 'a'\nslower = 1.0\nwave = [{ name = 'x' }]\n", "slower: found 1.0"),
        ("[[plan]]\nname = 'a'\nchanged = 1.0\nwave = [{ name = 'x' }]\n", "changed: found 1.0"),
        ("[[plan]]\nname = 'a'\nmargin = 1.5\nwave = [{ name = 'x' }]\n", "margin: found 1.5"),
        (
            '[[plan]]\nname = "a"\nwave = [{ name = "x\\u001b[2J" }]\n',
            "expected 1 to 60 printable characters",
        ),
    ],
)
def test_each_fault_is_one_line_with_its_place(text: str, fault: str) -> None:
    with pytest.raises(ModelFileError) as raised:
        load_plans(text)

    assert any(fault in line for line in raised.value.problems), raised.value.problems
    assert all(line.isprintable() for line in raised.value.problems)


def described(name: str, **other: Any) -> TargetDescription:
    return TargetDescription(name, **other)


def test_the_first_wave_that_selects_a_target_takes_it() -> None:
    three = plan(
        {"name": "small", "select": {"region": "eu", "business_unit": "!retail"}},
        {"name": "tier two", "select": {"labels": {"tier": "2*"}}},
        {"name": "europe", "select": {"region": "eu"}},
    )
    targets = [
        described("a", region="eu", business_unit="fleet"),
        described("b", region="eu", business_unit="retail", labels={"tier": "2b"}),
        described("c", region="eu", business_unit="retail"),
        described("d", region="us"),
    ]

    placing = placed(three, targets)

    assert placing.waves == (("a",), ("b",), ("c",))
    assert placing.left == ("d",)


def change(of: Plan, **step: Any) -> Plan:
    """The plan with other keys in the first step of its first wave."""
    plain = of.to_plain()
    plain["wave"][0]["step"][0] |= step
    return Plan.from_plain(plain)


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (change(TRIALS, bake="1h"), ""),
        (change(TRIALS, requests=99), "asks for 99 requests in place of 100"),
        (change(TWO_WAVES, bake="30m"), "bakes for 30m in place of 1h"),
        (change(TRIALS, go_on="time"), "ends by time in place of evidence"),
        (change(TRIALS, go_on="hand"), "ends by hand in place of evidence"),
        (change(TRIALS, clock="event"), "by the event clock"),
        (plan(*TRIALS.to_plain()["wave"][:1]), "1 waves in place of 2"),
        (plan(*TRIALS.to_plain()["wave"], margin=0.05), "margin rises from 0.01 to 0.05"),
        (plan(*TRIALS.to_plain()["wave"], slower=3.0), "slower rises from 1.5 to 3"),
        (plan(*TRIALS.to_plain()["wave"], changed=0.2), ""),
        (plan(*TRIALS.to_plain()["wave"], false_rollbacks=0.001), "harm is found later"),
        (plan(*TRIALS.to_plain()["wave"], false_rollbacks=0.05, margin=0.0), ""),
    ],
)
def test_a_change_that_drops_evidence_or_time_is_said(new: Plan, said: str) -> None:
    old = TWO_WAVES if "30m" in said else TRIALS

    lines = list(looser(old, new))

    assert len(lines) == bool(said)
    assert said in "".join(lines)


def test_a_step_taken_out_is_said_and_one_put_before_is_not() -> None:
    plain = TRIALS.to_plain()
    plain["wave"][0]["step"] = plain["wave"][0]["step"][1:]
    shorter = Plan.from_plain(plain)

    assert list(looser(TRIALS, shorter)) == ["wave 1 (first) has 2 steps in place of 3"]
    assert list(looser(shorter, TRIALS)) == []


def test_a_canary_put_before_the_shadow_is_said() -> None:
    plain = TRIALS.to_plain()
    plain["wave"][0]["step"].insert(0, {"kind": "canary", "share": 0.1, "go_on": "time"})

    assert list(looser(TRIALS, Plan.from_plain(plain))) == [
        "wave 1 (first) has a canary before its shadow: it answers before anything is known of it"
    ]


@pytest.mark.parametrize("more", ["", 'outcomes_within = "2d"\n', "judged = 0\n"])
def test_a_step_that_tries_a_version_and_awaits_no_outcome_is_named(more: str) -> None:
    step = f'kind = "canary"\nshare = 0.1\ngo_on = "time"\nrequests = 1000\n{more}[[plan.wave.step]]\nkind = "live"\n'
    (named,) = blind_steps(load_plans(f"{STEP}{step}")["a"])
    assert named.startswith(
        "a: wave 1, step 1 (canary 10 %) goes on whether or not an outcome is known: judged = 1000 "
    )
    for asks in ('go_on = "evidence"', 'go_on = "hand"', 'go_on = "time"\njudged = 20'):
        asking = step.replace('go_on = "time"', asks).replace("judged = 0\n", "")
        assert not list(blind_steps(load_plans(f"{STEP}{asking}")["a"]))


def test_keys_of_outcomes_are_of_the_plan_only_where_they_are_set() -> None:
    canary = {"kind": "canary", "share": 0.1}
    wave: dict[str, Any] = {"name": "first", "step": [canary, {"kind": "live"}]}
    before = plan(wave)
    assert {"judged", "outcomes_within"} & before.to_plain()["wave"][0]["step"][0].keys() == set()
    after = plan({**wave, "step": [{**canary, "judged": 50, "outcomes_within": 7_200}, {"kind": "live"}]})
    assert after.digest != before.digest
    assert list(looser(before, after)) == []
    assert list(looser(after, before)) == [
        "wave 1 (first), step 1 asks for 0 requests with outcomes in place of 50",
        "wave 1 (first), step 1 waits for outcomes of logs for the usual time in place of 2h",
    ]
