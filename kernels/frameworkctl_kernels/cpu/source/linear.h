// Products of activations with a packed weight: a weight is panels of 32 columns (outputs), each with all of K in order.
//
// Every output is one chain of additions over ascending K, whatever the number of rows, so a row's result does not
// depend on what else is in the batch.
#pragma once
#include "pool.h"
#include "simd.h"

namespace fc {

constexpr int kPanel = 32;
#ifdef __AVX512F__
constexpr int kMostRows = 12;  // 24 of 32 registers hold sums
constexpr int kWideRows = kMostRows;
#else
constexpr int kMostRows = 6;  // 12 of 16 registers hold sums: 6 rows by half a panel, or
constexpr int kWideRows = 3;  // 3 rows by a panel
#endif

struct Weight {  // mirrored in linear.py
  const void* panels;
  int64_t outputs, inputs;
  int32_t type, group;
  const void* scales;
};

// One step of K over NV vectors of columns. X: what x is converted to. kSteps: how many values of K a step takes.
struct F32Panel {
  using X = float;
  using W = float;
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

struct F16Panel {
  using X = float;
  using W = f16;
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

// Two values of K stand side by side for each column.
#if defined(__AVX512BF16__)
#define FC_BF16_DOT 1
inline vf dot_bf16(vf sum, int32_t pair, const bf16* w) {
  return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)_mm512_loadu_si512(w));
}
#elif defined(FC_EMULATE_BF16_DOT)  // to run the form above on processors without it
#define FC_BF16_DOT 1
inline vf dot_bf16(vf sum, int32_t pair, const bf16* w) {
  float lane[VL];
  vstore(lane, sum);
  bf16 x[2];
  memcpy(x, &pair, 4);
  for (int i = 0; i < VL; i++) lane[i] += widen(x[0]) * widen(w[2 * i]) + widen(x[1]) * widen(w[2 * i + 1]);
  return vload(lane);
}
#endif

#ifdef FC_BF16_DOT
struct Bf16Panel {
  using X = bf16;
  using W = bf16;
  static constexpr int kSteps = 2;
  template <int R, int NV, class Row> static inline void step(vf (&sum)[R][NV], const Row& x, const W* w) {
    for (int r = 0; r < R; r++) {
      int32_t pair;
      memcpy(&pair, x(r), 4);
      for (int n = 0; n < NV; n++) sum[r][n] = dot_bf16(sum[r][n], pair, w + n * VL * 2);
    }
  }
};
#else
struct Bf16Panel {
  using X = float;
  using W = bf16;
  static constexpr int kSteps = 2;
#ifdef __AVX512F__
  static inline vf low(const W* w) { return (vf)_mm512_slli_epi32(_mm512_loadu_si512(w), 16); }
  static inline vf high(const W* w) {
    return (vf)_mm512_and_si512(_mm512_loadu_si512(w), _mm512_set1_epi32(0xffff0000));
  }
#else
  static inline vf low(const W* w) { return (vf)_mm256_slli_epi32(_mm256_loadu_si256((const __m256i*)w), 16); }
  static inline vf high(const W* w) {
    return (vf)_mm256_and_si256(_mm256_loadu_si256((const __m256i*)w), _mm256_set1_epi32(0xffff0000));
  }
#endif
  template <int R, int NV, class Row> static inline void step(vf (&sum)[R][NV], const Row& x, const W* w) {
    vf v[NV];
    for (int n = 0; n < NV; n++) v[n] = low(w + n * VL * 2);
    for (int r = 0; r < R; r++) {
      const vf b = vset(x(r)[0]);
      for (int n = 0; n < NV; n++) sum[r][n] = vfma(b, v[n], sum[r][n]);
    }
    for (int n = 0; n < NV; n++) v[n] = high(w + n * VL * 2);
    for (int r = 0; r < R; r++) {
      const vf b = vset(x(r)[1]);
      for (int n = 0; n < NV; n++) sum[r][n] = vfma(b, v[n], sum[r][n]);
    }
  }
};
#endif

constexpr int64_t kAhead = 4096;  // bytes of the panel fetched before they are needed

// sums [R][NV * VL] of rows `x` (`stride` values apart) with NV vectors of columns from `w` on.
template <class P, int R, int NV>
void tile(const typename P::X* x, int64_t stride, const typename P::W* w, int64_t steps, float* out) {
  using X = typename P::X;
  constexpr int kGroups = (R + 2) / 3;
  const X* rows[kGroups];  // every third row: the others are reached by one or two strides in the address
  for (int g = 0; g < kGroups; g++) rows[g] = x + g * 3 * stride;
  vf sum[R][NV];
  for (int r = 0; r < R; r++)
    for (int n = 0; n < NV; n++) sum[r][n] = vzero();
  for (int64_t s = 0; s < steps; s++) {
    for (unsigned line = 0; line < P::kSteps * kPanel * sizeof(*w); line += 64)
      _mm_prefetch((const char*)w + kAhead + line, _MM_HINT_T0);
    P::template step<R, NV>(sum, [&](int r) { return rows[r / 3] + (r % 3) * stride; }, w);
    for (int g = 0; g < kGroups; g++) rows[g] += P::kSteps;
    w += P::kSteps * kPanel;
  }
  for (int r = 0; r < R; r++)
    for (int n = 0; n < NV; n++) vstore(out + r * NV * VL + n * VL, sum[r][n]);
}

template <class P> using Tile = void (*)(const typename P::X*, int64_t, const typename P::W*, int64_t, float*);

template <class P, int R> constexpr Tile<P> tile_of() {
  if constexpr (R <= kWideRows) return tile<P, R, kPanel / VL>;
  else return tile<P, R, 2>;
}

template <class P> Tile<P> tile_for(int rows) {
  static constexpr Tile<P> kTiles[] = {
      tile_of<P, 1>(), tile_of<P, 2>(), tile_of<P, 3>(), tile_of<P, 4>(), tile_of<P, 5>(), tile_of<P, 6>(),
#ifdef __AVX512F__
      tile_of<P, 7>(), tile_of<P, 8>(), tile_of<P, 9>(), tile_of<P, 10>(), tile_of<P, 11>(), tile_of<P, 12>(),
#endif
  };
  return kTiles[rows - 1];
}

// out[r][c] = sums[r][c] + bias[c] for `columns` columns.
template <class T, class B>
inline void finish(const float* sums, int width, int rows, int columns, const B* bias, T* out, int64_t stride) {
  for (int r = 0; r < rows; r++, sums += width, out += stride) {
    int c = 0;
    if (bias == nullptr) {
      for (; c + VL <= columns; c += VL) vstore(out + c, vload(sums + c));
      for (; c < columns; c++) narrow(sums[c], out + c);
    } else {
      for (; c + VL <= columns; c += VL) vstore(out + c, vadd(vload(sums + c), vload(bias + c)));
      for (; c < columns; c++) narrow(sums[c] + widen(bias[c]), out + c);
    }
  }
}

// Rows [first, last) of the batch by the columns of one panel.
template <class P, class T, class B>
void panel_rows(const Weight& weight, int64_t panel, const typename P::X* x, int64_t stride, int64_t first,
                int64_t last, const B* bias, T* out, int64_t out_stride) {
  const int64_t steps = (weight.inputs + P::kSteps - 1) / P::kSteps;
  const auto* w = static_cast<const typename P::W*>(weight.panels) + panel * steps * P::kSteps * kPanel;
  const int64_t column = panel * kPanel, left = weight.outputs - column;
  alignas(64) float sums[kMostRows * kPanel];
  const int64_t rows = last - first, blocks = (rows + kMostRows - 1) / kMostRows;
  for (int64_t b = 0; b < blocks; b++) {
    const int64_t start = first + rows * b / blocks;
    const int count = int(first + rows * (b + 1) / blocks - start);
    const int width = count <= kWideRows ? kPanel : 2 * VL;
    for (int offset = 0; offset < kPanel && offset < left; offset += width) {
      tile_for<P>(count)(x + start * stride, stride, w + offset * P::kSteps, steps, sums);
      const int columns = left - offset < width ? int(left - offset) : width;
      finish(sums, width, count, columns, bias ? bias + column + offset : bias, out + start * out_stride + column + offset,
             out_stride);
    }
  }
}

template <class From, class To> inline void copy_row(const From* from, To* to, int64_t count, int64_t padded) {
  int64_t i = 0;
  for (; i + VL <= count; i += VL) vstore(to + i, vload(from + i));
  for (; i < count; i++) narrow(widen(from[i]), to + i);
  for (; i < padded; i++) narrow(0.0f, to + i);
}

// Rows as the tiles read them: in type X, K padded to whole steps, not a power of two apart (rows would share a few
// lines of the cache). `x` itself where it is so already.
template <class P, class T> const typename P::X* prepare(const T* x, int64_t* stride, int64_t rows, int64_t inputs) {
  using X = typename P::X;
  constexpr bool kSame = sizeof(X) == sizeof(T);
  if (kSame && inputs % P::kSteps == 0 && (rows <= 4 || *stride * sizeof(X) % 2048 != 0))
    return reinterpret_cast<const X*>(x);
  const int64_t padded = (inputs + P::kSteps - 1) / P::kSteps * P::kSteps;
  int64_t wide = (padded + 15) / 16 * 16;
  if (wide * sizeof(X) % 2048 == 0) wide += 64 / sizeof(X);
  X* made = static_cast<X*>(scratch(0, rows * wide * sizeof(X)));
  const int64_t at_once = 1 + (1 << 15) / wide, from = *stride;
  parallel((rows + at_once - 1) / at_once, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * at_once < rows ? (chunk + 1) * at_once : rows;
    for (int64_t r = chunk * at_once; r < end; r++) copy_row(x + r * from, made + r * wide, inputs, padded);
  });
  *stride = wide;
  return made;
}

// How panels and rows are cut into chunks: about eight for each thread, none too small to be worth waking one.
struct Cut {
  int64_t panels, rows;          // of one chunk
  int64_t across, down;          // chunks
  Cut(int64_t all_panels, int64_t all_rows, int64_t panel_bytes, int64_t inputs) {
    constexpr int64_t kLeastWork = 1 << 17;  // bytes read, or multiplications / 16
    const int64_t work = panel_bytes + all_rows * inputs * kPanel / 16;
    const int64_t most = all_panels * work / kLeastWork;
    int64_t wanted = threads() == 1 ? 1 : threads() * 8;
    if (wanted > most) wanted = most < 1 ? 1 : most;
    panels = (all_panels + wanted - 1) / wanted;
    across = (all_panels + panels - 1) / panels;
    const int64_t blocks = (all_rows + kMostRows - 1) / kMostRows;
    int64_t pieces = wanted / across;
    if (pieces > blocks / 2) pieces = blocks / 2;
    if (pieces < 1) pieces = 1;
    rows = (blocks + pieces - 1) / pieces * kMostRows;
    down = (all_rows + rows - 1) / rows;
  }
};

template <class P, class T, class O>
void multiply(const Weight& weight, const T* given, int64_t stride, int64_t rows, const T* bias, O* out) {
  if (rows == 0) return;
  const auto* x = prepare<P>(given, &stride, rows, weight.inputs);
  const int64_t panels = (weight.outputs + kPanel - 1) / kPanel;
  const Cut cut(panels, rows, weight.inputs * kPanel * sizeof(typename P::W), weight.inputs);
  parallel(cut.across * cut.down, [&](int64_t chunk, int) {
    const int64_t first = chunk % cut.down * cut.rows, start = chunk / cut.down * cut.panels;
    const int64_t last = first + cut.rows < rows ? first + cut.rows : rows;
    const int64_t end = start + cut.panels < panels ? start + cut.panels : panels;
    for (int64_t p = start; p < end; p++)
      panel_rows<P>(weight, p, x, stride, first, last, bias, out, weight.outputs);
  });
}

// weight [outputs, inputs], rows `stride` values apart, into panels.
template <int S, class T>
void pack_panels(const T* weight, int64_t stride, int64_t outputs, int64_t inputs, T* panels) {
  struct Unit { T values[S]; };  // what moves as one
  constexpr int64_t kBlock = 64 / sizeof(Unit);  // a line of each row
  const int64_t units = (inputs + S - 1) / S, whole = inputs / S;
  parallel((outputs + kPanel - 1) / kPanel, [&](int64_t panel, int) {
    Unit* to = reinterpret_cast<Unit*>(panels) + panel * units * kPanel;
    const T* from = weight + panel * kPanel * stride;
    const int64_t rows = outputs - panel * kPanel < kPanel ? outputs - panel * kPanel : kPanel;
    if (rows < kPanel) memset(to, 0, units * kPanel * sizeof(Unit));
    for (int64_t start = 0; start < whole; start += kBlock) {
      const int64_t end = start + kBlock < whole ? start + kBlock : whole;
      for (int64_t u = start; u < end; u++)
        for (int64_t r = 0; r < rows; r++) memcpy(to + u * kPanel + r, from + r * stride + u * S, sizeof(Unit));
    }
    for (int64_t r = 0; units > whole && r < rows; r++) {
      Unit last = {};
      for (int64_t k = whole * S; k < inputs; k++) last.values[k - whole * S] = from[r * stride + k];
      to[whole * kPanel + r] = last;
    }
  });
}

// out[i] = row ids[i] of the weight as it was before packing.
template <int S, class T> void unpack_rows(const Weight& weight, const int64_t* ids, int64_t count, T* out) {
  const int64_t inputs = weight.inputs, padded = (inputs + S - 1) / S * S;
  const T* panels = static_cast<const T*>(weight.panels);
  const int64_t at_once = 1 + (1 << 14) / padded;
  parallel((count + at_once - 1) / at_once, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * at_once < count ? (chunk + 1) * at_once : count;
    for (int64_t i = chunk * at_once; i < end; i++) {
      const T* from = panels + ids[i] / kPanel * padded * kPanel + ids[i] % kPanel * S;
      T* to = out + i * inputs;
      for (int64_t k = 0; k < inputs; k++) to[k] = from[k / S * S * kPanel + k % S];
    }
  });
}

}  // namespace fc
