"""What is said: statuses, events, and why a pool waits."""
