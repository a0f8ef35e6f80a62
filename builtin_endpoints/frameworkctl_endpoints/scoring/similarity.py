"""Similarity of pooled texts: the cosine of two vectors, and MaxSim of two texts with a vector for each token.

numpy is loaded with the first score; its products run without the interpreter lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from frameworkctl.interfaces import PoolOutput

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[Any, np.dtype[np.float32]]

EPSILON = 1e-12  # least length of a vector that is divided by it
BLOCK = 16 << 20  # products of tokens held at a time, in MaxSim of one query and many documents


def matrix(outputs: Sequence[PoolOutput]) -> Matrix:
    """Return all rows of the outputs, one behind the other ``[rows, width]``."""
    import numpy as np

    data = b"".join([output.data for output in outputs])
    return np.frombuffer(data, "<f4").reshape(-1, outputs[0].width)


def cosines(left: Sequence[PoolOutput], right: Sequence[PoolOutput]) -> list[float]:
    """Return the cosines of one vector with each of the others, or of pairs, in float32."""
    import numpy as np

    a, b = (m / np.maximum(np.linalg.norm(m, axis=1, keepdims=True), EPSILON) for m in (matrix(left), matrix(right)))
    scores: list[float] = np.einsum("ij,ij->i", *np.broadcast_arrays(a, b)).tolist()
    return scores


def max_sims(left: Sequence[PoolOutput], right: Sequence[PoolOutput]) -> list[float]:
    """Sum over the query's tokens of the greatest dot product with a document's token, in float32.

    "ColBERT" (Khattab and Zaharia, 2020), equation 3. One query with each document, or pairs.
    """
    if len(left) == 1:
        query = matrix(left)
        return [score for block in _blocks(right, len(query)) for score in _one_to_many(query, block)]
    return [_one_to_many(matrix([q]), [d])[0] for q, d in zip(left, right, strict=True)]


def _one_to_many(query: Matrix, documents: Sequence[PoolOutput]) -> list[float]:
    import numpy as np

    products = matrix(documents) @ query.T
    starts = np.cumsum([0, *[document.rows or 1 for document in documents[:-1]]])
    scores: list[float] = np.maximum.reduceat(products, starts, axis=0).sum(axis=1).tolist()
    return scores


def _blocks(documents: Sequence[PoolOutput], query_tokens: int) -> list[list[PoolOutput]]:
    """So many documents at a time that the products of their tokens with the query's take bounded memory."""
    blocks: list[list[PoolOutput]] = [[]]
    room = BLOCK
    for document in documents:
        products = (document.rows or 1) * query_tokens
        if products > room and blocks[-1]:
            blocks.append([])
            room = BLOCK
        blocks[-1].append(document)
        room -= products
    return blocks
