"""The process in which a learner's code runs: forks, wire, confinement, doctor."""
