// The C interface of linear layers.
#include "linear/linear.h"

namespace fc {
void linear_f32(const Weight&, const void*, int64_t, int64_t, const void*, void*, int);
void linear_f16(const Weight&, const void*, int64_t, int64_t, const void*, void*, int);
void linear_bf16(const Weight&, const void*, int64_t, int64_t, const void*, void*, int);
}  // namespace fc

// out [rows, outputs] = x [rows, inputs] W^T + bias. x (rows `stride` values apart) and bias (may be null) are of the
// weight's type; out is of that type or float32, as out_type says.
extern "C" void fc_linear(const fc::Weight* weight, const void* x, int64_t stride, int64_t rows, const void* bias,
                          void* out, int out_type) {
  if (weight->type == fc::BF16 || weight->type == fc::SQUEEZED) fc::linear_bf16(*weight, x, stride, rows, bias, out, out_type);
  else if (weight->type == fc::F16) fc::linear_f16(*weight, x, stride, rows, bias, out, out_type);
  else fc::linear_f32(*weight, x, stride, rows, bias, out, out_type);
}
