"""The Backend protocol: every operation that a model is computed with. Torch-free to import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

API_VERSION = 1


class BackendUnavailable(RuntimeError):
    """A backend cannot run on this machine; the message says what it lacks. ``--backend auto`` takes the next one."""


@dataclass(frozen=True)
class BackendSpec:
    """Registration of a backend. ``implementation`` is ``package.module:Class``, built with the device's name.

    ``devices`` are the device types it runs on (``cpu``, ``cuda``); ``--backend auto`` takes the highest ``priority``
    among those whose constructor does not raise BackendUnavailable.

    ``ahead`` names a module for backends that have to make something first, once for a machine: its ``ready()`` says
    whether that is done. Where it is not, ``auto`` passes the backend over and runs the module as a program in the
    background, so that the next start finds it made.
    """

    name: str
    implementation: str
    devices: tuple[str, ...]
    priority: int = 0
    ahead: str | None = None
    api_version: int = API_VERSION


@dataclass(slots=True)
class StepShape:
    """Facts of a step that the host knows. Sequences stand back to back, without padding.

    ``tokens`` T, ``seqs`` S (some may have no token this step), ``rows`` L of logits, ``max_query`` most tokens of one
    sequence. ``query_lens [S]`` and ``seq_lens [S]`` are int32 host arrays: tokens in this step, and tokens of the
    sequence that are in the cache when the step's own have been written.
    """

    tokens: int
    seqs: int
    rows: int
    max_query: int
    decode_only: bool
    query_lens: NDArray[np.int32]
    seq_lens: NDArray[np.int32]


@dataclass(slots=True)
class GroupView:
    """Pages of a group of layers with the same cache in this step.

    ``block_table [S, B]`` int32 page ids, 0 for a page that is gone or not there; ``slot_mapping [T]`` int64, page id *
    ``block_size`` + offset, for each token of the step; ``seq_lens [S]`` int32 on the device, tokens in the cache after
    the step. ``pages`` is how many columns of the table are in use. ``state_slot [S]`` is set for recurrent state only.
    """

    kind: str
    block_size: int
    window: int | None
    pages: int
    seq_lens: Tensor
    block_table: Tensor
    slot_mapping: Tensor
    state_slot: Tensor | None = None


class Packed(Protocol):
    """A weight in the form that a backend multiplies fastest."""

    shape: tuple[int, int]  # (out, in)


class Replay(Protocol):
    """A recorded step that can run again without the model's Python."""

    def __call__(self) -> Tensor: ...


class Backend(Protocol):
    """Operations over flat batches. T tokens, S sequences, H query heads, K key/value heads, D head size.

    None of them waits for the device or depends on values in tensors; shapes come from the host.
    """

    name: str
    asynchronous: bool  # launch returns before the work is done
    deterministic: bool | None  # True is set before a model is built: no row's result may depend on other rows;
    # None: this backend cannot promise that

    def supports(self, op: str, **facts: Any) -> str | None:
        """None: yes. Else the reason why not, and the layer uses ``reference`` for this op."""

    def computes_fast(self, dtype: Any) -> bool:
        """Return whether the device multiplies this type in hardware; ``--dtype auto`` falls back to float32 where
        not.
        """

    def plan(self, shape: StepShape, groups: Sequence[GroupView]) -> None:
        """Once per step, before the forward and outside any graph: schedules, index tensors, masks, workspace."""

    def view_cache(self, pages: Tensor, *, block_size: int, heads: int, head_dim: int, dtype: Any) -> Any:
        """Return a layer's key/value cache over ``pages [P, bytes]`` uint8, in the layout the backend wants;
        zero-copy.
        """

    def write_kv(self, key: Tensor, value: Tensor, cache: Any, view: GroupView) -> None:
        """Store ``key`` and ``value [T, K, D]`` at ``view.slot_mapping``."""

    def rotary_write_kv(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        cos_sin: Tensor,
        cache: Any,
        view: GroupView,
        *,
        interleaved: bool = False,
    ) -> None:
        """Apply ``rotary`` to ``query [T, H, D]`` and ``key [T, K, D]`` in place, then ``write_kv`` to the results.

        The same numbers as of the three operations one by one; ``key`` may be left as it was.
        """

    def attention(
        self,
        query: Tensor,
        cache: Any,
        group: int,
        out: Tensor,
        *,
        scale: float,
        causal: bool = True,
        window: int | None = None,
        softcap: float | None = None,
        sinks: Tensor | None = None,
    ) -> Tensor:
        """Return ``softmax(scale * q k^T + mask) v`` per sequence over its pages, written to ``out [T, H, D]``.

        ``query [T, H, D]``; head h reads key/value head h // (H / K). Causal: token i sees j <= i; ``window`` W: and
        i - j < W. ``softcap`` c: scores become c * tanh(scores / c) before the mask. ``sinks [H]``: one more logit per
        head that takes part in the softmax and has no value. Source: Vaswani et al. 2017; paging as in Kwon et al.
        2023.
        """

    def varlen_attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        out: Tensor,
        *,
        scale: float,
        window: int | None = None,
        softcap: float | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """Attention within each sequence's tokens of this step, both ways and without a cache -> ``out [T, H, D]``.

        ``query [T, H, D]``, ``key`` and ``value [T, K, D]``; head h reads key/value head h // (H / K). ``window`` W:
        token i sees j with abs(i - j) <= W. ``softcap`` as of ``attention``. ``bias [H, 2 R + 1]`` float32: the score
        of token i for j has ``bias[h, R + clamp(j - i, -R, R)]`` added, after the softcap. Source: the encoder of
        Vaswani et al. 2017; windows as in Beltagy et al. 2020, biases as in Raffel et al. 2020.
        """

    def view_latent_cache(self, pages: Tensor, *, block_size: int, dim: int, dtype: Any) -> Any:
        """Return a layer's cache of one vector of ``dim`` values per token over ``pages [P, bytes]`` uint8;
        zero-copy.
        """

    def write_latent(self, latent: Tensor, cache: Any, view: GroupView) -> None:
        """Store ``latent [T, dim]`` at ``view.slot_mapping``."""

    def latent_attention(self, query: Tensor, cache: Any, group: int, out: Tensor, *, scale: float) -> Tensor:
        """Causal attention where a token's key is its cached vector and its value the first V numbers of it.

        ``query [T, H, dim]``; ``softmax(scale * q c^T + mask) c[:, :V]`` per sequence is written to ``out [T, H, V]``;
        all heads share the vectors. Source: multi-head latent attention with its projections absorbed into query and
        output (DeepSeek-V2, 2024, section 2.1).
        """

    def pack(self, weight: Tensor, fmt: str = "plain", *, lookup: bool = False) -> Packed:
        """Return ``weight [N, K]`` once into the form ``linear`` reads; the original may be dropped.

        ``fmt``: ``plain``, or what the weight is rounded to: ``int8`` (255 levels for each row) or ``int4`` (16 levels
        for each group of a row). With ``lookup``, ``lookup`` reads rows of it too; not of int4.
        """

    def lookup(self, packed: Packed, ids: Tensor) -> Tensor:
        """Return ``ids [T]`` int64 -> ``[T, K]``, rows of a weight that was packed for it."""

    def linear(self, x: Tensor, packed: Packed, bias: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        """Return ``x [M, K] @ weight.T + bias`` -> ``[M, N]``."""

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float, *, late_cast: bool = False) -> Tensor:
        """Return ``x / sqrt(mean(x^2) + eps) * weight`` over the last axis, the mean in float32 (Zhang and Sennrich
        2019).

        ``late_cast``: multiply by the weight in float32 and cast then (Gemma); else cast, then multiply (Llama).
        """

    def add_rms_norm(
        self, x: Tensor, residual: Tensor, weight: Tensor, eps: float, *, late_cast: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return ``(rms_norm(x + residual), x + residual)``; may reuse the memory of ``residual``."""

    def layer_norm(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        """Return ``(x - mean) / sqrt(variance + eps) * weight + bias`` over the last axis, in float32 (Ba et al. 2016).

        ``weight`` and ``bias`` are float32, ``[D]`` or ``[rows, D]`` for ``x [..., rows, D]``, or None.
        """

    def add_layer_norm(
        self, x: Tensor, residual: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor]:
        """Return ``(layer_norm(x + residual), x + residual)``; may reuse the memory of ``residual``."""

    def rotary(self, x: Tensor, cos_sin: Tensor, *, interleaved: bool = False) -> None:
        """Rotate ``x [T, heads, D]`` in place by ``cos_sin [T, R]``: first half cos, second half sin, R <= D.

        Of the first R values of each head the pairs (x[i], x[i + R/2]) are rotated (the NeoX layout), or, where
        ``interleaved``, the pairs (x[2i], x[2i + 1]) (Su et al. 2021).
        """

    def activation(self, x: Tensor, kind: str) -> Tensor:
        """Return ``act(x)``; may reuse the memory of ``x``. Kinds: those of ``gated_activation`` but ``swiglu_oai``."""

    def gated_activation(self, gate_up: Tensor, kind: str) -> Tensor:
        """Return ``act(gate) * up`` of ``gate_up [T, 2 I]`` -> ``[T, I]`` (Shazeer 2020).

        Kinds: ``silu``, ``gelu`` (erf), ``gelu_tanh``, ``relu``, ``relu2`` (the square of relu); ``swiglu_oai``: ``g *
        sigmoid(1.702 g) * (clamp(up, -7, 7) + 1)`` with g = min(gate, 7) (as gpt-oss was released).
        """

    def pack_experts(
        self, gate_up: Tensor, down: Tensor, biases: tuple[Tensor, Tensor] | None = None, fmt: str = "plain"
    ) -> Any:
        """Return ``gate_up [E, 2 I, H]`` and ``down [E, H, I]`` once into the form ``experts`` reads.

        ``biases``: ``[E, 2 I]`` and ``[E, H]``, which keep their type; ``fmt`` as of ``pack``, for each matrix.
        """

    def experts(self, x: Tensor, weights: Tensor, ids: Tensor, packed: Any, kind: str) -> Tensor:
        """Return ``sum_j weights[t, j] * down_e(act(gate_e(x_t)) * up_e(x_t))``, e = ``ids[t, j]`` (Shazeer et al.
        2017).

        ``x [T, H]``, ``weights [T, k]`` float32, ``ids [T, k]`` int64 -> ``[T, H]``; kinds as of gated_activation.
        """

    def causal_conv(
        self, x: Tensor, state: Tensor, group: int, weight: Tensor, bias: Tensor | None, *, activation: str | None
    ) -> Tensor:
        """Return ``out[t] = act(bias + sum_j weight[:, j] * x[t - W + 1 + j])`` per sequence and channel -> ``[T, C]``.

        ``x [T, C]`` (rows may be strided); ``weight [C, W]`` and ``bias [C]`` float32. ``state [P, W - 1, C]`` float32
        holds each sequence's last inputs, oldest first, at the group's ``state_slot``: it is what stands before the
        step's tokens and is brought up to date. Sequences without a token keep theirs. ``activation``: ``silu`` or
        None. Source: the convolution of Gu and Dao 2023, section 3.4.
        """

    def selective_scan(
        self,
        x: Tensor,
        dt: Tensor,
        b: Tensor,
        c: Tensor,
        z: Tensor | None,
        state: Tensor,
        group: int,
        *,
        a: Tensor,
        d: Tensor,
        dt_bias: Tensor,
    ) -> Tensor:
        """Return the selective state-space recurrence per sequence and channel -> ``[T, C]`` in the type of ``x``.

        ``s = softplus(dt[t] + dt_bias)``; ``h = exp(s * a) * h + s * x[t] * b[t]``; ``y[t] = (h . c[t] + d * x[t]) *
        silu(z[t])``, all in float32. ``x``, ``dt`` and ``z [T, C]`` (z None: no gate), ``b`` and ``c [T, N]``, rows may
        be strided; ``a [C, N]``, ``d [C]`` and ``dt_bias [C]`` float32. ``state [P, C, N]`` float32 holds h at the
        group's ``state_slot``: read, and written back after the sequence's last token; sequences without a token keep
        theirs. Source: Gu and Dao 2023, algorithm 2 and equation 2, b discretised as s * b.
        """

    def draw(
        self,
        logits: Tensor,
        top_k: NDArray[np.int64],
        top_p: NDArray[np.float32],
        min_p: NDArray[np.float32],
        u: NDArray[np.float64],
    ) -> Tensor | None:
        """Return a token id per row of ``logits [n, V]`` float32, already divided by temperature -> ``[n]`` int64.

        The distribution is that of ``frameworkctl.execution.sampling.drawing.draw``: min-p (0: none), top-k (0: none),
        top-p (1: none), then the inverse CDF at ``u [n]`` in [0, 1), in any fixed order of the tokens. None: this
        backend has no faster way, and the caller draws with operations of torch.
        """

    def top_logits(self, logits: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return ``log sum exp`` of the rows of ``logits [n, V]`` float32, and their ``width`` largest, the largest
        first.

        ``[n]``, ``[n, width]`` and, int64, their ids ``[n, width]``. None: as of ``draw``.
        """

    def capture(self, fn: Callable[[], Tensor]) -> Replay | None:
        """Record ``fn``, a model's forward of one shape, to be run again over new values in the same buffers.

        ``plan`` is called before each run, and what a run returns is valid until the next one, of any recording. ``fn``
        may have run or not when this returns, wholly or in part: to run it again over the same batch changes nothing.
        None: this device has no graphs, or something in ``fn`` cannot be recorded.
        """
