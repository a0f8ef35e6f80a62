// Vectors of floats as wide as the machine has them, and the half-precision types of memory.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace fc {

enum Type : int { F32 = 0, BF16 = 1, F16 = 2 };
struct bf16 { uint16_t bits; };
struct f16 { uint16_t bits; };

#ifdef __AVX512F__
constexpr int VL = 16;
typedef __m512 vf;
typedef __m512i vi;
inline vf vset(float x) { return _mm512_set1_ps(x); }
inline vf vzero() { return _mm512_setzero_ps(); }
inline vf vfma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }  // a * b + c, rounded once
inline vf vadd(vf a, vf b) { return _mm512_add_ps(a, b); }
inline vf vmul(vf a, vf b) { return _mm512_mul_ps(a, b); }
inline vf vmax(vf a, vf b) { return _mm512_max_ps(a, b); }
inline vf vload(const float* p) { return _mm512_loadu_ps(p); }
inline void vstore(float* p, vf v) { _mm512_storeu_ps(p, v); }
inline vf vload(const bf16* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16));
}
inline vf vload(const f16* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
inline void vstore(f16* p, vf v) {
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline __m256i vround_bf16(vf v) {  // to nearest, ties to even; NaN stays NaN
  const __m512i bits = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  rounded = _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), _mm512_set1_epi32(0x7fc00000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}
inline void vstore(bf16* p, vf v) { _mm256_storeu_si256((__m256i*)p, vround_bf16(v)); }
inline float vsum(vf v) { return _mm512_reduce_add_ps(v); }
inline float vmaximum(vf v) { return _mm512_reduce_max_ps(v); }
#else
constexpr int VL = 8;
typedef __m256 vf;
typedef __m256i vi;
inline vf vset(float x) { return _mm256_set1_ps(x); }
inline vf vzero() { return _mm256_setzero_ps(); }
inline vf vfma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
inline vf vadd(vf a, vf b) { return _mm256_add_ps(a, b); }
inline vf vmul(vf a, vf b) { return _mm256_mul_ps(a, b); }
inline vf vmax(vf a, vf b) { return _mm256_max_ps(a, b); }
inline vf vload(const float* p) { return _mm256_loadu_ps(p); }
inline void vstore(float* p, vf v) { _mm256_storeu_ps(p, v); }
inline vf vload(const bf16* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)), 16));
}
inline vf vload(const f16* p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)); }
inline void vstore(f16* p, vf v) {
  _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline __m128i vround_bf16(vf v) {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  rounded = _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc00000),
                               _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
  rounded = _mm256_srli_epi32(rounded, 16);
  const __m256i packed = _mm256_packus_epi32(rounded, rounded);
  return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
}
inline void vstore(bf16* p, vf v) { _mm_storeu_si128((__m128i*)p, vround_bf16(v)); }
inline float vsum(vf v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
inline float vmaximum(vf v) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
#endif

// Integers; and of pairs of bfloat16 side by side, the first and the second of each as floats.
#ifdef __AVX512F__
inline vi iread(const void* p) { return _mm512_loadu_si512(p); }
inline vf first_of(vi pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }
inline vf second_of(vi pairs) {
  return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(0xffff0000)));
}
#else
inline vi iread(const void* p) { return _mm256_loadu_si256((const __m256i*)p); }
inline vf first_of(vi pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
inline vf second_of(vi pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(0xffff0000)));
}
#endif

// sum + pair[0] * w[2 i] + pair[1] * w[2 i + 1] in every lane i, bfloat16.
#ifdef __AVX512BF16__
#define FC_BF16_DOT 1
inline vf dot_bf16(vf sum, int32_t pair, vi w) {
  return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)w);
}
#endif

inline float widen(float x) { return x; }
inline float widen(bf16 x) {
  const uint32_t bits = uint32_t(x.bits) << 16;
  float out;
  memcpy(&out, &bits, 4);
  return out;
}
inline float widen(f16 x) { return _cvtsh_ss(x.bits); }
inline void narrow(float x, float* p) { *p = x; }
inline void narrow(float x, bf16* p) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  p->bits = x != x ? 0x7fc0 : uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
inline void narrow(float x, f16* p) { p->bits = _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

// Calls f with a null pointer of the element type that `type` names.
template <class F> inline void by_type(int type, const F& f) {
  if (type == BF16) f(static_cast<bf16*>(nullptr));
  else if (type == F16) f(static_cast<f16*>(nullptr));
  else f(static_cast<float*>(nullptr));
}

}  // namespace fc
