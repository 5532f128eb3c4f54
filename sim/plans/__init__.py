"""Parts of the plan, by subject. Fields are as in `sim.plan`, which is imported for its types only."""
