"""Sites: workspaces of this machine and of others, asked what they are. A far one is asked by its own program over SSH."""
