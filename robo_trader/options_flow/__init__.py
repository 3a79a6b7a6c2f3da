"""Signals from options volume, open interest and block trades will live here; there is nothing yet."""
