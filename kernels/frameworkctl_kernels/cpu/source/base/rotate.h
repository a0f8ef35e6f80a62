// Rotary embedding of one head, in place.
#pragma once
#include "base/vmath.h"

namespace fc {

template <class T> inline void rotate_halves(T* x, const T* cos, const T* sin, int64_t half) {
  int64_t i = 0;
  for (; i + VL <= half; i += VL) {
    const vf a = vload(x + i), b = vload(x + half + i), c = vload(cos + i), s = vload(sin + i);
    vstore(x + i, vsub(vmul(a, c), vmul(b, s)));
    vstore(x + half + i, vfma(b, c, vmul(a, s)));
  }
  for (; i < half; i++) {
    const float a = widen(x[i]), b = widen(x[half + i]), c = widen(cos[i]), s = widen(sin[i]);
    narrow(a * c - b * s, x + i);
    narrow(b * c + a * s, x + half + i);
  }
}

template <class T> inline void rotate_pairs(T* x, const T* cos, const T* sin, int64_t half) {
  for (int64_t i = 0; i < half; i++) {
    const float a = widen(x[2 * i]), b = widen(x[2 * i + 1]), c = widen(cos[i]), s = widen(sin[i]);
    narrow(a * c - b * s, x + 2 * i);
    narrow(b * c + a * s, x + 2 * i + 1);
  }
}

// `heads` heads, `stride` elements apart, by one token's `half` cosines and then as many sines.
template <class T>
inline void rotate(T* x, int64_t heads, int64_t stride, const T* cos_sin, int64_t half, bool interleaved) {
  for (int64_t h = 0; h < heads; h++, x += stride)
    if (interleaved) rotate_pairs(x, cos_sin, cos_sin + half, half);
    else rotate_halves(x, cos_sin, cos_sin + half, half);
}

}  // namespace fc
