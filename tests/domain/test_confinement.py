"""Which layer holds which promise, and what is refused where none does."""

import pytest

from pilothouse.domain.confinement import (
    Offered,
    Promise,
    confines,
    describe,
    held_by,
    in_short,
    promise_lines,
    refusal,
    unheld,
)

EVERYTHING = Offered(landlock=7, seccomp=True, namespaces=True)


@pytest.mark.parametrize("landlock", range(7))
@pytest.mark.parametrize("namespaces", [True, False])
def test_with_seccomp_any_landlock_or_namespaces_hold_every_promise(landlock: int, namespaces: bool) -> None:
    offered = Offered(landlock, seccomp=True, namespaces=namespaces)
    assert confines(offered) == (landlock > 0 or namespaces)
    if not confines(offered):
        assert unheld(offered) == (Promise.FILES, Promise.SHARED_MEMORY)


@pytest.mark.parametrize("offered", [Offered(landlock=7), Offered(landlock=7, namespaces=True), Offered()])
def test_without_seccomp_no_set_of_layers_holds_every_promise(offered: Offered) -> None:
    assert Promise.SHARED_MEMORY in unheld(offered)
    assert describe(offered) == "none"


def test_a_layer_more_never_loses_a_promise() -> None:
    sets = [Offered(v, s, n) for v in range(8) for s in (False, True) for n in (False, True)]
    for less in sets:
        for more in sets:
            if (less.landlock, less.seccomp, less.namespaces) == (
                min(less.landlock, more.landlock),
                less.seccomp and more.seccomp,
                less.namespaces and more.namespaces,
            ):
                assert set(unheld(more)) <= set(unheld(less))


def test_a_refusal_names_the_promises_and_what_helps_in_one_line() -> None:
    text = refusal(Offered(seccomp=True))
    assert "nothing holds files and shared memory" in text
    assert "lsm=landlock" in text
    assert "--isolation warn" in text
    assert "\n" not in text


def test_what_is_in_force_is_told_promise_by_promise_and_in_short() -> None:
    lines = promise_lines(EVERYTHING)
    assert lines[0] == "files: mount namespace, Landlock 7"
    assert [line.partition(":")[0] for line in lines] == [str(promise) for promise in Promise]
    assert in_short(describe(EVERYTHING)) == "namespaces, Landlock 7, seccomp"
    assert in_short(describe(Offered(landlock=2, seccomp=True))) == "Landlock 2, seccomp"
    assert in_short("landlock ABI 7") == "landlock ABI 7"
    assert in_short("none") == "none"
    assert held_by(Promise.END, Offered()) == ("supervisor",)
