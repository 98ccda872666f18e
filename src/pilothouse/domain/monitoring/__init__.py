"""What monitoring finds, and what follows from it: findings, states, alerts, incidents."""
