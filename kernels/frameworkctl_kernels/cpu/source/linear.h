// Products of activations with a packed weight.
//
// Every output is one chain of additions over ascending K, whatever the number of rows, so a row's result does not
// depend on what else is in the batch.
#pragma once
#include "panel.h"
#include "pool.h"
#include "squeezed.h"

#include <type_traits>

namespace fc {

constexpr int64_t kBlock = 256;  // values of K that are gone through with all rows: a panel's are 16 KiB in bfloat16

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
  using W = typename P::W;
  constexpr int64_t kRowsAtOnce = kMostRows * 16;  // whose sums stay near
  const int64_t steps = (weight.inputs + P::kSteps - 1) / P::kSteps;
  const int64_t column = panel * kPanel, left = weight.outputs - column;
  alignas(64) float sums[kRowsAtOnce * kPanel];
  alignas(64) W written[std::is_same_v<W, bf16> ? kBlock * kPanel : 1];
  const bool squeezed = std::is_same_v<W, bf16> && weight.type == SQUEEZED;
  const W* plain = static_cast<const W*>(weight.panels) + panel * steps * P::kSteps * kPanel;
  for (int64_t start = first; start < last; start += kRowsAtOnce) {
    const int64_t rows = last - start < kRowsAtOnce ? last - start : kRowsAtOnce;
    const auto* from = x + start * stride;
    const int64_t most = rows <= kMostRows && !squeezed ? steps : kBlock / P::kSteps;
    int64_t next = 0;
    for (int64_t s = 0; s < steps; s += most, from += most * P::kSteps) {
      const int64_t count = steps - s < most ? steps - s : most;
      const W* w = plain + s * P::kSteps * kPanel;
      if constexpr (std::is_same_v<W, bf16>)
        if (squeezed) {
          if (rows == 1) {
            Squeezed(weight, panel).multiply_row<P>(from, steps, sums);
            break;
          }
          Squeezed(weight, panel).read(s, count, written, next);
          w = written;
        }
      tiles<P>(from, stride, rows, w, count, left, sums, s > 0, !squeezed);
    }
    finish(sums, kPanel, int(rows), left < kPanel ? int(left) : kPanel, bias ? bias + column : bias,
           out + start * out_stride + column, out_stride);
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

}  // namespace fc
