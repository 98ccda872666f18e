"""SQL on requests and roll-outs."""
