"""Bars: read, proven or refused, given their honest times, resampled and aligned."""
