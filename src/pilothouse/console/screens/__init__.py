"""One module a screen: what it loads in a thread, and how that is shown."""
