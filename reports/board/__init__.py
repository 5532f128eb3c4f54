"""What a governance board asks of a report beyond its figures: what was tested, who can stop what, what remains, what
is planned, which clauses it supports, and where every number is from."""
