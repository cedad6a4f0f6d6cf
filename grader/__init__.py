"""Everything that builds, runs and grades the course: `python3 grader --help`."""
