// Linear layers over weights in bf16; see linear.h and grouped.h.
#include "linear/grouped.h"

namespace fc {

void linear_bf16(const Weight& w, const void* x, int64_t stride, int64_t rows, const void* bias, void* out, int out_type) {
  const auto* rows_in = static_cast<const bf16*>(x);
  if (out_type == F32) multiply<Bf16Panel>(w, rows_in, stride, rows, static_cast<const bf16*>(bias), static_cast<float*>(out));
  else multiply<Bf16Panel>(w, rows_in, stride, rows, static_cast<const bf16*>(bias), static_cast<bf16*>(out));
}

void grouped_bf16(const Groups& groups, const void* x, void* out, int out_type) {
  const auto* rows = static_cast<const bf16*>(x);
  if (out_type == F32) multiply_groups<Bf16Panel>(groups, rows, static_cast<float*>(out));
  else multiply_groups<Bf16Panel>(groups, rows, static_cast<bf16*>(out));
}

}  // namespace fc
