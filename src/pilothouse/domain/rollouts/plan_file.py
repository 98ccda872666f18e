"""``plans.toml``: the plans of a workspace, read strictly."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.domain.errors import InvalidInputError, ModelFileError
from pilothouse.domain.formats.bounded_toml import one_line_each, parse_toml
from pilothouse.domain.identifiers import NAME
from pilothouse.domain.models.dataclass_reader import bare_durations, read_dataclass
from pilothouse.domain.models.target_selection import select_faults
from pilothouse.domain.rollouts.plan import GoOn, Plan, Step, StepKind, Wave

PLANS_FILE = "plans.toml"
_MOST_WAVES, _MOST_STEPS, _LONGEST_NAME = 50, 10, 60
_RULE = "1 to 64 lower-case letters, digits and inner hyphens"


@dataclass(frozen=True, slots=True)
class PlanFile:
    """The whole file."""

    plan: tuple[Plan, ...] = ()


def load_plans(text: str, file: str = PLANS_FILE) -> dict[str, Plan]:
    """Plans of the text of a file, by name in its order. Raises ModelFileError with every fault."""
    try:
        plain = parse_toml(text, file)
    except InvalidInputError as error:
        raise ModelFileError([str(error)]) from None
    problems: list[str] = list(bare_durations(PlanFile, plain))
    read = read_dataclass(PlanFile, plain, "", problems)
    if read is not None:
        problems += _faults(read)
    if read is None or problems:
        raise ModelFileError(one_line_each(f"{file}: {problem}" for problem in dict.fromkeys(problems)))
    return {plan.name: plan for plan in read.plan}


def _faults(file: PlanFile) -> Iterator[str]:
    if not file.plan:
        yield "plan: found none; expected at least one [[plan]] table with a name"
    for name, count in Counter(plan.name for plan in file.plan).items():
        if count > 1:
            yield f"plan: {name!r} is described {count} times; expected each plan once"
    for i, plan in enumerate(file.plan):
        path = f"plan[{i}]"
        if not NAME.fullmatch(plan.name):
            yield f"{path}.name: found {plan.name!r}; expected {_RULE}"
        if not 0 < plan.false_rollbacks <= 0.5:
            yield f"{path}.false_rollbacks: found {plan.false_rollbacks}; expected more than 0 and 0.5 at most"
        if not 0 <= plan.margin < 1:
            yield f"{path}.margin: found {plan.margin}; expected 0 or more, and less than 1"
        if not 1 < plan.slower <= 100:
            yield f"{path}.slower: found {plan.slower}; expected more than 1 and 100 at most, such as 1.5"
        for key in ("changed", "moved"):
            value = getattr(plan, key)
            if value is not None and not 0 < value < 1:
                yield f"{path}.{key}: found {value}; expected more than 0 and less than 1"
        if not 0 < len(plan.wave) <= _MOST_WAVES:
            yield f"{path}.wave: found {len(plan.wave)} waves; expected 1 to {_MOST_WAVES}"
        for name, count in Counter(wave.name for wave in plan.wave).items():
            if count > 1:
                yield f"{path}.wave: {name!r} is the name of {count} waves; expected each name once"
        everything = next((wave.name for wave in plan.wave[:-1] if not wave.select), None)
        if everything is not None:
            yield f"{path}.wave: {everything!r} selects every target that is left; expected it to be the last wave"
        for j, wave in enumerate(plan.wave):
            yield from _wave_faults(f"{path}.wave[{j}]", wave)


def _wave_faults(path: str, wave: Wave) -> Iterator[str]:
    if not 0 < len(wave.name) <= _LONGEST_NAME or not wave.name.isprintable():
        yield f"{path}.name: found {wave.name[:80]!r}; expected 1 to {_LONGEST_NAME} printable characters"
    yield from select_faults(f"{path}.select", wave.select)
    if not 0 < len(wave.step) <= _MOST_STEPS:
        yield f"{path}.step: found {len(wave.step)} steps; expected 1 to {_MOST_STEPS}"
        return
    share = 0.0
    for k, step in enumerate(wave.step):
        where, is_last = f"{path}.step[{k}]", k == len(wave.step) - 1
        if (step.kind is StepKind.LIVE) is not is_last:
            expected = (
                "live, the last step of every wave" if is_last else "shadow or canary before the last step"
            )
            yield f"{where}.kind: found {str(step.kind)!r}; expected {expected}"
        yield from _step_faults(where, step)
        if step.kind is StepKind.CANARY and step.share is not None:
            if step.share < share:
                yield f"{where}.share: found {step.share} after {share}; expected shares that do not fall"
            share = step.share


def _step_faults(path: str, step: Step) -> Iterator[str]:
    if step.kind is StepKind.CANARY and (step.share is None or not 0 < step.share < 1):
        yield f"{path}.share: found {step.share}; expected more than 0 and less than 1, such as 0.1"
    if step.kind is not StepKind.CANARY and step.share is not None:
        yield f"{path}.share: is of canary steps alone; expected none with {step.kind}"
    if step.requests < 0:
        yield f"{path}.requests: found {step.requests}; expected 0 or more"
    if step.judged < 0:
        yield f"{path}.judged: found {step.judged}; expected 0 or more"
    if step.outcomes_within is not None:
        if step.kind is not StepKind.CANARY:
            yield f"{path}.outcomes_within: is of canary steps alone; expected none with {step.kind}"
        if step.outcomes_within <= 0:
            yield f"{path}.outcomes_within: found {step.outcomes_within}; expected more than 0, such as 1d"
    if step.kind is StepKind.LIVE and step.ends_by is GoOn.EVIDENCE:
        yield (
            f'{path}.go_on: found "evidence" with live: nothing answers beside the new version then; '
            'expected "time" or "hand"'
        )
    if step.patience <= step.bake:
        yield f"{path}.patience: is not longer than bake; expected a longer time"
