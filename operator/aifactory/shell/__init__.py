"""The imperative shell: wake, gather the World, have it decided, apply the Plan, report."""
