"""The tables and figures of Srivastava et al. (2014), repeated."""
