"""What plugs into nbgrader and JupyterLab."""
