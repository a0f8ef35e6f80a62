// Products of activations with a packed weight.
//
// Every output is one chain of additions over ascending K, whatever the number of rows, so a row's result does not
// depend on what else is in the batch.
#pragma once
#include "base/panel.h"
#include "base/pool.h"
#include "base/squeezed.h"

#include <type_traits>

namespace fc {

constexpr int64_t kBlock = 448;  // values of K that are gone through with all rows: a panel's are 28 KiB in bfloat16

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

// Activations as the tiles read them: values [b * kBlock, (b + 1) * kBlock) of row r begin at x + b * block + r * stride.
template <class X> struct Input {
  const X* x;
  int64_t stride, block;
};

constexpr int64_t kRowsAtOnce = kMostRows * 16;  // rows whose sums and activations stay near

// At most kRowsAtOnce rows from `first` on by the columns of one panel.
template <class P, class T, class B>
void panel_rows(const Weight& weight, int64_t panel, const Input<typename P::X>& input, int64_t first, int64_t rows,
                const B* bias, T* out) {
  using W = typename P::W;
  const int64_t steps = (weight.inputs + P::kSteps - 1) / P::kSteps, column = panel * kPanel;
  const int64_t left = weight.outputs - column;
  const auto* x = input.x + first * input.stride;
  const bool together = input.block == kBlock;  // a row's blocks follow each other
  const bool squeezed = std::is_same_v<W, bf16> && weight.type == SQUEEZED;
  const W* plain = static_cast<const W*>(weight.panels) + panel * steps * P::kSteps * kPanel;
  alignas(64) float sums[kRowsAtOnce * kPanel];
  alignas(64) W written[std::is_same_v<W, bf16> ? kBlock * kPanel : 1];
  const int64_t most = rows <= kMostRows && together && !squeezed ? steps : kBlock / P::kSteps;
  int64_t next = 0;
  for (int64_t s = 0; s < steps; s += most, x += input.block) {
    const int64_t count = steps - s < most ? steps - s : most;
    if (!squeezed) {
      const W* w = plain + s * P::kSteps * kPanel;
      tiles<P, Fetch::own>(x, input.stride, rows, w, count, left, sums, s > 0, nullptr);
      continue;
    }
    if constexpr (std::is_same_v<W, bf16>) {
      const Squeezed from(weight, panel);
      if (rows == 1 && together) {
        from.multiply_row<P>(x, steps, sums);
        break;
      }
      from.read(s, count, written, next);
      tiles<P, Fetch::next>(x, input.stride, rows, written, count, left, sums, s > 0, from.codes(s + count));
    }
  }
  finish(sums, kPanel, int(rows), left < kPanel ? int(left) : kPanel, bias ? bias + column : bias,
         out + first * weight.outputs + column, weight.outputs);
}

template <class From, class To> inline void copy_row(const From* from, To* to, int64_t count, int64_t padded) {
  int64_t i = 0;
  for (; i + VL <= count; i += VL) vstore(to + i, vload(from + i));
  for (; i < count; i++) narrow(widen(from[i]), to + i);
  for (; i < padded; i++) narrow(0.0f, to + i);
}

// Rows in type X, K padded to whole steps, to be read up to `together` at a time. Few together: row after row, not a power
// of two apart (they would share a few lines of the cache), `x` itself where it is so already. Many: block after block, so
// that what a tile reads lies together.
template <class P, class T>
Input<typename P::X> prepare(const T* x, int64_t stride, int64_t rows, int64_t inputs, int64_t together) {
  using X = typename P::X;
  const bool few = together <= 2 * kMostRows;
  if (few && sizeof(X) == sizeof(T) && inputs % P::kSteps == 0 && (together <= 4 || stride * sizeof(X) % 2048 != 0))
    return {reinterpret_cast<const X*>(x), stride, kBlock};
  const int64_t blocks = (inputs + kBlock - 1) / kBlock, padded = blocks * kBlock;
  const int64_t wide = few && padded * sizeof(X) % 2048 == 0 ? padded + 64 / sizeof(X) : padded;
  X* made = static_cast<X*>(scratch(0, rows * wide * sizeof(X)));
  const Input<X> input = few ? Input<X>{made, wide, kBlock} : Input<X>{made, kBlock, rows * kBlock};
  const int64_t at_once = 1 + (1 << 15) / wide;
  parallel((rows + at_once - 1) / at_once, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * at_once < rows ? (chunk + 1) * at_once : rows;
    for (int64_t r = chunk * at_once; r < end; r++)
      for (int64_t b = 0; b < blocks; b++) {
        const int64_t left = inputs - b * kBlock;
        copy_row(x + r * stride + b * kBlock, made + b * input.block + r * input.stride, left < kBlock ? left : kBlock,
                 left < kBlock ? (left + 15) / 16 * 16 : kBlock);
      }
  });
  return input;
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
  const auto input = prepare<P>(given, stride, rows, weight.inputs, rows);
  const int64_t panels = (weight.outputs + kPanel - 1) / kPanel;
  const Cut cut(panels, rows, weight.inputs * kPanel * sizeof(typename P::W), weight.inputs);
  parallel(cut.across * cut.down, [&](int64_t chunk, int) {
    const int64_t first = chunk % cut.down * cut.rows, start = chunk / cut.down * cut.panels;
    const int64_t last = first + cut.rows < rows ? first + cut.rows : rows;
    const int64_t end = start + cut.panels < panels ? start + cut.panels : panels;
    for (int64_t row = first; row < last; row += kRowsAtOnce)
      for (int64_t p = start; p < end; p++)
        panel_rows<P>(weight, p, input, row, last - row < kRowsAtOnce ? last - row : kRowsAtOnce, bias, out);
  });
}

}  // namespace fc
