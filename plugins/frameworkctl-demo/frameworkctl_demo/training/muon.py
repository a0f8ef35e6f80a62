"""The Muon optimizer for weight matrices: momentum whose singular values are all made about one.

After Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/. Small models learn copying and sums in clearly
fewer steps with it than with AdamW.
"""

from __future__ import annotations

import torch
from torch import distributed

_MOMENTUM = 0.95
_DECAY = 0.1
# Coefficients of the quintic iteration of the source above.
_A, _B, _C = 3.4445, -4.7750, 2.0315


class Muon:
    """Updates matrices in place; each process orthogonalises its share of them and all get all the updates."""

    def __init__(self, matrices: list[torch.nn.Parameter]) -> None:
        self.matrices = matrices
        self._momenta = [torch.zeros_like(matrix) for matrix in matrices]
        self._updates = torch.zeros(sum(matrix.numel() for matrix in matrices))
        sizes = [matrix.numel() for matrix in matrices]
        views = torch.split(self._updates, sizes)
        self._views = [view.view_as(matrix) for view, matrix in zip(views, matrices, strict=True)]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update once from the current gradients, which are the same in every process."""
        self._updates.zero_()
        several = distributed.is_initialized()
        rank, ranks = (distributed.get_rank(), distributed.get_world_size()) if several else (0, 1)
        for index, (matrix, momentum) in enumerate(zip(self.matrices, self._momenta, strict=True)):
            assert matrix.grad is not None
            momentum.lerp_(matrix.grad, 1 - _MOMENTUM)
            if index % ranks == rank:
                ahead = matrix.grad.lerp(momentum, _MOMENTUM)
                self._views[index].copy_(orthogonal(ahead))
        if several:
            distributed.all_reduce(self._updates)
        for matrix, update in zip(self.matrices, self._views, strict=True):
            scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
            matrix.mul_(1 - rate * _DECAY).add_(update, alpha=-rate * scale)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Return the nearest matrix with orthonormal rows or columns, roughly: singular values come out between 0.7 and
    1.2.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x: torch.Tensor = (matrix.T if tall else matrix) / (matrix.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=_B, alpha=_C), x, beta=_A)
    return x.T if tall else x
