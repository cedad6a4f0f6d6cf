"""The process in which a learner's code runs: its forks, the wire, confinement, doctor."""
