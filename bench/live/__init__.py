"""Times the operator as it runs: its own process on a real control plane, with simulated nodes."""
