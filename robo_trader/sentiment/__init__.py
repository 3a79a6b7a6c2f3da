"""Offline scorers of a text's tone, for analysts, will live here; there is nothing yet."""
