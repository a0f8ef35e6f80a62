// Norms over the last axis, with the addition to the residual stream that comes before them.
#include <cmath>
#include <type_traits>

#include "base/pool.h"
#include "base/vmath.h"

namespace fc {

// Rows of a tensor [outer, inner, size] whose last axis is dense; strides in elements.
struct Rows {
  int64_t outer, inner, size, outer_stride, inner_stride;
  int64_t count() const { return outer * inner; }
  int64_t at(int64_t row) const { return row / inner * outer_stride + row % inner * inner_stride; }
};

namespace {

constexpr int64_t kChunk = 16384;  // elements

// The row in float32, after what is to be added to the residual has been added and rounded there.
template <class T> const float* take(const T* x, T* residual, int64_t size, float* wide) {
  int64_t i = 0;
  for (; i + VL <= size; i += VL) {
    vf v = vload(x + i);
    if (residual != nullptr) {
      vstore(residual + i, vadd(vload(residual + i), v));
      v = vload(residual + i);
    }
    vstore(wide + i, v);
  }
  for (; i < size; i++) {
    if (residual != nullptr) narrow(widen(residual[i]) + widen(x[i]), residual + i);
    wide[i] = widen(residual != nullptr ? residual[i] : x[i]);
  }
  return wide;
}

// Four sums, so that the additions do not wait for each other.
template <class F> float sum_of(const float* x, int64_t size, const F& f) {
  vf sums[4] = {vzero(), vzero(), vzero(), vzero()};
  int64_t i = 0;
  for (; i + 4 * VL <= size; i += 4 * VL)
    for (int n = 0; n < 4; n++) sums[n] = vadd(sums[n], f(vload(x + i + n * VL)));
  for (; i + VL <= size; i += VL) sums[0] = vadd(sums[0], f(vload(x + i)));
  float sum = vsum(vadd(vadd(sums[0], sums[1]), vadd(sums[2], sums[3])));
  for (; i < size; i++) sum += vfirst(f(vset(x[i])));
  return sum;
}

template <class T, class W>
void rms_row(const float* x, const W* weight, float eps, bool late, int64_t size, T* out) {
  const float squares = sum_of(x, size, [](vf v) { return vmul(v, v); });
  const vf scale = vset(1.0f / std::sqrt(squares / size + eps));
  int64_t i = 0;
  for (; i + VL <= size; i += VL) {
    vf v = vmul(vload(x + i), scale);
    if (!late) {  // rounded before the product too
      vstore(out + i, v);
      v = vload(out + i);
    }
    vstore(out + i, vmul(v, vload(weight + i)));
  }
  for (; i < size; i++) {
    float v = x[i] * vfirst(scale);
    if (!late) {
      narrow(v, out + i);
      v = widen(out[i]);
    }
    narrow(v * widen(weight[i]), out + i);
  }
}

template <class T>
void layer_row(const float* x, const float* weight, const float* bias, float eps, int64_t size, T* out) {
  const float mean = sum_of(x, size, [](vf v) { return v; }) / size;
  const vf middle = vset(mean);
  const float squares = sum_of(x, size, [&](vf v) { return vmul(vsub(v, middle), vsub(v, middle)); });
  const float scale = 1.0f / std::sqrt(squares / size + eps);
  int64_t i = 0;
  for (; i + VL <= size; i += VL) {
    vf v = vmul(vsub(vload(x + i), middle), vset(scale));
    if (weight != nullptr) v = vmul(v, vload(weight + i));
    if (bias != nullptr) v = vadd(v, vload(bias + i));
    vstore(out + i, v);
  }
  for (; i < size; i++) {
    float v = (x[i] - mean) * scale;
    if (weight != nullptr) v *= weight[i];
    if (bias != nullptr) v += bias[i];
    narrow(v, out + i);
  }
}

template <class F> void each_row(const Rows& rows, const F& f) {
  const int64_t at_once = 1 + kChunk / rows.size, count = rows.count();
  parallel((count + at_once - 1) / at_once, [&](int64_t chunk, int) {
    float* wide = static_cast<float*>(scratch(0, rows.size * sizeof(float)));
    const int64_t end = (chunk + 1) * at_once < count ? (chunk + 1) * at_once : count;
    for (int64_t r = chunk * at_once; r < end; r++) f(r, wide);
  });
}

}  // namespace
}  // namespace fc

// out [rows, size] dense; residual null or dense, changed in place; weight [size].
extern "C" void fc_rms_norm(const fc::Rows* rows, int type, const void* x, void* residual, const void* weight,
                            int weight_type, float eps, int late, void* out) {
  using namespace fc;
  const int64_t size = rows->size;
  by_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    by_type(weight_type, [&](auto* w) {
      using W = std::remove_pointer_t<decltype(w)>;
      each_row(*rows, [&](int64_t r, float* wide) {
        T* stream = residual == nullptr ? nullptr : static_cast<T*>(residual) + r * size;
        take(static_cast<const T*>(x) + rows->at(r), stream, size, wide);
        rms_row(wide, static_cast<const W*>(weight), eps, late != 0, size, static_cast<T*>(out) + r * size);
      });
    });
  });
}

// As above; weight and bias float32 or null, [size], or with `own` [inner, size].
extern "C" void fc_layer_norm(const fc::Rows* rows, int type, const void* x, void* residual, const float* weight,
                              const float* bias, int own, float eps, void* out) {
  using namespace fc;
  const int64_t size = rows->size;
  by_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    each_row(*rows, [&](int64_t r, float* wide) {
      T* stream = residual == nullptr ? nullptr : static_cast<T*>(residual) + r * size;
      take(static_cast<const T*>(x) + rows->at(r), stream, size, wide);
      const int64_t of = own ? r % rows->inner * size : 0;
      layer_row(wide, weight ? weight + of : weight, bias ? bias + of : bias, eps, size,
                static_cast<T*>(out) + r * size);
    });
  });
}
