"""A simulated Interactive Brokers gateway for rehearsals will live here; there is nothing yet."""
