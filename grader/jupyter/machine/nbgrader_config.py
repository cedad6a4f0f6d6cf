"""nbgrader where a class shares a machine, beyond what holds on every hub (../hub)."""

import importlib.util

c = get_config()
if importlib.util.find_spec("grader"):  # it is there for the instructor, who collects
    c.ExchangeFactory.collect = "grader.jupyter.exchange.Collect"
