"""One console over several workspaces: tiles, one list of each kind, and the way into a site's own console."""
