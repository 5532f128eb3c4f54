"""Cedar policy sets: text, schema, entities, and the three-outcome decision."""
