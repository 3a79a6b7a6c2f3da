"""The built-in rules: each a small class, registered through the same door as a stranger's."""
