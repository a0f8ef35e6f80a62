// Panels of a packed weight, 32 columns (outputs) with all of K in order, and the inner loops that multiply with them.
#pragma once
#include <algorithm>

#include "base/simd.h"

namespace fc {

constexpr int kPanel = 32;
#ifdef __AVX512F__
constexpr int kMostRows = 12;  // 24 of 32 registers hold sums
constexpr int kWideRows = kMostRows;
#else
constexpr int kMostRows = 6;  // 12 of 16 registers hold sums of half a panel
constexpr int kWideRows = 2;  // 8 those of a panel: with more, the panel's own values have no room
#endif

struct Weight {  // mirrored in linear.py
  const void* panels;
  int64_t outputs, inputs;
  int32_t type, group;
  const void* scales;
};

// One step of K over NV vectors of columns. X: what x is converted to. kSteps: how many values of K a step takes.
template <class T> struct FloatPanel {
  using X = float;
  using W = T;
  static constexpr int kSteps = 1;
  template <int R, int NV, class Row> static inline void step(vf (&sum)[R][NV], const Row& x, const W* w) {
    vf v[NV];
    for (int n = 0; n < NV; n++) v[n] = vload(w + n * VL);
    for (int r = 0; r < R; r++) {
      const vf b = vset(x(r)[0]);
      for (int n = 0; n < NV; n++) sum[r][n] = vfma(b, v[n], sum[r][n]);
    }
  }
};
using F32Panel = FloatPanel<float>;
using F16Panel = FloatPanel<f16>;

// Two values of K stand side by side for each column.
struct Bf16Panel {
  using W = bf16;
  static constexpr int kSteps = 2;
#ifdef FC_BF16_DOT
  using X = bf16;
  // `w(n)`: the values of both k for vector n of columns.
  template <int R, int NV, class Row, class Pairs>
  static inline void multiply(vf (&sum)[R][NV], const Row& x, const Pairs& w) {
    for (int r = 0; r < R; r++) {
      int32_t pair;
      memcpy(&pair, x(r), 4);
      for (int n = 0; n < NV; n++) sum[r][n] = dot_bf16(sum[r][n], pair, w(n));
    }
  }
#else
  using X = float;
  template <int R, int NV, class Row, class Pairs>
  static inline void multiply(vf (&sum)[R][NV], const Row& x, const Pairs& w) {
    vf v[NV];
    for (int n = 0; n < NV; n++) v[n] = first_of(w(n));
    for (int r = 0; r < R; r++) {
      const vf b = vset(x(r)[0]);
      for (int n = 0; n < NV; n++) sum[r][n] = vfma(b, v[n], sum[r][n]);
    }
    for (int n = 0; n < NV; n++) v[n] = second_of(w(n));
    for (int r = 0; r < R; r++) {
      const vf b = vset(x(r)[1]);
      for (int n = 0; n < NV; n++) sum[r][n] = vfma(b, v[n], sum[r][n]);
    }
  }
#endif
  template <int R, int NV, class Row> static inline void step(vf (&sum)[R][NV], const Row& x, const W* w) {
    multiply<R, NV>(sum, x, [&](int n) { return iread(w + n * VL * 2); });
  }
};

constexpr int64_t kSqueezed = 96;  // bytes of a step of bfloat16 in 12 bits; see squeezed.h
constexpr int64_t kAhead = 4096;  // bytes of the panel fetched before they are needed

// What a tile fetches while it computes: nothing, its own weights some steps ahead, or what the next block is made of.
enum class Fetch { none, own, next };

// sums [R][kPanel] (+)= rows `x` (`stride` values apart) times NV vectors of columns from `w` on, over `steps` steps of K.
// `next`: with Fetch::next, memory of which kSqueezed bytes for each step and whole panel are brought near.
template <class P, int R, int NV, Fetch F>
void tile(const typename P::X* x, int64_t stride, const typename P::W* w, int64_t steps, float* sums, bool add,
          const uint8_t* next) {
  using X = typename P::X;
  constexpr int kGroups = (R + 2) / 3;
  const X* rows[kGroups];  // every third row: the others are reached by one or two strides in the address
  for (int g = 0; g < kGroups; g++) rows[g] = x + g * 3 * stride;
  vf sum[R][NV];
  for (int r = 0; r < R; r++)
    for (int n = 0; n < NV; n++) sum[r][n] = add ? vload(sums + r * kPanel + n * VL) : vzero();
  for (int64_t s = 0; s < steps; s++) {
    if constexpr (F == Fetch::own)
      for (unsigned line = 0; line < P::kSteps * kPanel * sizeof(*w); line += 64)
        _mm_prefetch((const char*)w + kAhead + line, _MM_HINT_T0);
    if constexpr (F == Fetch::next) {
      constexpr int kBytes = kSqueezed * NV * VL / kPanel;
      for (int line = 0; line < kBytes; line += 64) _mm_prefetch((const char*)next + line, _MM_HINT_T1);
      next += kBytes;
    }
    P::template step<R, NV>(sum, [&](int r) { return rows[r / 3] + (r % 3) * stride; }, w);
    for (int g = 0; g < kGroups; g++) rows[g] += P::kSteps;
    w += P::kSteps * kPanel;
  }
  for (int r = 0; r < R; r++)
    for (int n = 0; n < NV; n++) vstore(sums + r * kPanel + n * VL, sum[r][n]);
}

template <class P>
using Tile = void (*)(const typename P::X*, int64_t, const typename P::W*, int64_t, float*, bool, const uint8_t*);

template <class P, int R, Fetch F> constexpr Tile<P> tile_of() {
  if constexpr (R <= kWideRows) return tile<P, R, kPanel / VL, F>;
  else return tile<P, R, 2, F>;
}

template <class P, Fetch F> Tile<P> tile_for(int rows) {
  static constexpr Tile<P> kTiles[] = {
      tile_of<P, 1, F>(), tile_of<P, 2, F>(), tile_of<P, 3, F>(),
      tile_of<P, 4, F>(), tile_of<P, 5, F>(), tile_of<P, 6, F>(),
#ifdef __AVX512F__
      tile_of<P, 7, F>(), tile_of<P, 8, F>(), tile_of<P, 9, F>(),
      tile_of<P, 10, F>(), tile_of<P, 11, F>(), tile_of<P, 12, F>(),
#endif
  };
  return kTiles[rows - 1];
}

// Sums of `rows` rows, in tiles; the first of them fetches. They are of equal size, as far as that goes, but where few rows
// are left by tiles of the most rows, those are a tile over the whole panel: faster than two tiles of half as many rows.
template <class P, Fetch F>
void tiles(const typename P::X* x, int64_t stride, int64_t rows, const typename P::W* w, int64_t steps, int64_t columns,
           float* sums, bool add, const uint8_t* next) {
  const int64_t blocks = (rows + kMostRows - 1) / kMostRows;
  const bool even = kWideRows == kMostRows || rows % kMostRows > kWideRows;
  for (int64_t b = 0; b < blocks; b++) {
    const int64_t start = even ? rows * b / blocks : b * kMostRows;
    const int64_t end = even ? rows * (b + 1) / blocks : std::min(rows, start + kMostRows);
    const int count = int(end - start);
    const int width = count <= kWideRows ? kPanel : 2 * VL;
    const Tile<P> run = b == 0 ? tile_for<P, F>(count) : tile_for<P, Fetch::none>(count);
    for (int c = 0; c < kPanel && c < columns; c += width)
      run(x + start * stride, stride, w + c * P::kSteps, steps, sums + start * kPanel + c, add,
          F == Fetch::next ? next + c * kSqueezed / kPanel * steps : nullptr);
  }
}

}  // namespace fc
