"""Statements in the formats that other tools read: each a function from `Told` to text, with no input or output."""
