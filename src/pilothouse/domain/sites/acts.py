"""What can be done to an item of a site from a console of several: words of a command that runs in the site, by its rules."""

from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.domain.records import RollBackStep
from pilothouse.domain.sites.answers import Facts, SiteItem


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteAct:
    """An act. ``look`` are the words of a command that shows what it is about, ``words`` those that do it; a reason is added
    as ``option``."""

    name: str
    kind: str
    verb: Callable[[SiteItem], str]
    thing: Callable[[SiteItem], str]
    look: Callable[[SiteItem], list[str]]
    words: Callable[[SiteItem], list[str]]
    option: str = "--reason"
    needs_reason: bool = False
    needs_pin: bool = False
    """Whether it is done only to what the item's ``pin`` names."""
    takes_back: bool = False
    """Whether it takes something away that somebody relies on."""

    def title(self, item: SiteItem) -> str:
        """``Roll back delay on ewr``."""
        return f"{self.verb(item).capitalize()} {self.thing(item)}"

    def command(self, item: SiteItem, reason: str) -> list[str]:
        """Words that do it."""
        # one word, so that a reason that begins with - is no option
        return [*self.words(item), *([f"{self.option}={reason}"] if reason else [])]


def _is_paused(item: SiteItem) -> bool:
    return item.state == "paused"


def _place(item: SiteItem) -> tuple[str, str]:
    model, _, target = item.key.partition(" ")
    return model, target


ACTS = (
    SiteAct(
        name="approve",
        kind="request",
        verb=lambda _: "approve",
        thing=lambda one: f"request {one.key}",
        look=lambda one: ["evidence", one.key],
        words=lambda one: ["approve", one.key, "--evidence", one.pin],
        needs_pin=True,
    ),
    SiteAct(
        name="reject",
        kind="request",
        verb=lambda _: "reject",
        thing=lambda one: f"request {one.key}",
        look=lambda one: ["evidence", one.key],
        words=lambda one: ["reject", one.key],
        needs_reason=True,
    ),
    SiteAct(
        name="acknowledge",
        kind="alert",
        verb=lambda _: "acknowledge",
        thing=lambda one: f"alert {one.key}",
        look=lambda one: ["alert", one.key],
        words=lambda one: ["ack", one.key],
        option="--note",
    ),
    SiteAct(
        name="pause",
        kind="rollout",
        verb=lambda one: "resume" if _is_paused(one) else "pause",
        thing=lambda one: f"roll-out {one.key}",
        look=lambda one: ["rollout", "show", one.key],
        words=lambda one: ["rollout", "resume" if _is_paused(one) else "pause", one.key],
        needs_reason=True,
    ),
    SiteAct(
        name="abort",
        kind="rollout",
        verb=lambda _: "abort",
        thing=lambda one: f"roll-out {one.key}",
        look=lambda one: ["rollout", "show", one.key],
        words=lambda one: ["rollout", "abort", one.key],
        needs_reason=True,
        takes_back=True,
    ),
    SiteAct(
        name="roll_back",
        kind="deployment",
        verb=lambda _: "roll back",
        thing=lambda one: " on ".join(_place(one)),
        look=lambda one: ["--json", "rollback", _place(one)[0], "--on", _place(one)[1], "--plan"],
        words=lambda one: ["rollback", _place(one)[0], "--on", _place(one)[1], "--from", one.pin],
        needs_reason=True,
        needs_pin=True,
        takes_back=True,
    ),
)
"""Every act, by the name of the console's own action for the same thing."""


def read_steps(plain: object) -> list[RollBackStep]:
    """Steps of a roll-back as a site says them in JSON. Raises InvalidInputError, which names the field."""
    facts = Facts({"steps": plain}, "")
    return [
        RollBackStep(
            one.text("model"),
            one.text("target"),
            one.count("now"),
            one.count("then"),
            one.text("now_record"),
            one.text("then_record"),
            one.get("then_was_bad") is True,
        )
        for one in (Facts(step, "steps: ") for step in facts.list("steps", 1_000))
    ]
