"""What the lessons import: checks that explain themselves, plots, explorers, data."""


def check_probability(p: float, name: str = "p") -> None:
    """Raise ValueError naming `name` unless 0 <= p <= 1; NaN is no probability either."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name} must be a probability in [0, 1], not {p}")
