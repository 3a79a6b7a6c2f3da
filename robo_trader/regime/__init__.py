"""Detectors of market regimes, as signal sources, will live here; there is nothing yet."""
