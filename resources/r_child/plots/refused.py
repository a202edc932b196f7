"""What every kind of plot is refused with."""


class NotAPlot(ValueError):
    """A file that cannot be shown. `str()` says why, without its content."""
