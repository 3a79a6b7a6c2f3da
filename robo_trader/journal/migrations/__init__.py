"""The steps from one schema of the journal to the next, for Alembic."""
