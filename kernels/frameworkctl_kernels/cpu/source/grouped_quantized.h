// Products with many weights of 8 or 4 bits, each over rows of its own, in one round of the threads.
#pragma once
#include "grouped.h"
#include "quantized.h"

namespace fc {

// Rows as integers, in blocks of `width` values of K; in the caller's memory of slots 0 and 1.
template <class T> Rows quantize_rows(const T* x, int64_t rows, int64_t inputs, int64_t width) {
  const int64_t blocks = (inputs + width - 1) / width, padded = blocks * width;
  const int64_t stride = padded % 1024 == 0 ? padded + 32 : padded;
  auto* values = static_cast<int16_t*>(scratch(0, rows * stride * 2));
  auto* scales = static_cast<float*>(scratch(1, rows * blocks * 8));
  auto* sums = scales + rows * blocks;
  const int64_t at_once = 1 + (1 << 14) / padded;
  parallel((rows + at_once - 1) / at_once, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * at_once < rows ? (chunk + 1) * at_once : rows;
    for (int64_t r = chunk * at_once; r < end; r++)
      quantize_row(x + r * inputs, inputs, width, blocks, values + r * stride, scales + r * blocks, sums + r * blocks);
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

// As multiply_groups().
template <class P, class T, class O> void multiply_groups_quantized(const Groups& groups, const T* x, O* out) {
  const Weight& shape = *groups[0].weight;
  const Rows rows = quantize_rows(x, all_rows(groups), shape.inputs, shape.group);
  const auto pieces = cut_groups(groups, rows.blocks * shape.group / P::kSteps * P::kBytes);
  parallel(int64_t(pieces.size()), [&](int64_t chunk, int) {
    const Piece& piece = pieces[chunk];
    const int64_t given = piece.last - piece.first, count = (given + kMostRows - 1) / kMostRows;
    const T* bias = static_cast<const T*>(piece.group->bias);
    for (int64_t p = piece.panel; p < piece.end; p++)
      for (int64_t b = 0; b < count; b++) {
        const int64_t row = piece.first + given * b / count;
        const int n = int(piece.first + given * (b + 1) / count - row);
        quantized_panel<P>(*piece.group->weight, p, rows, row, n, bias, out);
      }
  });
}

}  // namespace fc
