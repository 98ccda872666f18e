"""Messages out: what happened is routed to receivers, grouped, held back or escalated, sent, and tried again."""
