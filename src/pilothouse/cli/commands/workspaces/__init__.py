"""Commands on the workspace and its processes."""
