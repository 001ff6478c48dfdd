"""The engine of strict priority: it keeps every rule, and follows a guide where it has a choice."""
