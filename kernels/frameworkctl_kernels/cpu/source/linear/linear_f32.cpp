// Linear layers over weights in f32; see linear.h and grouped.h.
#include "linear/grouped.h"

namespace fc {

void linear_f32(const Weight& w, const void* x, int64_t stride, int64_t rows, const void* bias, void* out, int out_type) {
  const auto* rows_in = static_cast<const float*>(x);
  (void)out_type;
  multiply<F32Panel>(w, rows_in, stride, rows, static_cast<const float*>(bias), static_cast<float*>(out));
}

void grouped_f32(const Groups& groups, const void* x, void* out, int) {
  multiply_groups<F32Panel>(groups, static_cast<const float*>(x), static_cast<float*>(out));
}

}  // namespace fc
