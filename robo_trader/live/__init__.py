"""Paper and live sessions will live here; there is nothing yet."""
