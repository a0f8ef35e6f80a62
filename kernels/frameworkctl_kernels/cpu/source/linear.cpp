// The C interface of linear layers.
#include "linear.h"

#include <type_traits>

namespace fc {
void linear_f32(const Weight&, const void*, int64_t, int64_t, const void*, void*, int);
void linear_f16(const Weight&, const void*, int64_t, int64_t, const void*, void*, int);
void linear_bf16(const Weight&, const void*, int64_t, int64_t, const void*, void*, int);
}  // namespace fc

// out [rows, outputs] = x [rows, inputs] W^T + bias. x (rows `stride` values apart) and bias (may be null) are of the
// weight's type; out is of that type or float32, as out_type says.
extern "C" void fc_linear(const fc::Weight* weight, const void* x, int64_t stride, int64_t rows, const void* bias,
                          void* out, int out_type) {
  if (weight->type == fc::BF16) fc::linear_bf16(*weight, x, stride, rows, bias, out, out_type);
  else if (weight->type == fc::F16) fc::linear_f16(*weight, x, stride, rows, bias, out, out_type);
  else fc::linear_f32(*weight, x, stride, rows, bias, out, out_type);
}

// weight [outputs, inputs], rows `stride` values apart -> panels [ceil(outputs / 32)][ceil(inputs / s)][32][s], padded
// with zeros; s is 2 for bfloat16, else 1.
extern "C" void fc_pack(int type, const void* weight, int64_t stride, int64_t outputs, int64_t inputs, void* panels) {
  fc::by_type(type, [&](auto* t) {
    using T = decltype(t);
    constexpr int kSteps = std::is_same_v<T, fc::bf16*> ? 2 : 1;
    fc::pack_panels<kSteps>(static_cast<T>(const_cast<void*>(weight)), stride, outputs, inputs, static_cast<T>(panels));
  });
}

// out [count, inputs] = rows `ids` of the weight. The ids must be in [0, outputs).
extern "C" void fc_unpack_rows(const fc::Weight* weight, const int64_t* ids, int64_t count, void* out) {
  fc::by_type(weight->type, [&](auto* t) {
    using T = decltype(t);
    constexpr int kSteps = std::is_same_v<T, fc::bf16*> ? 2 : 1;
    fc::unpack_rows<kSteps>(*weight, ids, count, static_cast<T>(out));
  });
}
