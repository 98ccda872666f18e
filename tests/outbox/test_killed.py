"""The daemon killed at each point of the outbox, before receivers that take, refuse, answer late or not at all: nothing is
lost, and nothing comes twice but where a receiver never said that it had it.

``PH_OUTBOX_KILLS`` is the number of kills (``make outbox-long``: 200), ``PH_SEED`` draws others.
"""

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from pilothouse.domain.outbox.deliveries import DeliveryState
from pilothouse.operations.outbox import views
from support import outbox_killed
from support.outbox_workspace import OutboxWorkspace
from support.receivers import Answer, receiving

KILLS = int(os.environ.get("PH_OUTBOX_KILLS", "11"))
SEED = int(os.environ.get("PH_SEED", "7"))


@pytest.fixture(scope="module")
def killer() -> Iterator[subprocess.Popen[str]]:
    """A process that forks daemons which are killed."""
    with subprocess.Popen(
        [sys.executable, outbox_killed.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


def kill(
    killer: subprocess.Popen[str], place: OutboxWorkspace, point: str, subject: str, before: int = 0
) -> str:
    """Let a daemon be killed at a point; how it ended."""
    assert killer.stdin is not None
    assert killer.stdout is not None
    asked = [str(place.example.root), place.example.time.isoformat(), point, before, subject]
    killer.stdin.write(json.dumps(asked) + "\n")
    killer.stdin.flush()
    return str(json.loads(killer.stdout.readline()))


def test_killed_at_each_point_nothing_is_lost_and_nothing_comes_twice(
    place: OutboxWorkspace, killer: subprocess.Popen[str]
) -> None:
    drawn = random.Random(SEED)
    late = threading.Event()

    def answer(before: int) -> Answer:
        how = drawn.random()
        if how < 0.5:
            return 204
        if how < 0.7:
            late.wait(0.15)
            return 204
        return (503, {"Retry-After": "1"}) if how < 0.8 else 500 if how < 0.9 else None

    reached: Counter[str] = Counter()
    opened = []
    with receiving(answer) as hook:
        place.hook(hook.url, rest=place.second(hook.url))
        for number in range(KILLS):
            point = outbox_killed.POINTS[number % len(outbox_killed.POINTS)]
            subject = f"feature-{number}"
            reached[kill(killer, place, point, subject)] += 1
            opened.append(subject)
            place.example.pass_time(seconds=drawn.choice((0, 5, 60)))
            if point == "opening":  # neither the alert nor its message is there: the monitor finds it again
                kill(killer, place, "never", subject)
            if number % 5 == 4:
                place.example.pass_time(minutes=20)
                assert kill(killer, place, "never", "") == outbox_killed.MISSED
        late.set()
        hook.answer = lambda _: 204
        place.example.pass_time(minutes=20)
        assert kill(killer, place, "never", "") == outbox_killed.MISSED

        assert reached[outbox_killed.REACHED] >= KILLS * 0.8
        assert "failed" not in reached
        taken = Counter(one.headers["webhook-id"] for one in hook.taken)
        assert set(taken.values()) == {1}
        for path in ("/hook", "/second"):
            told = Counter(
                line["labels"]["subject"]
                for one in hook.taken
                if one.path == path
                for line in one.json["lines"]
                if line["labels"]["source"] == "alert"
            )
            assert told == Counter(opened), path
    box = views.outbox(place.services, place.example.actor("vera"), limit=10_000)
    assert box.counts.keys() == {DeliveryState.SENT}
    assert not list(place.services.paths.outbox.glob("msg_*"))
