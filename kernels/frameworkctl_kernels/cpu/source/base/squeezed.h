// bfloat16 weights in 12 bits, without loss: the exponents of a panel are nearly all among fifteen neighbours, and four
// bits tell which. (That exponents of trained weights carry little information: Zhang et al. 2025, arXiv 2504.11651.)
//
// A panel is [K / 2] steps of 96 bytes for 64 values: sign and mantissa of each in a byte, then the codes of exponents,
// two in a byte. Code 0 is exponent 0 (zero and what is smaller than normal), code c is exponent base + c - 1. Values
// with another exponent are written down beside the panel, in order, and put in place after decoding.
#pragma once
#include "base/panel.h"

namespace fc {

constexpr int SQUEEZED = 3;  // Weight::type; the weight's values are bfloat16

struct Other {  // a value that has no code
  uint32_t at;    // step * 64 + column * 2 + which of the step's two
  uint32_t bits;
};

struct Notes {  // of a panel; `others` of them follow
  int32_t base, others;
};

// Bytes of a panel's notes: room for one value in 512.
inline int64_t notes_bytes(int64_t steps) { return (sizeof(Notes) + (steps / 8 + 1) * sizeof(Other) + 63) / 64 * 64; }

// Where in its step a value's byte stands, `at` its column * 2 + which of two: the order that unpacking bytes of two
// vectors restores.
inline int place_in_step(int at) {
  constexpr int kLanes = VL / 4, kHalf = kLanes * 8;  // lanes of 16 bytes; values of one of the two vectors
  const int group = at / (2 * kHalf), v = at % (2 * kHalf);
  return group * 2 * kHalf + v % kHalf / 8 * 16 + v / kHalf * 8 + v % 8;
}

#ifdef __AVX512F__
constexpr int kGroupsOfStep = 1;
inline vi iall(int8_t x) { return _mm512_set1_epi8(x); }
inline void iwrite(void* p, vi v) { _mm512_storeu_si512(p, v); }
inline vi iand(vi a, vi b) { return _mm512_and_si512(a, b); }
inline vi ior(vi a, vi b) { return _mm512_or_si512(a, b); }
inline vi unpack_low(vi a, vi b) { return _mm512_unpacklo_epi8(a, b); }
inline vi unpack_high(vi a, vi b) { return _mm512_unpackhi_epi8(a, b); }
inline vi pick(vi table, vi at) { return _mm512_shuffle_epi8(table, at); }
inline vi to_bytes(vi a, vi b) { return _mm512_packus_epi16(a, b); }
inline vi down(vi v, int bits) { return _mm512_srli_epi16(v, bits); }
inline vi four_lanes(const uint8_t* p) { return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)p)); }
inline vi minus_saturated(vi a, vi b) { return _mm512_subs_epu8(a, b); }
inline vi times_two(vi a) { return _mm512_add_epi8(a, a); }
inline vi low_bytes(vi a) { return iand(a, _mm512_set1_epi16(255)); }
inline uint64_t zeros(vi a) { return _mm512_cmpeq_epi8_mask(a, _mm512_setzero_si512()); }  // a bit for each byte
constexpr uint64_t kAllBytes = ~uint64_t(0);
inline void read_codes(const uint8_t* p, vi (&codes)[1]) {
  const __m256i both = _mm256_loadu_si256((const __m256i*)p);
  codes[0] = iand(_mm512_inserti64x4(_mm512_castsi256_si512(both), _mm256_srli_epi16(both, 4), 1), iall(15));
}
inline void write_codes(uint8_t* p, const vi (&codes)[1]) {
  const __m256i low = _mm512_castsi512_si256(codes[0]), high = _mm512_extracti64x4_epi64(codes[0], 1);
  _mm256_storeu_si256((__m256i*)p, _mm256_or_si256(low, _mm256_slli_epi16(high, 4)));
}
#else
constexpr int kGroupsOfStep = 2;
inline vi iall(int8_t x) { return _mm256_set1_epi8(x); }
inline void iwrite(void* p, vi v) { _mm256_storeu_si256((__m256i*)p, v); }
inline vi iand(vi a, vi b) { return _mm256_and_si256(a, b); }
inline vi ior(vi a, vi b) { return _mm256_or_si256(a, b); }
inline vi unpack_low(vi a, vi b) { return _mm256_unpacklo_epi8(a, b); }
inline vi unpack_high(vi a, vi b) { return _mm256_unpackhi_epi8(a, b); }
inline vi pick(vi table, vi at) { return _mm256_shuffle_epi8(table, at); }
inline vi to_bytes(vi a, vi b) { return _mm256_packus_epi16(a, b); }
inline vi down(vi v, int bits) { return _mm256_srli_epi16(v, bits); }
inline vi four_lanes(const uint8_t* p) { return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)p)); }
inline vi minus_saturated(vi a, vi b) { return _mm256_subs_epu8(a, b); }
inline vi times_two(vi a) { return _mm256_add_epi8(a, a); }
inline vi low_bytes(vi a) { return iand(a, _mm256_set1_epi16(255)); }
inline uint64_t zeros(vi a) {
  return uint32_t(_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, _mm256_setzero_si256())));
}
constexpr uint64_t kAllBytes = 0xffffffff;
inline void read_codes(const uint8_t* p, vi (&codes)[2]) {
  const vi both = iread(p);
  codes[0] = iand(both, iall(15));
  codes[1] = iand(_mm256_srli_epi16(both, 4), iall(15));
}
inline void write_codes(uint8_t* p, const vi (&codes)[2]) { iwrite(p, ior(codes[0], _mm256_slli_epi16(codes[1], 4))); }
#endif

// One step, values [32][2], with codes for the exponents from `base` on; false where there are others.
inline bool write_step(const bf16* values, int base, uint8_t* to) {
  const vi rest = iall(0x7f), before = iall(int8_t(base - 1));
  vi codes[kGroupsOfStep];
  uint64_t fit = kAllBytes;
  for (int g = 0; g < kGroupsOfStep; g++) {
    const vi a = iread(values + g * sizeof(vi)), b = iread(values + g * sizeof(vi) + sizeof(vi) / 2);
    const vi high = to_bytes(down(a, 8), down(b, 8)), low = to_bytes(low_bytes(a), low_bytes(b));
    const vi exponent = ior(times_two(iand(high, rest)), iand(down(low, 7), iall(1)));
    codes[g] = minus_saturated(exponent, before);
    fit &= zeros(exponent) | (~zeros(codes[g]) & zeros(minus_saturated(codes[g], iall(15))));
    iwrite(to + g * sizeof(vi), ior(iand(high, iall(int8_t(0x80))), iand(low, rest)));
  }
  write_codes(to + 64, codes);
  return fit == kAllBytes;
}

// What turns codes into exponents, in registers.
struct Tables {
  vi upper, lower;  // by code: seven bits of the exponent in the byte with the sign, its last in the other
  explicit Tables(int base) {
    uint8_t high[16] = {}, low[16] = {};
    for (int c = 1; c < 16; c++) {
      high[c] = uint8_t((base + c - 1) >> 1 & 0x7f);
      low[c] = uint8_t(((base + c - 1) & 1) << 7);
    }
    upper = four_lanes(high), lower = four_lanes(low);
  }
};

constexpr int kPairs = kPanel / VL;

// One step as kPairs vectors of bfloat16, as they would lie in memory.
inline void decode(const uint8_t* from, const Tables& tables, vi (&out)[kPairs]) {
  _mm_prefetch((const char*)from + kAhead, _MM_HINT_T0);
  _mm_prefetch((const char*)from + kAhead + 64, _MM_HINT_T0);
  vi codes[kGroupsOfStep];
  read_codes(from + 64, codes);
  for (int g = 0; g < kGroupsOfStep; g++) {
    const vi bytes = iread(from + g * sizeof(vi));
    const vi low = ior(iand(bytes, iall(0x7f)), pick(tables.lower, codes[g]));
    const vi high = ior(iand(bytes, iall(int8_t(0x80))), pick(tables.upper, codes[g]));
    out[g * 2] = unpack_low(low, high);
    out[g * 2 + 1] = unpack_high(low, high);
  }
}

inline void put(const vi (&pairs)[kPairs], bf16* out) {
  for (int n = 0; n < kPairs; n++) iwrite(out + n * VL * 2, pairs[n]);
}

// A panel.
class Squeezed {
 public:
  Squeezed(const Weight& weight, int64_t panel) {
    const int64_t steps = (weight.inputs + 1) / 2;
    codes_ = static_cast<const uint8_t*>(weight.panels) + panel * steps * kSqueezed;
    notes_ = reinterpret_cast<const Notes*>(static_cast<const uint8_t*>(weight.scales) + panel * notes_bytes(steps));
  }

  const uint8_t* codes(int64_t step) const { return codes_ + step * kSqueezed; }

  // Steps [start, start + count) into out [count][32][2]. `next` goes through what has no code, from 0 at step 0.
  void read(int64_t start, int64_t count, bf16* out, int64_t& next) const {
    const Tables tables(notes_->base);
    const uint8_t* from = codes_ + start * kSqueezed;
    for (int64_t s = 0; s < count; s++) {
      vi pairs[kPairs];
      decode(from + s * kSqueezed, tables, pairs);
      put(pairs, out + s * 64);
    }
    for (; next < notes_->others && other(next).at < uint32_t((start + count) * 64); next++)
      out[other(next).at - uint32_t(start * 64)].bits = uint16_t(other(next).bits);
  }

  // sums [32] = one row x times all steps. What has no code is put in between, so the order of additions is kept.
  template <class P> void multiply_row(const typename P::X* x, int64_t steps, float* sums) const {
    const Tables tables(notes_->base);
    vf sum[1][kPairs];
    for (int n = 0; n < kPairs; n++) sum[0][n] = vzero();
    vi pairs[kPairs];
    const auto row = [&](int) { return x; };
    for (int64_t s = 0, i = 0; s < steps;) {
      const int64_t end = i < notes_->others ? other(i).at / 64 : steps;
      for (; s < end; s++, x += P::kSteps) {
        decode(codes_ + s * kSqueezed, tables, pairs);
        P::template multiply<1, kPairs>(sum, row, [&](int n) { return pairs[n]; });
      }
      if (s == steps) break;
      alignas(64) bf16 mended[64];
      decode(codes_ + s * kSqueezed, tables, pairs);
      put(pairs, mended);
      for (; i < notes_->others && other(i).at / 64 == s; i++) mended[other(i).at % 64].bits = uint16_t(other(i).bits);
      P::template step<1, kPairs>(sum, row, mended);
      s++, x += P::kSteps;
    }
    for (int n = 0; n < kPairs; n++) vstore(sums + n * VL, sum[0][n]);
  }

  // out[k] = the value in `column` for every k.
  void column(int column, int64_t inputs, bf16* out) const {
    const int places[2] = {place_in_step(column * 2), place_in_step(column * 2 + 1)};
    for (int64_t k = 0; k < inputs; k++) {
      const uint8_t* from = codes_ + k / 2 * kSqueezed;
      const int place = places[k % 2], code = from[64 + place % 32] >> (place / 32 * 4) & 15;
      const int exponent = code == 0 ? 0 : notes_->base + code - 1;
      out[k].bits = uint16_t((from[place] & 0x80) << 8 | exponent << 7 | (from[place] & 0x7f));
    }
    for (int i = 0; i < notes_->others; i++)
      if (other(i).at % 64 / 2 == unsigned(column)) out[other(i).at / 64 * 2 + other(i).at % 2].bits = uint16_t(other(i).bits);
  }

 private:
  const Other& other(int64_t i) const { return reinterpret_cast<const Other*>(notes_ + 1)[i]; }

  const uint8_t* codes_;
  const Notes* notes_;
};

}  // namespace fc
