"""nbgrader in a pod, beyond what holds on every hub: ngshare in place of a folder."""

import os

import ngshare_exchange

c = get_config()
ngshare_exchange.configureExchange(c, os.environ.get("NGSHARE_URL"))  # otherwise the chart's
c.ExchangeFactory.collect = "grader.jupyter.ngshare.Collect"
