"""Parameter search with walk-forward and overfitting checks will live here; there is nothing yet."""
