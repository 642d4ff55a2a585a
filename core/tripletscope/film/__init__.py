"""A run as an animation: the map over all frames with one anchor, its positive and the negative that is picked."""

from tripletscope.film.making import KINDS, Film, make_film

__all__ = ["KINDS", "Film", "make_film"]
