"""Classes without a hub: learners hand in through Moodle, Canvas, Gradescope or a git host."""
