"""nbgrader on the hub, beyond the course's own nbgrader_config.py."""

import importlib.util

c = get_config()
c.Authenticator.plugin_class = "nbgrader.auth.JupyterHubAuthPlugin"  # groups say who takes part
if importlib.util.find_spec("grader"):  # it is there for the instructor, who collects
    c.ExchangeFactory.collect = "grader.jupyter.exchange.Collect"
c.KernelManager.transport_encryption = "required"  # others on the machine cannot listen
c.ExecuteToTheEnd.sandboxed = True  # in Formgrader, learners' code would run as the instructor
