"""What will happen: a scenario becomes a plan, a plan becomes a run."""
