"""Scores of pairs of texts: ``/score``, ``/rerank`` and their kin."""
