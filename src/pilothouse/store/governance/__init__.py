"""SQL on who may decide: grants, users, teams, freezes, proposals, broken glass."""
