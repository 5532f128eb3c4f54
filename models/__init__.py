"""What a system is: typed, validated nouns. No time, no solver, no output."""
