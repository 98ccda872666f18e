"""Sites: several workspaces that one console shows, or that watch each other."""
