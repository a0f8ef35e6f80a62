// Products of small matrices that stay in the first caches: what attention is made of.
#pragma once
#include "base/vmath.h"

namespace fc {

// Where a product takes its right side from: rows k and k + 1 of [rows][columns], VL columns from j on.
struct Floats {
  const float* p;
  int64_t stride;
  void two(int64_t k, int64_t j, vf& a, vf& b) const {
    a = vload(p + k * stride + j);
    b = vload(p + (k + 1) * stride + j);
  }
  vf one(int64_t k, int64_t j) const { return vload(p + k * stride + j); }
};

// bfloat16 with two rows woven into one, [rows / 2][columns][2]: one load and two shifts give both.
struct Pairs {
  const bf16* p;
  int64_t stride;
  vi both(int64_t k, int64_t j) const { return iread(p + k * stride + 2 * j); }
  void two(int64_t k, int64_t j, vf& a, vf& b) const {
    a = first_of(both(k, j));
    b = second_of(both(k, j));
  }
  vf one(int64_t k, int64_t j) const {  // of an even row
    vf a, b;
    two(k, j, a, b);
    return a;
  }
};

// c[M][N * VL] (+)= a[M][depth] * right; every element is one chain of fused multiply-adds in the order of depth,
// whatever M and N are.
template <int M, int N, class Right>
inline void block(const float* a, int64_t a_stride, const Right& right, int64_t j, float* c, int64_t c_stride,
                  int64_t depth, bool add) {
  vf sum[M][N];
  for (int m = 0; m < M; m++)
    for (int n = 0; n < N; n++) sum[m][n] = add ? vload(c + m * c_stride + j + n * VL) : vzero();
  int64_t k = 0;
  for (; k + 2 <= depth; k += 2) {
    vf x[N], y[N];
    for (int n = 0; n < N; n++) right.two(k, j + n * VL, x[n], y[n]);
    for (int m = 0; m < M; m++) {
      const vf s = vset(a[m * a_stride + k]);
      for (int n = 0; n < N; n++) sum[m][n] = vfma(s, x[n], sum[m][n]);
    }
    for (int m = 0; m < M; m++) {
      const vf s = vset(a[m * a_stride + k + 1]);
      for (int n = 0; n < N; n++) sum[m][n] = vfma(s, y[n], sum[m][n]);
    }
  }
  if (k < depth)
    for (int n = 0; n < N; n++) {
      const vf x = right.one(k, j + n * VL);
      for (int m = 0; m < M; m++) sum[m][n] = vfma(vset(a[m * a_stride + k]), x, sum[m][n]);
    }
  for (int m = 0; m < M; m++)
    for (int n = 0; n < N; n++) vstore(c + m * c_stride + j + n * VL, sum[m][n]);
}

#ifdef FC_BF16_DOT
// The same of bfloat16 on both sides, two of depth at once.
template <int M, int N>
inline void block(const bf16* a, int64_t a_stride, const Pairs& right, int64_t j, float* c, int64_t c_stride,
                  int64_t depth, bool add) {
  vf sum[M][N];
  for (int m = 0; m < M; m++)
    for (int n = 0; n < N; n++) sum[m][n] = add ? vload(c + m * c_stride + j + n * VL) : vzero();
  vi w[N];
  int64_t k = 0;
  for (; k + 2 <= depth; k += 2) {
    for (int n = 0; n < N; n++) w[n] = right.both(k, j + n * VL);
    for (int m = 0; m < M; m++) {
      int32_t pair;
      memcpy(&pair, a + m * a_stride + k, 4);
      for (int n = 0; n < N; n++) sum[m][n] = dot_bf16(sum[m][n], pair, w[n]);
    }
  }
  if (k < depth) {  // what is beside the last row may be anything
    for (int n = 0; n < N; n++) w[n] = _mm512_and_si512(right.both(k, j + n * VL), _mm512_set1_epi32(0xffff));
    for (int m = 0; m < M; m++)
      for (int n = 0; n < N; n++) sum[m][n] = dot_bf16(sum[m][n], a[m * a_stride + k].bits, w[n]);
  }
  for (int m = 0; m < M; m++)
    for (int n = 0; n < N; n++) vstore(c + m * c_stride + j + n * VL, sum[m][n]);
}
#endif

template <int M, class Left, class Right>
inline void strip(const Left* a, int64_t a_stride, const Right& right, float* c, int64_t c_stride, int64_t columns,
                  int64_t depth, bool add) {
  constexpr int kWide = M <= 2 ? 4 : 2;
  int64_t j = 0;
  for (; j + kWide * VL <= columns; j += kWide * VL) block<M, kWide>(a, a_stride, right, j, c, c_stride, depth, add);
  for (; j < columns; j += VL) block<M, 1>(a, a_stride, right, j, c, c_stride, depth, add);
}

// c[rows][columns] (+)= a[rows][depth] * right; columns are a multiple of VL.
template <class Left, class Right>
inline void product(const Left* a, int64_t a_stride, const Right& right, float* c, int64_t c_stride, int64_t rows,
                    int64_t columns, int64_t depth, bool add) {
#ifdef __AVX512F__
  constexpr int64_t kMost = 8;
#else
  constexpr int64_t kMost = 5;
#endif
  for (int64_t blocks = (rows + kMost - 1) / kMost; rows > 0; blocks--) {  // of equal size, as far as that goes
    const int64_t m = (rows + blocks - 1) / blocks;
    switch (m) {
      case 1: strip<1>(a, a_stride, right, c, c_stride, columns, depth, add); break;
      case 2: strip<2>(a, a_stride, right, c, c_stride, columns, depth, add); break;
      case 3: strip<3>(a, a_stride, right, c, c_stride, columns, depth, add); break;
      case 4: strip<4>(a, a_stride, right, c, c_stride, columns, depth, add); break;
      case 5: strip<5>(a, a_stride, right, c, c_stride, columns, depth, add); break;
#ifdef __AVX512F__
      case 6: strip<6>(a, a_stride, right, c, c_stride, columns, depth, add); break;
      case 7: strip<7>(a, a_stride, right, c, c_stride, columns, depth, add); break;
      default: strip<8>(a, a_stride, right, c, c_stride, columns, depth, add); break;
#endif
    }
    a += m * a_stride;
    c += m * c_stride;
    rows -= m;
  }
}

}  // namespace fc
