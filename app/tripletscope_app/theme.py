"""One mark per strategy and one colour per zone, the same on every page: those of the engine's palette."""

from tripletscope.palette import BACKGROUND, ZONES, Mark, mark

__all__ = ["BACKGROUND", "ZONES", "Mark", "mark"]
