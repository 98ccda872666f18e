"""Shadow and canary of a roll-out: what is folded from telemetry, what the tests say of it; a kill changes no number."""

import dataclasses
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.wire import Outcome as Known
from pilothouse.domain.formats.wire import TrialReport, code_texts
from pilothouse.domain.rollouts.plan import Plan
from pilothouse.domain.rollouts.rollout import RolloutState
from pilothouse.operations.rollouts import keeper, views
from pilothouse.operations.rollouts.facts import Serving
from pilothouse.store.promotion import rollouts, trials
from pilothouse.telemetry import VersionFacts
from support.flight_batches import NOW_US, batch_of, flights, specification
from support.rollout_plans import plan
from support.rollout_workspace import RolloutWorkspace
from support.trial_batches import pairs_of

SHADOW = plan(
    {
        "name": "first",
        "select": {"name": "ewr"},
        "step": [{"kind": "shadow", "requests": 100, "patience": "1d"}, {"kind": "live"}],
    },
    {"name": "rest"},
    margin=0.1,
)
CANARY = plan(
    {
        "name": "first",
        "select": {"name": "ewr"},
        "step": [{"kind": "canary", "share": 0.5, "requests": 100}, {"kind": "live"}],
    },
    {"name": "rest"},
    margin=0.2,
)
SIZE = 17


def facts(model: str, version: int) -> VersionFacts:
    return VersionFacts(specification())


class Trial:
    """A roll-out in the trial of its first wave, whose requests the test sends to telemetry."""

    def __init__(self, root: Path, of: Plan) -> None:
        self.place = RolloutWorkspace(root, of)
        self.number = self.place.begin()
        self.place.keep()
        self.sent = 0

    def rows(self, count: int) -> pd.DataFrame:
        """Rows whose labels alternate."""
        found = flights().iloc[30_000 : 30_000 + count].copy()
        found["score"] = np.where(np.arange(count) % 2 == 0, 0.2, 0.8)
        found["label"] = (found["score"] > 0.5).astype(int).astype(str)
        return found

    def shadow(self, requests: int, *, worse: float = 0.0, both: float = 0.1) -> None:
        """Requests that both answered, with their outcomes: they differ on a share ``worse`` of the rows, the one before
        errs on a share ``both``."""
        telemetry = self.place.services.telemetry
        draw = np.random.default_rng(self.sent + 1)
        rows = self.rows(requests * SIZE)
        labels = rows["label"].to_numpy()
        flipped = np.where(labels == "1", "0", "1")
        alone = draw.random(len(rows)) < worse
        outcome = np.where(draw.random(len(rows)) < both, flipped, labels)
        for i in range(requests):
            number, part = self.sent + i + 1, slice(i * SIZE, (i + 1) * SIZE)
            batch = batch_of(rows.iloc[part], number, model="delay", version=1)
            telemetry.append(dataclasses.replace(batch, rollout=self.number), facts, NOW_US)
            pairs = pairs_of(rows.iloc[part], number, [(number, 0)], SIZE, model="delay")
            theirs = code_texts(np.where(alone[part], flipped[part], labels[part]).tolist())
            telemetry.append_pairs(
                dataclasses.replace(pairs, rollout=self.number, challenger_labels=theirs), facts, NOW_US
            )
            telemetry.add_outcomes(
                [Known(f"ewr-1.{number}.{j}", str(value)) for j, value in enumerate(outcome[part])], NOW_US
            )
        self.sent += requests

    def canary(self, requests: int, *, worse: float, errors: int = 0) -> None:
        """As many requests of one row to each arm, with their outcomes."""
        telemetry = self.place.services.telemetry
        draw = np.random.default_rng(3)
        rows = self.rows(requests)
        for version in (1, 2):
            producer = f"arm-{version}"
            batch = batch_of(rows, 1, producer=producer, model="delay", version=version)
            timing = dataclasses.replace(batch.requests[0], rows=1)
            arm = dataclasses.replace(
                batch,
                requests=[timing] * requests,
                rollout=self.number,
                share=0.5,
                errors=errors if version == 2 else 0,
            )
            telemetry.append(arm, facts, NOW_US)
            labels = rows["label"].to_numpy()
            wrong = draw.random(requests) < (0.1 + (worse if version == 2 else 0.0))
            outcome = np.where(wrong, np.where(labels == "1", "0", "1"), labels)
            telemetry.add_outcomes(
                [Known(f"{producer}.1.{j}", value) for j, value in enumerate(outcome)], NOW_US
            )


def test_a_shadow_goes_on_by_the_evidence_of_its_pairs(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "workspace", SHADOW)
    place, number = trial.place, trial.number

    assert place.states(number)["ewr"] == "shadow"
    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 1}
    assert place.keep() == []
    trial.shadow(5)
    assert place.keep() == []  # fewer than the plan asks for
    shown = views.show_rollout(place.services, place.example.actor("vera"), number)
    assert shown.evidence.requests == 5 * SIZE
    assert shown.next == "85 of 100 requests"
    trial.shadow(35)
    place.keep()

    assert place.live() == {"ewr": 2, "jfk": 2, "lga": 2}
    with place.services.registry.read() as connection:
        passed = next(one for one in rollouts.events(connection, number) if one.what == "passed")
    assert passed.text.startswith("shadow of first: not worse: 680 pairs; losses +0 (")


def test_a_shadow_that_is_worse_comes_back_and_nobody_was_answered_by_it(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "workspace", SHADOW)
    place, number = trial.place, trial.number
    trial.shadow(20, worse=0.3)
    place.keep()

    rollout = place.rollout(number)
    assert rollout.state is RolloutState.ROLLED_BACK
    assert rollout.why.startswith("harm in wave 1: shadow losses, +0.")
    assert ", where 1 is a wrong label, in " in rollout.why
    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 1}
    assert place.states(number) == {"ewr": "back", "jfk": "waiting", "lga": "waiting"}
    with place.services.registry.read() as connection:
        assert trials.trials_on(connection, "ewr") == []
        assert rollouts.events(connection, number)[-1].figures["test"] == "wave 1: shadow losses"


def test_outcomes_that_come_when_the_wave_has_gone_on_take_it_back_too(tmp_path: Path) -> None:
    by_time = plan(
        {
            "name": "first",
            "select": {"name": "ewr"},
            "step": [{"kind": "shadow", "go_on": "time"}, {"kind": "live", "bake": "1h"}],
        },
        {"name": "rest"},
    )
    trial = Trial(tmp_path / "workspace", by_time)
    place, number = trial.place, trial.number
    place.keep()
    assert place.live()["ewr"] == 2
    trial.shadow(20, worse=0.3)
    place.keep()

    assert place.rollout(number).state is RolloutState.ROLLED_BACK
    assert place.live()["ewr"] == 1


@pytest.mark.parametrize(
    ("worse", "errors", "state", "said"),
    [
        (0.0, 0, RolloutState.COMPLETED, ""),
        (0.35, 0, RolloutState.ROLLED_BACK, "harm in wave 1: canary losses"),
        (0.0, 60, RolloutState.ROLLED_BACK, "harm in wave 1: canary failed requests"),
    ],
)
def test_a_canary_is_judged_by_losses_and_failures_of_its_arms(
    tmp_path: Path, worse: float, errors: int, state: RolloutState, said: str
) -> None:
    trial = Trial(tmp_path / "workspace", CANARY)
    place, number = trial.place, trial.number
    assert place.states(number)["ewr"] == "canary"
    trial.canary(600, worse=worse, errors=errors)
    place.keep()

    assert place.rollout(number).state is state
    assert place.rollout(number).why.startswith(said)
    with place.services.registry.read() as connection:
        rows = rollouts.evidence(connection, number)
    (arms,) = [row for row in rows if row.test == "arms"]
    assert arms.statistics["answered"] == {"0.5": 600 + errors}


@pytest.mark.parametrize("share", [1.0, 1e-320, 0.25])
def test_a_share_that_no_step_of_the_plan_has_is_no_evidence(tmp_path: Path, share: float) -> None:
    """What a target says of its share is believed only where the plan asks for it; one that cannot be reckoned with would stop
    every roll-out."""
    trial = Trial(tmp_path / "workspace", CANARY)
    place = trial.place
    trial.canary(60, worse=0.0)
    place.keep()
    with place.services.registry.read() as connection:
        before = rollouts.evidence(connection, trial.number)
    rows = trial.rows(40)
    for version in (1, 2):
        batch = batch_of(rows, 2, producer=f"arm-{version}", model="delay", version=version)
        told = dataclasses.replace(batch, rollout=trial.number, share=share, errors=30)
        place.services.telemetry.append(told, facts, NOW_US)
        known = [Known(f"arm-{version}.2.{j}", str(version - 1)) for j in range(40)]
        place.services.telemetry.add_outcomes(known, NOW_US)
    assert place.keep() == []  # without a fault
    with place.services.registry.read() as connection:
        after = rollouts.evidence(connection, trial.number)
    assert [one.statistics for one in after] == [one.statistics for one in before]


def test_what_cannot_be_folded_keeps_no_roll_out_from_going_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path / "workspace", CANARY)
    place, number = trial.place, trial.number

    def damaged(*_: object) -> None:
        raise IntegrityError("stored pairs are damaged")

    monkeypatch.setattr(keeper, "fold", damaged)
    (done,) = keeper.keep(place.services)
    assert done.fault == "stored pairs are damaged"
    assert place.rollout(number).state is RolloutState.RUNNING
    failed = Serving(True, {"ewr": [TrialReport(number, "delay", 2, "canary", "failed", "no such file")]})
    keeper.keep(place.services, serving=failed)
    assert place.rollout(number).state is RolloutState.ROLLED_BACK
    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 1}


def test_a_target_that_cannot_load_its_challenger_takes_it_back(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "workspace", SHADOW)
    place, number = trial.place, trial.number

    def says(state: str) -> Serving:
        report = TrialReport(number, "delay", 2, "shadow", state, "no memory" if state == "failed" else "")
        return Serving(starts=True, trials={"ewr": [report]})

    assert keeper.keep(place.services, serving=Serving(starts=True)) == []
    assert keeper.keep(place.services, serving=says("loading")) == []
    keeper.keep(place.services, serving=says("failed"))
    assert place.rollout(number).why == "ewr cannot load delay/2: no memory"


def test_where_nothing_is_live_to_compare_with_a_trial_is_left_out(tmp_path: Path) -> None:
    place = RolloutWorkspace(tmp_path / "workspace", SHADOW, live=False)
    number = place.begin()
    place.keep()

    assert place.live() == {"ewr": 2, "jfk": 2, "lga": 2}
    with place.services.registry.read() as connection:
        passed = next(one for one in rollouts.events(connection, number) if one.what == "passed")
    assert passed.text == "shadow of first: nothing is live on its targets that it could be compared with"


def test_two_canaries_of_one_share_have_one_test_of_their_latency(tmp_path: Path) -> None:
    twice = plan(
        {
            "name": "first",
            "select": {"name": "ewr"},
            "step": [
                {"kind": "canary", "share": 0.5, "go_on": "hand"},
                {"kind": "canary", "share": 0.5, "requests": 100},
                {"kind": "live"},
            ],
        },
        {"name": "rest"},
    )
    trial = Trial(tmp_path / "workspace", twice)
    trial.canary(600, worse=0.35)
    trial.place.keep()

    assert trial.place.rollout(trial.number).state is RolloutState.ROLLED_BACK


def test_errors_of_every_version_that_was_live_beside_the_challenger_count(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "workspace", CANARY)
    rows = trial.rows(300)
    for version, errors in ((1, 60), (2, 60), (3, 0)):  # somebody rolled the live version back in its midst
        batch = batch_of(rows, 1, producer=f"arm-{version}", model="delay", version=version)
        timing = dataclasses.replace(batch.requests[0], rows=1)
        arm = dataclasses.replace(
            batch, requests=[timing] * 300, rollout=trial.number, share=0.5, errors=errors
        )
        trial.place.services.telemetry.append(arm, facts, NOW_US)
    trial.place.keep()

    assert trial.place.rollout(trial.number).state is RolloutState.RUNNING
    with trial.place.services.registry.read() as connection:
        (arms,) = [row for row in rollouts.evidence(connection, trial.number) if row.test == "arms"]
    (stage,) = arms.statistics["errors"]["stages"]
    counts = {
        name: stage[name] for name in ("challenger", "champion", "challenger_errors", "champion_errors")
    }
    assert counts == {"challenger": 360, "champion": 660, "challenger_errors": 60, "champion_errors": 60}


def test_a_challenger_with_which_the_process_dies_goes_back(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "workspace", SHADOW)
    place = trial.place
    for _ in range(3):
        place.example.pass_time(seconds=20)
        place.report("ewr", 1)
        place.silence("ewr")
    place.keep()

    said = "the serving process of ewr has ended 3 times since delay/2 is tried there"
    assert place.rollout(trial.number).why.startswith(said)
    assert place.states(trial.number)["ewr"] == "back"


def test_pairs_that_cannot_be_read_hold_it_and_keep_it_from_no_way_back(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "workspace", SHADOW)
    place, number = trial.place, trial.number
    trial.shadow(1)
    with sqlite3.connect(place.services.paths.telemetry) as connection:
        connection.execute("UPDATE trial_pairs SET data = x'00'")
    connection.close()
    (done,) = keeper.keep(place.services)
    assert "the bytes are damaged" in done.fault
    assert place.states(number)["ewr"] == "shadow"

    report = TrialReport(number, "delay", 2, "shadow", "failed", "no memory")
    keeper.keep(place.services, serving=Serving(starts=True, trials={"ewr": [report]}))
    assert place.rollout(number).state is RolloutState.ROLLED_BACK


def test_requests_of_a_target_that_catches_up_are_none_of_another_wave(tmp_path: Path) -> None:
    counted = plan(
        {"name": "first", "select": {"name": ["ewr", "jfk"]}},
        {"name": "rest", "step": [{"kind": "live", "requests": 10}]},
    )
    place = RolloutWorkspace(tmp_path / "workspace", counted)
    place.report("ewr", 1)
    place.silence("ewr")
    number = place.begin()
    place.keep()
    assert place.live() == {"ewr": 1, "jfk": 2, "lga": 2}
    place.report("ewr", 1)
    place.keep()
    assert place.live()["ewr"] == 2
    place.report("ewr", 2)
    rows = flights().iloc[30_000 : 30_000 + SIZE]
    place.services.telemetry.append(batch_of(rows, 1, model="delay", version=2), facts, NOW_US)
    place.keep()

    assert place.rollout(number).state is RolloutState.RUNNING


def test_folded_in_parts_or_at_once_or_after_a_kill_the_numbers_are_the_same(tmp_path: Path) -> None:
    kept = []
    for name, parts in (("parts", (4, 1, 7)), ("once", (12,)), ("killed", (12,))):
        trial = Trial(tmp_path / name, SHADOW)
        for requests in parts:
            trial.shadow(requests)
            if name != "killed":
                trial.place.keep()
        if name == "killed":
            assert _killed_while_folding(trial.place.example.root) == -signal.SIGKILL
            trial.place.keep()
        with trial.place.services.registry.read() as connection:
            rows = rollouts.evidence(connection, trial.number)
        kept.append(
            [(row.test, json.dumps(row.statistics["loss"])) for row in rows if "loss" in row.statistics]
        )
        assert [row.statistics["rows"] for row in rows if row.test == "pairs"] == [12 * SIZE]

    assert kept[1] == kept[2]
    assert [test for test, _ in kept[0]] == ["pair loss"]


def _killed_while_folding(root: Path) -> int:
    """Exit code of a keeper that is killed after it has written what it folded, and before that is committed."""
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from pilothouse.composition import open_workspace
        from pilothouse.operations.rollouts import evidence, keeper
        put = evidence.rollouts.put_evidence
        def killed(*given):
            put(*given)
            os.kill(os.getpid(), signal.SIGKILL)
        evidence.rollouts.put_evidence = killed
        keeper.keep(open_workspace(Path(sys.argv[1])))
        """
    )
    done = subprocess.run([sys.executable, "-c", script, str(root)], check=False, env=os.environ)
    return done.returncode
