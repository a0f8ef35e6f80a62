// Linear layers over weights in f16; see linear.h and grouped.h.
#include "linear/grouped.h"

namespace fc {

void linear_f16(const Weight& w, const void* x, int64_t stride, int64_t rows, const void* bias, void* out, int out_type) {
  const auto* rows_in = static_cast<const f16*>(x);
  if (out_type == F32) multiply<F16Panel>(w, rows_in, stride, rows, static_cast<const f16*>(bias), static_cast<float*>(out));
  else multiply<F16Panel>(w, rows_in, stride, rows, static_cast<const f16*>(bias), static_cast<f16*>(out));
}

void grouped_f16(const Groups& groups, const void* x, void* out, int out_type) {
  const auto* rows = static_cast<const f16*>(x);
  if (out_type == F32) multiply_groups<F16Panel>(groups, rows, static_cast<float*>(out));
  else multiply_groups<F16Panel>(groups, rows, static_cast<f16*>(out));
}

}  // namespace fc
