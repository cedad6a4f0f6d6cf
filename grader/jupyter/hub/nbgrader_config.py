"""nbgrader on a hub, on one machine or in pods, beyond the course's own nbgrader_config.py."""

c = get_config()
c.Authenticator.plugin_class = "nbgrader.auth.JupyterHubAuthPlugin"  # groups say who takes part
c.KernelManager.transport_encryption = "required"  # others on the machine cannot listen
c.ExecuteToTheEnd.sandboxed = True  # in Formgrader, learners' code would run as the instructor
