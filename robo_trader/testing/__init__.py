"""A kit for the tests of plugin authors will live here; there is nothing yet."""
