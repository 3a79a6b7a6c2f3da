"""Signals from quotes, spreads and order imbalance will live here; there is nothing yet."""
