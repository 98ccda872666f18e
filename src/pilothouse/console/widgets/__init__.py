"""Widgets on Textual's line API: they take safe cells, never markup."""
