"""SQL on the outbox: settings, silences, what happened, and the messages about it."""
