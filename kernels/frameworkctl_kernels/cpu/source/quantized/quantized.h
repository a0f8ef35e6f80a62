// Products with weights of 8 or 4 bits. Activations become 16-bit integers with a scale for each block of K, so sums
// within a block are exact and nearly nothing is lost on the way; across blocks they are added in order, in float.
//
// Panels have 32 columns. int8: [K / 2][32][2] bytes, one scale per column. int4: [K / 8][32] words of 32 bits, value
// 2 j + h of a word's eight in bits 16 h + 4 j up, unsigned; [K / group][2][32] half-precision numbers beside them:
// value = scale * q + offset. K is padded to whole blocks with zeros in the activations.
#pragma once
#include "linear/linear.h"

namespace fc {

struct Rows {  // activations as integers
  const int16_t* values;   // [rows][stride]
  const float* scales;     // [rows][blocks]
  const float* sums;       // [rows][blocks], of the block's values
  int64_t stride, blocks;
};

// Sums of integers, of their element's type and settled one by one: compilers copy them about otherwise, or put off
// additions until registers run out.
typedef uint32_t vsums __attribute__((vector_size(VL * 4)));
#ifdef FC_EMULATE
inline void settle(vsums&) {}
#else
inline void settle(vsums& sum) { asm("" : "+v"(sum)); }
#endif

#ifdef __AVX512BW__
inline vi bytes_to_shorts(const int8_t* p) { return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)p)); }
inline vi low_nibbles(vi v) { return _mm512_and_si512(v, _mm512_set1_epi16(15)); }
template <int Bits> inline vi shift_right(vi v) { return _mm512_srli_epi16(v, Bits); }
inline vi pair_of(int32_t x) { return _mm512_set1_epi32(x); }
inline void add_products(vsums& sum, vi a, vi b) {
#ifdef __AVX512VNNI__
  sum = (vsums)_mm512_dpwssd_epi32((vi)sum, a, b);
  settle(sum);
#else
  sum += (vsums)_mm512_madd_epi16(a, b);
#endif
}
inline vf to_floats(vsums v) { return _mm512_cvtepi32_ps((vi)v); }
constexpr int kIntLanes = 16;
#elif defined(__AVX512F__)
#error "AVX-512 without its byte and word instructions is not supported"
#else
inline vi bytes_to_shorts(const int8_t* p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)p)); }
inline vi low_nibbles(vi v) { return _mm256_and_si256(v, _mm256_set1_epi16(15)); }
template <int Bits> inline vi shift_right(vi v) { return _mm256_srli_epi16(v, Bits); }
inline vi pair_of(int32_t x) { return _mm256_set1_epi32(x); }
inline void add_products(vsums& sum, vi a, vi b) {
#ifdef __AVXVNNI__
  sum = (vsums)_mm256_dpwssd_avx_epi32((vi)sum, a, b);
  settle(sum);
#else
  sum += (vsums)_mm256_madd_epi16(a, b);
#endif
}
inline vf to_floats(vsums v) { return _mm256_cvtepi32_ps((vi)v); }
#endif

inline int32_t pair_at(const int16_t* x) {
  int32_t pair;
  memcpy(&pair, x, 4);
  return pair;
}

// `width` values of K that share a scale of the activations; the panel's bytes of one step, and how many values it has.
struct Int8Panel {
  static constexpr int kSteps = 2, kBytes = 64;
  template <int R, int NV, class Row> static inline void step(vsums (&sum)[R][NV], const Row& x, const uint8_t* w) {
    vi v[NV];
    for (int n = 0; n < NV; n++) v[n] = bytes_to_shorts((const int8_t*)w + n * VL * 2);
    for (int r = 0; r < R; r++) {
      const vi pair = pair_of(pair_at(x(r)));
      for (int n = 0; n < NV; n++) add_products(sum[r][n], v[n], pair);
    }
  }
  template <int NV> static inline void add(float* total, const vsums (&sum)[NV], float scale, float, const f16*) {
    for (int n = 0; n < NV; n++) vstore(total + n * VL, vfma(to_floats(sum[n]), vset(scale), vload(total + n * VL)));
  }
};

struct Int4Panel {
  static constexpr int kSteps = 8, kBytes = 128;
  template <int J, int R, int NV, class Row>
  static inline void pairs(vsums (&sum)[R][NV], const Row& x, const vi (&words)[NV]) {
    vi v[NV];
    for (int n = 0; n < NV; n++) {
      if constexpr (J == 0) v[n] = low_nibbles(words[n]);
      else if constexpr (J == 3) v[n] = shift_right<12>(words[n]);
      else v[n] = low_nibbles(shift_right<4 * J>(words[n]));
    }
    for (int r = 0; r < R; r++) {
      const vi pair = pair_of(pair_at(x(r) + 2 * J));
      for (int n = 0; n < NV; n++) {
        add_products(sum[r][n], v[n], pair);
        if constexpr (VL == 16) settle(sum[r][n]);
      }
    }
    if constexpr (VL == 8 && J == 1)  // once is best with few registers
      for (int r = 0; r < R; r++)
        for (int n = 0; n < NV; n++) settle(sum[r][n]);
  }
  template <int R, int NV, class Row> static inline void step(vsums (&sum)[R][NV], const Row& x, const uint8_t* w) {
    vi words[NV];
    for (int n = 0; n < NV; n++) words[n] = iread(w + n * VL * 4);
    pairs<0, R, NV>(sum, x, words);
    pairs<1, R, NV>(sum, x, words);
    pairs<2, R, NV>(sum, x, words);
    pairs<3, R, NV>(sum, x, words);
  }
  template <int NV>
  static inline void add(float* total, const vsums (&sum)[NV], float scale, float xs, const f16* scales) {
    for (int n = 0; n < NV; n++) {
      const vf dot = vmul(to_floats(sum[n]), vset(scale));
      const vf so_far = vfma(vload(scales + kPanel + n * VL), vset(xs), vload(total + n * VL));
      vstore(total + n * VL, vfma(dot, vload(scales + n * VL), so_far));
    }
  }
};

// totals [R][NV * VL] of R rows from `first` on with NV vectors of columns from `column` of the panel on.
template <class P, int R, int NV>
void quantized_tile(const Rows& x, int64_t first, const uint8_t* w, int column, int64_t width, const f16* scales,
                    float* totals) {
  constexpr int kGroups = (R + 2) / 3;
  const int16_t* rows[kGroups];
  for (int g = 0; g < kGroups; g++) rows[g] = x.values + (first + g * 3) * x.stride;
  w += column * (P::kBytes / kPanel);
  memset(totals, 0, sizeof(float) * R * NV * VL);
  for (int64_t block = 0; block < x.blocks; block++) {
    vsums sum[R][NV];
    for (int r = 0; r < R; r++)
      for (int n = 0; n < NV; n++) sum[r][n] = vsums{};
    for (int64_t s = 0; s < width; s += P::kSteps) {
      for (int line = 0; line < P::kBytes; line += 64) _mm_prefetch((const char*)w + kAhead + line, _MM_HINT_T0);
      P::template step<R, NV>(sum, [&](int r) { return rows[r / 3] + (r % 3) * x.stride; }, w);
      for (int g = 0; g < kGroups; g++) rows[g] += P::kSteps;
      w += P::kBytes;
    }
    for (int r = 0; r < R; r++) {
      const int64_t at = (first + r) * x.blocks + block;
      P::template add<NV>(totals + r * NV * VL, sum[r], x.scales[at], x.sums[at], scales + block * 2 * kPanel + column);
    }
  }
}

using QuantizedTile = void (*)(const Rows&, int64_t, const uint8_t*, int, int64_t, const f16*, float*);

template <class P, int R> constexpr QuantizedTile quantized_tile_of() {
  if constexpr (R <= kWideRows) return quantized_tile<P, R, kPanel / VL>;
  else return quantized_tile<P, R, 2>;
}

template <class P> QuantizedTile quantized_tile_for(int rows) {
  static constexpr QuantizedTile kTiles[] = {
      quantized_tile_of<P, 1>(), quantized_tile_of<P, 2>(), quantized_tile_of<P, 3>(),
      quantized_tile_of<P, 4>(), quantized_tile_of<P, 5>(), quantized_tile_of<P, 6>(),
#ifdef __AVX512F__
      quantized_tile_of<P, 7>(), quantized_tile_of<P, 8>(), quantized_tile_of<P, 9>(),
      quantized_tile_of<P, 10>(), quantized_tile_of<P, 11>(), quantized_tile_of<P, 12>(),
#endif
  };
  return kTiles[rows - 1];
}

// One row as integers: the largest of each block becomes 32767.
template <class T>
inline void quantize_row(const T* x, int64_t inputs, int64_t width, int64_t blocks, int16_t* values, float* scales,
                         float* sums) {
  alignas(64) float wide[256];
  for (int64_t b = 0; b < blocks; b++, values += width) {
    const int64_t start = b * width, count = inputs - start < width ? inputs - start : width;
    copy_row(x + start, wide, count, width);
    vf most = vzero(), zeros = vzero();
    for (int64_t i = 0; i < width; i += VL) {
      const vf v = vload(wide + i);
      most = vmax(most, vmax(v, vmul(v, vset(-1.0f))));
      zeros = vfma(v, vzero(), zeros);
    }
    const float largest = vmaximum(most), none = vsum(zeros);
    if (none != 0) {  // NaN: an infinity or NaN is among them, and what is made of the row is no number either
      memset(values, 0, width * sizeof(*values));
      scales[b] = sums[b] = none;
      continue;
    }
    const float up = largest > 1e-30f ? 32767.0f / largest : 0.0f;
    int64_t total = 0;
    for (int64_t i = 0; i < width; i++) {
      const int32_t q = int32_t(__builtin_nearbyintf(wide[i] * up));
      values[i] = int16_t(q);
      total += q;
    }
    scales[b] = largest / 32767.0f;
    sums[b] = float(total) * scales[b];
  }
}

// Rows, `apart` values apart, as integers in blocks of `width` values of K; in the caller's memory of slots 0 and 1.
template <class T> Rows quantize_rows(const T* x, int64_t apart, int64_t rows, int64_t inputs, int64_t width) {
  const int64_t blocks = (inputs + width - 1) / width, padded = blocks * width;
  const int64_t stride = padded % 1024 == 0 ? padded + 32 : padded;
  auto* values = static_cast<int16_t*>(scratch(0, rows * stride * 2));
  auto* scales = static_cast<float*>(scratch(1, rows * blocks * 8));
  auto* sums = scales + rows * blocks;
  const int64_t at_once = 1 + (1 << 14) / padded;
  parallel((rows + at_once - 1) / at_once, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * at_once < rows ? (chunk + 1) * at_once : rows;
    for (int64_t r = chunk * at_once; r < end; r++)
      quantize_row(x + r * apart, inputs, width, blocks, values + r * stride, scales + r * blocks, sums + r * blocks);
  });
  return {values, scales, sums, stride, blocks};
}

// At most kMostRows rows from `row` on by the columns of one panel.
template <class P, class T, class O>
void quantized_panel(const Weight& weight, int64_t panel, const Rows& x, int64_t row, int rows, const T* bias, O* out) {
  constexpr bool kPerColumn = P::kSteps == 2;  // int8: a scale per column instead of one per block
  const int64_t bytes = x.blocks * weight.group / P::kSteps * P::kBytes;
  const auto* w = static_cast<const uint8_t*>(weight.panels) + panel * bytes;
  const f16* groups = kPerColumn ? nullptr : static_cast<const f16*>(weight.scales) + panel * x.blocks * 2 * kPanel;
  const int across = rows <= kWideRows ? kPanel : 2 * VL;
  alignas(64) float totals[kMostRows * kPanel];
  for (int column = 0; column < kPanel && panel * kPanel + column < weight.outputs; column += across) {
    const int64_t at = panel * kPanel + column, left = weight.outputs - at;
    quantized_tile_for<P>(rows)(x, row, w, column, weight.group, groups, totals);
    if (kPerColumn)
      for (int r = 0; r < rows; r++)
        for (int c = 0; c < across; c += VL) {
          float* t = totals + r * across + c;
          vstore(t, vmul(vload(t), vload(static_cast<const float*>(weight.scales) + at + c)));
        }
    finish(totals, across, rows, left < across ? int(left) : across, bias ? bias + at : bias,
           out + row * weight.outputs + at, weight.outputs);
  }
}

// Rows [first, last), in tiles of equal size, as far as that goes, by the columns of panels [start, end).
template <class P, class T, class O>
void quantized_panels(const Weight& weight, int64_t start, int64_t end, const Rows& x, int64_t first, int64_t last,
                      const T* bias, O* out) {
  const int64_t count = (last - first + kMostRows - 1) / kMostRows;
  for (int64_t p = start; p < end; p++)
    for (int64_t b = 0; b < count; b++) {
      const int64_t row = first + (last - first) * b / count;
      const int rows = int(first + (last - first) * (b + 1) / count - row);
      quantized_panel<P>(weight, p, x, row, rows, bias, out);
    }
}

template <class P, class T, class O>
void multiply_quantized(const Weight& weight, const T* given, int64_t stride, int64_t rows, const T* bias, O* out) {
  if (rows == 0) return;
  const Rows x = quantize_rows(given, stride, rows, weight.inputs, weight.group);
  const int64_t panels = (weight.outputs + kPanel - 1) / kPanel;
  const Cut cut(panels, rows, x.blocks * weight.group / P::kSteps * P::kBytes, weight.inputs);
  parallel(cut.across * cut.down, [&](int64_t chunk, int) {
    const int64_t first = chunk % cut.down * cut.rows, start = chunk / cut.down * cut.panels;
    const int64_t last = first + cut.rows < rows ? first + cut.rows : rows;
    const int64_t end = start + cut.panels < panels ? start + cut.panels : panels;
    quantized_panels<P>(weight, start, end, x, first, last, bias, out);
  });
}

}  // namespace fc
