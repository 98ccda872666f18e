"""Commands on users, keys, roles and sessions."""
