"""What people read: outcomes, verdicts, terminal, JSON and HTML."""
