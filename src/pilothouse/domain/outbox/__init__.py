"""Messages to people and tools outside: receivers, routes, quiet times, silences, and when a message is tried again."""
