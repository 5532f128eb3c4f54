"""Studies: questions about variants of a scenario, and their answers."""
