"""Constraints while a sequence grows: where they begin, and the masks they give."""
