// Exponentials and what is made of them, on vectors of floats; errors of a few units in the last place.
#pragma once
#include "base/simd.h"

namespace fc {

#ifdef __AVX512F__
inline vf vsub(vf a, vf b) { return _mm512_sub_ps(a, b); }
inline vf vdiv(vf a, vf b) { return _mm512_div_ps(a, b); }
inline vf vmin(vf a, vf b) { return _mm512_min_ps(a, b); }
inline vf vround(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline vf vpow2(vf n) {  // 2^n of whole n in [-126, 127]
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
inline vf vselect_less(vf a, vf b, vf yes, vf no) {  // a < b ? yes : no
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
inline vf vlanes() { return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
inline vf vabs(vf a) { return _mm512_abs_ps(a); }
inline vf vsign_of(vf magnitude, vf sign) {
  const __m512i bit = _mm512_set1_epi32(0x80000000);
  return _mm512_castsi512_ps(_mm512_or_epi32(_mm512_andnot_epi32(bit, _mm512_castps_si512(magnitude)),
                                             _mm512_and_epi32(bit, _mm512_castps_si512(sign))));
}
#else
inline vf vsub(vf a, vf b) { return _mm256_sub_ps(a, b); }
inline vf vdiv(vf a, vf b) { return _mm256_div_ps(a, b); }
inline vf vmin(vf a, vf b) { return _mm256_min_ps(a, b); }
inline vf vround(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline vf vpow2(vf n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
inline vf vselect_less(vf a, vf b, vf yes, vf no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
inline vf vlanes() { return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7); }
inline vf vabs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
inline vf vsign_of(vf magnitude, vf sign) {
  const vf bit = _mm256_set1_ps(-0.0f);
  return _mm256_or_ps(_mm256_andnot_ps(bit, magnitude), _mm256_and_ps(bit, sign));
}
#endif

constexpr float kInfinity = __builtin_inff();

// e^x; exactly 1 at 0 and exactly 0 below -87.3. The polynomial is that of Cephes' expf.
inline vf vexp(vf x) {
  const vf lowest = vset(-87.3f);
  const vf inside = vmin(vmax(x, lowest), vset(88.3f));
  const vf n = vround(vmul(inside, vset(1.44269504088896341f)));
  vf r = vfma(n, vset(-0.693359375f), inside);
  r = vfma(n, vset(2.12194440e-4f), r);
  vf p = vset(1.9875691500e-4f);
  p = vfma(p, r, vset(1.3981999507e-3f));
  p = vfma(p, r, vset(8.3334519073e-3f));
  p = vfma(p, r, vset(4.1665795894e-2f));
  p = vfma(p, r, vset(1.6666665459e-1f));
  p = vfma(p, r, vset(5.0000001201e-1f));
  p = vadd(vfma(vmul(p, r), r, r), vset(1.0f));
  return vselect_less(x, lowest, vzero(), vmul(p, vpow2(n)));
}

inline vf vsigmoid(vf x) { return vdiv(vset(1.0f), vadd(vset(1.0f), vexp(vsub(vzero(), x)))); }

inline vf vtanh(vf x) {  // of the magnitude, so that nothing is lost near 0 but what a float cannot hold
  const vf a = vmin(vabs(x), vset(15.0f));
  const vf e = vexp(vmul(a, vset(-2.0f)));
  const vf far = vdiv(vsub(vset(1.0f), e), vadd(vset(1.0f), e));
  const vf s = vmul(a, a);
  vf p = vset(-5.70498872745e-3f);  // Cephes' tanhf below 0.625
  p = vfma(p, s, vset(2.06390887954e-2f));
  p = vfma(p, s, vset(-5.37397155531e-2f));
  p = vfma(p, s, vset(1.33314422036e-1f));
  p = vfma(p, s, vset(-3.33332819422e-1f));
  const vf near = vfma(vmul(p, s), a, a);
  return vsign_of(vselect_less(a, vset(0.625f), near, far), x);
}

// 1 - erf(a) for a >= 0, absolute error 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26).
inline vf verfc_positive(vf a) {
  const vf t = vdiv(vset(1.0f), vfma(a, vset(0.3275911f), vset(1.0f)));
  vf p = vset(1.061405429f);
  p = vfma(p, t, vset(-1.453152027f));
  p = vfma(p, t, vset(1.421413741f));
  p = vfma(p, t, vset(-0.284496736f));
  p = vfma(p, t, vset(0.254829592f));
  return vmul(vmul(p, t), vexp(vsub(vzero(), vmul(a, a))));
}

// x Phi(x), the exact gelu.
inline vf vgelu(vf x) {
  const vf half_tail = vmul(vset(0.5f), verfc_positive(vmul(vabs(x), vset(0.70710678f))));
  return vmul(x, vselect_less(x, vzero(), half_tail, vsub(vset(1.0f), half_tail)));
}

inline vf vgelu_tanh(vf x) {
  const vf inner = vmul(vmul(x, vset(0.7978845608f)), vfma(vmul(x, x), vset(0.044715f), vset(1.0f)));
  return vmul(vmul(vset(0.5f), x), vadd(vset(1.0f), vtanh(inner)));
}

inline float vfirst(vf v) { return v[0]; }

// The first n < VL elements of p, zeros behind them.
template <class T> inline vf vload_some(const T* p, int64_t n) {
  T padded[VL] = {};
  for (int64_t i = 0; i < n; i++) padded[i] = p[i];
  return vload(padded);
}
template <class T> inline void vstore_some(T* p, vf v, int64_t n) {
  T whole[VL];
  vstore(whole, v);
  for (int64_t i = 0; i < n; i++) p[i] = whole[i];
}

}  // namespace fc
