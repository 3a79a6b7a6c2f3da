"""pyfolio's tear sheets, drawn from the run's own arrays, panel by panel, each on its own risk."""
