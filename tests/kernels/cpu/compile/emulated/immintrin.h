// AVX-512 for processors with AVX2 only: put this folder before the compiler's own and the kernels take their AVX-512
// forms, with every instruction they use written out here as its description in the Intel manuals has it.
//
// FC_EMULATE 0: AVX2 with VNNI. 1: what the first processors with AVX-512 have (F, BW, DQ, VL). 2: VNNI and BF16 too.
#pragma once
#include_next <immintrin.h>

#include <cstdint>
#include <cstring>

namespace fc_emulated {

typedef int32_t Ints __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef uint16_t Shorts __attribute__((vector_size(64)));

template <class To, class From> inline To same_bits(const From& from) {
  static_assert(sizeof(To) == sizeof(From), "bits are all kept");
  To to;
  memcpy(&to, &from, sizeof(to));
  return to;
}

struct Halves {
  __m256 low, high;
};
struct IntHalves {
  __m256i low, high;
};
inline Halves halves(__m512 v) { return same_bits<Halves>(v); }
inline IntHalves halves(__m512i v) { return same_bits<IntHalves>(v); }
inline __m512 joined(__m256 low, __m256 high) { return same_bits<__m512>(Halves{low, high}); }
inline __m512i joined(__m256i low, __m256i high) { return same_bits<__m512i>(IntHalves{low, high}); }

// Floats.
inline __m512 set1_ps(float x) { return joined(_mm256_set1_ps(x), _mm256_set1_ps(x)); }
inline __m512 setzero_ps() { return set1_ps(0.0f); }
inline __m512 setr_ps(float a, float b, float c, float d, float e, float f, float g, float h, float i, float j, float k,
                      float l, float m, float n, float o, float p) {
  const float all[16] = {a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p};
  return same_bits<__m512>(all);
}
inline __m512 loadu_ps(const void* p) {
  __m512 v;
  memcpy(&v, p, 64);
  return v;
}
inline void storeu_ps(void* p, __m512 v) { memcpy(p, &v, 64); }
inline __m512 add_ps(__m512 a, __m512 b) { return a + b; }
inline __m512 sub_ps(__m512 a, __m512 b) { return a - b; }
inline __m512 mul_ps(__m512 a, __m512 b) { return a * b; }
inline __m512 div_ps(__m512 a, __m512 b) { return a / b; }
inline __m512 max_ps(__m512 a, __m512 b) { return a > b ? a : b; }  // the second where one is NaN or both are zero
inline __m512 min_ps(__m512 a, __m512 b) { return a < b ? a : b; }
inline __m512 fmadd_ps(__m512 a, __m512 b, __m512 c) {
  const Halves x = halves(a), y = halves(b), z = halves(c);
  return joined(_mm256_fmadd_ps(x.low, y.low, z.low), _mm256_fmadd_ps(x.high, y.high, z.high));
}
template <int How> inline __m512 roundscale_ps(__m512 a) {
  static_assert((How >> 4) == 0 && (How & 7) == 0, "to whole numbers, to nearest even");
  const Halves x = halves(a);
  return joined(_mm256_round_ps(x.low, How), _mm256_round_ps(x.high, How));
}
inline float reduce_add_ps(__m512 v) {  // in halves, as compilers do it
  float x[16];
  memcpy(x, &v, 64);
  for (int n = 8; n > 0; n /= 2)
    for (int i = 0; i < n; i++) x[i] += x[i + n];
  return x[0];
}
inline float reduce_max_ps(__m512 v) {
  float x[16];
  memcpy(x, &v, 64);
  for (int n = 8; n > 0; n /= 2)
    for (int i = 0; i < n; i++) x[i] = x[i] > x[i + n] ? x[i] : x[i + n];
  return x[0];
}

// Integers.
inline __m512i set1_epi32(int32_t x) { return joined(_mm256_set1_epi32(x), _mm256_set1_epi32(x)); }
inline __m512i set1_epi16(int16_t x) { return joined(_mm256_set1_epi16(x), _mm256_set1_epi16(x)); }
inline __m512i setzero_si512() { return set1_epi32(0); }
inline __m512i loadu_si512(const void* p) {
  __m512i v;
  memcpy(&v, p, 64);
  return v;
}
inline __m512i add_epi32(__m512i a, __m512i b) { return (__m512i)((Words)a + (Words)b); }
inline __m512i and_bits(__m512i a, __m512i b) { return a & b; }
inline __m512i or_bits(__m512i a, __m512i b) { return a | b; }
inline __m512i andnot_bits(__m512i a, __m512i b) { return ~a & b; }
inline __m512i slli_epi32(__m512i a, unsigned bits) { return bits > 31 ? setzero_si512() : (__m512i)((Words)a << bits); }
inline __m512i srli_epi32(__m512i a, unsigned bits) { return bits > 31 ? setzero_si512() : (__m512i)((Words)a >> bits); }
inline __m512i srli_epi16(__m512i a, unsigned bits) { return bits > 15 ? setzero_si512() : (__m512i)((Shorts)a >> bits); }
inline __m512i madd_epi16(__m512i a, __m512i b) {
  const IntHalves x = halves(a), y = halves(b);
  return joined(_mm256_madd_epi16(x.low, y.low), _mm256_madd_epi16(x.high, y.high));
}
inline __m512i dpwssd_epi32(__m512i sum, __m512i a, __m512i b) {
  int16_t x[32], y[32];
  uint32_t s[16];
  memcpy(x, &a, 64);
  memcpy(y, &b, 64);
  memcpy(s, &sum, 64);
  for (int i = 0; i < 16; i++) {  // what exceeds 32 bits is lost
    const int64_t both = int64_t(x[2 * i]) * y[2 * i] + int64_t(x[2 * i + 1]) * y[2 * i + 1];
    s[i] += uint32_t(both);
  }
  return same_bits<__m512i>(s);
}

inline __m256i dpwssd_avx_epi32(__m256i sum, __m256i a, __m256i b) {
  return halves(dpwssd_epi32(joined(sum, sum), joined(a, a), joined(b, b))).low;
}

// Bytes, in lanes of 16 of them where they move.
template <class F> inline __m512i by_halves(__m512i a, __m512i b, const F& f) {
  const IntHalves x = halves(a), y = halves(b);
  return joined(f(x.low, y.low), f(x.high, y.high));
}
inline __m512i set1_epi8(int8_t x) { return joined(_mm256_set1_epi8(x), _mm256_set1_epi8(x)); }
inline void storeu_si512(void* p, __m512i v) { memcpy(p, &v, 64); }
#define FC_EMULATE_BY_HALVES(name) \
  inline __m512i name(__m512i a, __m512i b) { \
    return by_halves(a, b, [](__m256i x, __m256i y) { return _mm256_##name(x, y); }); \
  }
FC_EMULATE_BY_HALVES(add_epi8)
FC_EMULATE_BY_HALVES(subs_epu8)
FC_EMULATE_BY_HALVES(shuffle_epi8)
FC_EMULATE_BY_HALVES(unpacklo_epi8)
FC_EMULATE_BY_HALVES(unpackhi_epi8)
FC_EMULATE_BY_HALVES(packus_epi16)
#undef FC_EMULATE_BY_HALVES
inline __m512i broadcast_i32x4(__m128i v) { return joined(_mm256_broadcastsi128_si256(v), _mm256_broadcastsi128_si256(v)); }
inline __m512i castsi256_si512(__m256i v) { return joined(v, _mm256_set1_epi8(0x55)); }  // anything in the upper half
inline __m256i castsi512_si256(__m512i v) { return halves(v).low; }
template <int Half> inline __m512i inserti64x4(__m512i to, __m256i v) {
  const IntHalves x = halves(to);
  return Half ? joined(x.low, v) : joined(v, x.high);
}
template <int Half> inline __m256i extracti64x4_epi64(__m512i v) { return Half ? halves(v).high : halves(v).low; }

// Masks.
inline uint64_t cmpeq_epi8_mask(__m512i a, __m512i b) {
  const IntHalves x = halves(a), y = halves(b);
  return uint32_t(_mm256_movemask_epi8(_mm256_cmpeq_epi8(x.low, y.low))) |
         uint64_t(uint32_t(_mm256_movemask_epi8(_mm256_cmpeq_epi8(x.high, y.high)))) << 32;
}
template <int How> inline uint16_t cmp_ps_mask(__m512 a, __m512 b) {
  const Halves x = halves(a), y = halves(b);
  return uint16_t(_mm256_movemask_ps(_mm256_cmp_ps(x.low, y.low, How)) |
                  _mm256_movemask_ps(_mm256_cmp_ps(x.high, y.high, How)) << 8);
}
template <class V> inline V chosen(uint16_t mask, V no, V yes) {
  uint32_t a[16], b[16];
  memcpy(a, &no, 64);
  memcpy(b, &yes, 64);
  for (int i = 0; i < 16; i++) a[i] = mask >> i & 1 ? b[i] : a[i];
  return same_bits<V>(a);
}
inline __m512 mask_blend_ps(uint16_t mask, __m512 no, __m512 yes) { return chosen(mask, no, yes); }
inline __m512i mask_mov_epi32(__m512i no, uint16_t mask, __m512i yes) { return chosen(mask, no, yes); }

// Conversions.
inline __m512 castsi512_ps(__m512i v) { return (__m512)v; }
inline __m512i castps_si512(__m512 v) { return (__m512i)v; }
inline __m512 abs_ps(__m512 v) { return castsi512_ps(castps_si512(v) & set1_epi32(0x7fffffff)); }
inline __m512i cvtepu16_epi32(__m256i v) {
  uint16_t from[16];
  uint32_t to[16];
  memcpy(from, &v, 32);
  for (int i = 0; i < 16; i++) to[i] = from[i];
  return same_bits<__m512i>(to);
}
inline __m512i cvtepi8_epi16(__m256i v) {
  int8_t from[32];
  int16_t to[32];
  memcpy(from, &v, 32);
  for (int i = 0; i < 32; i++) to[i] = from[i];
  return same_bits<__m512i>(to);
}
inline __m256i cvtepi32_epi16(__m512i v) {  // the lower halves
  uint32_t from[16];
  uint16_t to[16];
  memcpy(from, &v, 64);
  for (int i = 0; i < 16; i++) to[i] = uint16_t(from[i]);
  return same_bits<__m256i>(to);
}
inline __m512 cvtepi32_ps(__m512i v) {
  const IntHalves x = halves(v);
  return joined(_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high));
}
inline __m512i cvtps_epi32(__m512 v) {
  const Halves x = halves(v);
  return joined(_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high));
}
inline __m512 cvtph_ps(__m256i v) {
  return joined(_mm256_cvtph_ps(_mm256_castsi256_si128(v)), _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1)));
}
template <int How> inline __m256i cvtps_ph(__m512 v) {
  const Halves x = halves(v);
  return _mm256_set_m128i(_mm256_cvtps_ph(x.high, How), _mm256_cvtps_ph(x.low, How));
}

// BF16: the product of the second of each pair first; denormal numbers count as zero, on the way in and out.
inline float without_denormals(float x) { return __builtin_fabsf(x) < 0x1p-126f ? __builtin_copysignf(0.0f, x) : x; }
inline float from_bf16(uint16_t bits) { return without_denormals(same_bits<float>(uint32_t(bits) << 16)); }
template <class V> inline __m512 dpbf16_ps(__m512 sum, V a, V b) {
  uint16_t x[32], y[32];
  float s[16];
  memcpy(x, &a, 64);
  memcpy(y, &b, 64);
  memcpy(s, &sum, 64);
  for (int i = 0; i < 16; i++) {
    s[i] = without_denormals(__builtin_fmaf(from_bf16(x[2 * i + 1]), from_bf16(y[2 * i + 1]), without_denormals(s[i])));
    s[i] = without_denormals(__builtin_fmaf(from_bf16(x[2 * i]), from_bf16(y[2 * i]), s[i]));
  }
  return same_bits<__m512>(s);
}

}  // namespace fc_emulated

#define _mm512_abs_ps fc_emulated::abs_ps
#define _mm512_add_epi32 fc_emulated::add_epi32
#define _mm512_add_epi8 fc_emulated::add_epi8
#define _mm512_add_ps fc_emulated::add_ps
#define _mm512_and_epi32 fc_emulated::and_bits
#define _mm512_and_si512 fc_emulated::and_bits
#define _mm512_andnot_epi32 fc_emulated::andnot_bits
#define _mm512_broadcast_i32x4 fc_emulated::broadcast_i32x4
#define _mm512_castps_si512 fc_emulated::castps_si512
#define _mm512_castsi256_si512 fc_emulated::castsi256_si512
#define _mm512_castsi512_ps fc_emulated::castsi512_ps
#define _mm512_castsi512_si256 fc_emulated::castsi512_si256
#define _mm512_cmpeq_epi8_mask fc_emulated::cmpeq_epi8_mask
#define _mm512_cvtepi32_epi16 fc_emulated::cvtepi32_epi16
#define _mm512_cvtepi32_ps fc_emulated::cvtepi32_ps
#define _mm512_cvtepi8_epi16 fc_emulated::cvtepi8_epi16
#define _mm512_cvtepu16_epi32 fc_emulated::cvtepu16_epi32
#define _mm512_cvtph_ps fc_emulated::cvtph_ps
#define _mm512_cvtps_epi32 fc_emulated::cvtps_epi32
#define _mm512_div_ps fc_emulated::div_ps
#define _mm512_dpbf16_ps fc_emulated::dpbf16_ps
#define _mm512_dpwssd_epi32 fc_emulated::dpwssd_epi32
#define _mm512_fmadd_ps fc_emulated::fmadd_ps
#define _mm512_loadu_ps fc_emulated::loadu_ps
#define _mm512_loadu_si512 fc_emulated::loadu_si512
#define _mm512_madd_epi16 fc_emulated::madd_epi16
#define _mm512_mask_blend_ps fc_emulated::mask_blend_ps
#define _mm512_mask_mov_epi32 fc_emulated::mask_mov_epi32
#define _mm512_max_ps fc_emulated::max_ps
#define _mm512_min_ps fc_emulated::min_ps
#define _mm512_mul_ps fc_emulated::mul_ps
#define _mm512_or_epi32 fc_emulated::or_bits
#define _mm512_or_si512 fc_emulated::or_bits
#define _mm512_packus_epi16 fc_emulated::packus_epi16
#define _mm512_reduce_add_ps fc_emulated::reduce_add_ps
#define _mm512_reduce_max_ps fc_emulated::reduce_max_ps
#define _mm512_set1_epi16 fc_emulated::set1_epi16
#define _mm512_set1_epi32 fc_emulated::set1_epi32
#define _mm512_set1_epi8 fc_emulated::set1_epi8
#define _mm512_set1_ps fc_emulated::set1_ps
#define _mm512_setr_ps fc_emulated::setr_ps
#define _mm512_setzero_ps fc_emulated::setzero_ps
#define _mm512_setzero_si512 fc_emulated::setzero_si512
#define _mm512_shuffle_epi8 fc_emulated::shuffle_epi8
#define _mm512_slli_epi32 fc_emulated::slli_epi32
#define _mm512_srli_epi16 fc_emulated::srli_epi16
#define _mm512_srli_epi32 fc_emulated::srli_epi32
#define _mm512_storeu_ps fc_emulated::storeu_ps
#define _mm512_storeu_si512 fc_emulated::storeu_si512
#define _mm512_sub_ps fc_emulated::sub_ps
#define _mm512_subs_epu8 fc_emulated::subs_epu8
#define _mm512_unpackhi_epi8 fc_emulated::unpackhi_epi8
#define _mm512_unpacklo_epi8 fc_emulated::unpacklo_epi8

// The compiler has some of these as macros already.
#undef _mm512_cmp_ps_mask
#undef _mm512_cvtps_ph
#undef _mm512_extracti64x4_epi64
#undef _mm512_inserti64x4
#undef _mm512_roundscale_ps
#define _mm512_cmp_ps_mask(a, b, how) fc_emulated::cmp_ps_mask<how>(a, b)
#define _mm512_cvtps_ph(a, how) fc_emulated::cvtps_ph<how>(a)
#define _mm512_extracti64x4_epi64(a, half) fc_emulated::extracti64x4_epi64<half>(a)
#define _mm512_inserti64x4(a, b, half) fc_emulated::inserti64x4<half>(a, b)
#define _mm512_roundscale_ps(a, how) fc_emulated::roundscale_ps<how>(a)

#ifdef __AVX512F__
#error "with AVX-512 there is nothing to emulate: compile with -march=x86-64-v3"
#endif
#if FC_EMULATE == 0
#define _mm256_dpwssd_avx_epi32 fc_emulated::dpwssd_avx_epi32
#define __AVXVNNI__ 1
#else
#define __AVX512F__ 1
#define __AVX512BW__ 1
#define __AVX512DQ__ 1
#define __AVX512VL__ 1
#endif
#if FC_EMULATE > 1
#define __AVX512VNNI__ 1
#define __AVX512BF16__ 1
#endif
