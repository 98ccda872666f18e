"""Roll-outs: plans, states, and the rule that says what a roll-out does next. No I/O, no clock."""
