"""Roll-outs: facts gathered, the next act carried out, steered by people, gathered for a view."""
