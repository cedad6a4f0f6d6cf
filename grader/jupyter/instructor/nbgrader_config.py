"""nbgrader in an instructor's JupyterLab, beyond the course's own nbgrader_config.py."""

c = get_config()
c.ExecuteToTheEnd.sandboxed = True  # in Formgrader, learners' code would run as the instructor
