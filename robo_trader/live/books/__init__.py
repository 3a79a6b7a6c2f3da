"""The books of a run and of its broker: compared, accepted, restored."""
