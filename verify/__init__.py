"""What always holds: policy sets and escalation chains, proved or refuted with a witness."""
