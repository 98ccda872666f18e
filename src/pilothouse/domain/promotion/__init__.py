"""From a request to a decision: policies, statements, separations, freezes, broken glass."""
