"""What there is: the world, a plan, and the question that a decision asks. All frozen."""
