"""Trained models wrapped as signal sources will live here; there is nothing yet."""
