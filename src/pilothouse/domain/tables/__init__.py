"""Tables from outside: where their rows come from, how they are written, what their columns hold."""
