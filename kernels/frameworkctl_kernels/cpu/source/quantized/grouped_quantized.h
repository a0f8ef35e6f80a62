// Products with many weights of 8 or 4 bits, each over rows of its own, in one round of the threads.
#pragma once
#include "linear/grouped.h"
#include "quantized/quantized.h"

namespace fc {

// As multiply_groups().
template <class P, class T, class O> void multiply_groups_quantized(const Groups& groups, const T* x, O* out) {
  const Weight& shape = *groups[0].weight;
  const Rows rows = quantize_rows(x, shape.inputs, all_rows(groups), shape.inputs, shape.group);
  const auto pieces = cut_groups(groups, rows.blocks * shape.group / P::kSteps * P::kBytes);
  parallel(int64_t(pieces.size()), [&](int64_t chunk, int) {
    const Piece& piece = pieces[chunk];
    quantized_panels<P>(*piece.group->weight, piece.panel, piece.end, rows, piece.first, piece.last,
                        static_cast<const T*>(piece.group->bias), out);
  });
}

}  // namespace fc
