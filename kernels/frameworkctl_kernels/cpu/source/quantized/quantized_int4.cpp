// Linear layers over int4 weights; see quantized.h and grouped_quantized.h.
#include "quantized/grouped_quantized.h"

#include <type_traits>

namespace fc {

template <class T>
static void typed(const Weight& w, const T* x, int64_t stride, int64_t rows, const T* bias, void* out, int out_type) {
  if (out_type == F32) multiply_quantized<Int4Panel>(w, x, stride, rows, bias, static_cast<float*>(out));
  else multiply_quantized<Int4Panel>(w, x, stride, rows, bias, static_cast<T*>(out));
}

void linear_int4(const Weight& w, int type, const void* x, int64_t stride, int64_t rows, const void* bias, void* out,
                 int out_type) {
  by_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    typed<T>(w, static_cast<const T*>(x), stride, rows, static_cast<const T*>(bias), out, out_type);
  });
}

void grouped_int4(const Groups& groups, int type, const void* x, void* out, int out_type) {
  by_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const T* rows = static_cast<const T*>(x);
    if (out_type == F32) multiply_groups_quantized<Int4Panel>(groups, rows, static_cast<float*>(out));
    else multiply_groups_quantized<Int4Panel>(groups, rows, static_cast<T*>(out));
  });
}

}  // namespace fc
