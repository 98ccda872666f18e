"""Roles, the workspace's policy and trusted wrappers on the command line."""


def test_reading_is_opened_and_closed_with_the_policy(workspace) -> None:
    assert workspace("policy", "set", "--no-open-reading", "--reason", "first").code == 0
    assert workspace("models", as_name="nobody").code == 4
    assert (
        workspace("policy", "set", "--open-reading", "--approvals", "1", "--reason", "a small team").code == 0
    )
    assert workspace("models", as_name="nobody").code == 0
    shown = workspace("policy", "show", "--json").json
    assert (shown["open_reading"], shown["approvals"]) == (True, 1)
    assert "open to everybody" in workspace("policy", "show").out
    assert workspace("policy", "set", "--no-open-reading", "--reason", "grown up").code == 0
    assert workspace("models", as_name="nobody").code == 4
    assert workspace("policy", "show", "--json").json["approvals"] == 1
    log = workspace("audit", "show", "--json").json
    assert [(entry["action"], entry["detail"]["reason"]) for entry in log[:3]] == [
        ("reading.closed", "grown up"),
        ("reading.opened", "a small team"),
        ("policy.set", "a small team"),
    ]


def test_only_an_admin_opens_reading_and_something_must_be_named(workspace) -> None:
    assert workspace("policy", "set", "--open-reading", "--reason", "x", as_name="ada").code == 4
    nothing = workspace("policy", "set", "--reason", "x")
    assert (nothing.code, nothing.err.count("\n")) == (2, 1)
    assert "name what to set" in nothing.err


def test_a_wrapper_is_trusted_listed_and_trusted_no_more(workspace) -> None:
    assert "nobody is trusted" in workspace("wrapper", "list").err
    assert workspace("wrapper", "trust", "ssh-gate").code == 0
    assert workspace("wrapper", "list", "--json").json == ["ssh-gate"]
    assert workspace("wrapper", "trust", "ssh-gate").code == 5
    assert workspace("wrapper", "trust", "two words").code == 2
    assert workspace("wrapper", "trust", "other", as_name="ada").code == 4
    assert workspace("wrapper", "untrust", "ssh-gate").code == 0
    assert workspace("wrapper", "untrust", "ssh-gate").code == 3
    assert workspace("wrapper", "list", "--json").json == []


def test_a_roll_back_is_planned_without_a_reason_and_done_with_one_only(workspace) -> None:
    workspace("apply", as_name="ada")
    plan = workspace("rollback", "delay", "--plan", as_name="otto")
    assert (plan.code, plan.out) == (5, "")
    assert "no version before" in plan.err
    without = workspace("rollback", "delay", as_name="otto")
    assert without.code == 2
    assert "needs a reason" in without.err


def test_a_workspace_of_one_person_says_so(pilothouse, root) -> None:
    made = pilothouse("init", "--admin", "olga", "--solo", "--demo", as_name=None)
    words = "SOLO: olga alone; four eyes is off until another approver is granted"
    assert words in made.err
    assert words in pilothouse("status").err
    assert pilothouse("status", "--json").json["solo"] == "olga"
    assert words in pilothouse("policy", "show").out
    assert words in pilothouse("whoami").err
    assert pilothouse("whoami", "--json").json["solo"] == "olga"
    assert pilothouse("grant", "petra", "approver").code == 0
    assert "SOLO" not in pilothouse("status").err
    assert "four eyes             required" in pilothouse("policy", "show").out


def test_roles_with_scopes_are_granted_listed_explained_and_revoked(workspace) -> None:
    where = ("--region", "us-*", "--label", "tier=gold", "--deny")
    granted = workspace("grant", "zoe", "operator", *where)
    assert (
        granted.err == "zoe is no operator for all models, on targets with labels.tier gold and region us-*\n"
    )
    assert "no operator" in workspace("roles").out
    assert workspace("can", "zoe", "pause").code == 4
    assert "denies        no operator for all models" in workspace("can", "zoe", "pause").out
    assert workspace("can", "zoe", "pause", "--json").json["allowed"] is False
    assert workspace("can", "olga", "grant").code == 0
    assert workspace("revoke", "zoe", "operator").code == 3
    assert workspace("revoke", "zoe", "operator", *where).code == 0
    assert workspace("grant", "zoe", "operator", "--label", "gold").code == 2


def test_the_idle_lock_of_consoles_is_set_and_taken_off(workspace) -> None:
    assert workspace("policy", "set", "--idle-lock", "10m", "--reason", "a hospital").code == 0
    assert workspace("policy", "show", "--json").json["idle_lock_s"] == 600
    assert "10m" in workspace("policy", "show").out
    entry = workspace("audit", "show", "--json").json[0]
    assert (entry["action"], entry["detail"]["after"], entry["detail"]["before"]) == (
        "idle_lock.set",
        600,
        None,
    )
    for wrong in ("1s", "2d", "soon"):
        assert workspace("policy", "set", "--idle-lock", wrong, "--reason", "x").code == 2
    assert workspace("policy", "set", "--idle-lock", "off", "--reason", "x", as_name="ada").code == 4
    assert workspace("policy", "set", "--idle-lock", "off", "--reason", "alone").code == 0
    assert workspace("policy", "show", "--json").json["idle_lock_s"] is None
