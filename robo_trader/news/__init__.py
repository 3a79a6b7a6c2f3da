"""Readers of news feeds and filings, as event sources, will live here; there is nothing yet."""
