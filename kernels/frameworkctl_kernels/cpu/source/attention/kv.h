// Where keys and values lie, and how a tile of them becomes floats.
//
// A page holds keys, then values, head by head. Keys are transposed, [dim][block], so that a query's product with a page
// is a product with a matrix; values are [block][dim]. bfloat16 is woven where both counts are even: two rows of either
// matrix become one row of pairs.
#pragma once
#include "base/tile.h"

namespace fc {

constexpr int64_t kTile = 64;  // keys that are worked on at once, from a multiple of it on

enum Place : int32_t { PAGES = 0, ROWS = 1, LATENT = 2 };

struct KV {  // also in attention.py; strides in elements
  int32_t place, type;
  const void *keys, *values;
  int64_t stride;       // from page to page, or in tensors from token to token
  int64_t head_stride;  // in tensors, from head to head
  int64_t value_stride, value_head_stride;  // of the values' tensor
  int64_t block, dim, value_dim;

  bool woven() const { return type == BF16 && block % 2 == 0 && dim % 2 == 0; }
};

template <class T> inline void load_row(const T* from, float* to, int64_t count) {
  int64_t i = 0;
  for (; i + VL <= count; i += VL) vstore(to + i, vload(from + i));
  for (; i < count; i++) to[i] = widen(from[i]);
}

inline void load_row(const bf16* from, bf16* to, int64_t count) { memcpy(to, from, count * sizeof(bf16)); }

// Two woven rows of `count` columns each.
inline void widen_pairs(const bf16* from, float* even, float* odd, int64_t count) {
  const Pairs pairs{from, 0};
  int64_t i = 0;
  for (; i + VL <= count; i += VL) {
    vf a, b;
    pairs.two(0, i, a, b);
    vstore(even + i, a);
    vstore(odd + i, b);
  }
  for (; i < count; i++) {
    even[i] = widen(from[2 * i]);
    odd[i] = widen(from[2 * i + 1]);
  }
}

// `count` rows of `dim` elements, `stride` apart, into the columns of to[dim][kTile].
template <class T> inline void transpose_rows(const T* from, int64_t stride, int64_t count, int64_t dim, float* to) {
  alignas(64) float rows[8][64];
  for (int64_t j = 0; j < count; j += 8) {
    const int64_t n = count - j < 8 ? count - j : 8;
    for (int64_t d = 0; d < dim; d += 64) {
      const int64_t width = dim - d < 64 ? dim - d : 64;
      for (int64_t i = 0; i < n; i++) load_row(from + (j + i) * stride + d, rows[i], width);
      for (int64_t e = 0; e < width; e++)
        for (int64_t i = 0; i < n; i++) to[(d + e) * kTile + j + i] = rows[i][e];
    }
  }
}

// One page's keys and values of a head: tokens [at, at + count) to columns of keys and rows of values.
template <class T>
inline void load_page(const KV& kv, const T* keys, const T* values, int64_t at, int64_t count, float* to_keys,
                      float* to_values, int64_t value_width) {
  if constexpr (sizeof(T) == 2 && !__is_same(T, f16)) {
    if (kv.woven()) {
      for (int64_t d = 0; d < kv.dim; d += 2)
        widen_pairs(keys + d * kv.block + 2 * at, to_keys + d * kTile, to_keys + (d + 1) * kTile, count);
      for (int64_t i = 0; i < count; i += 2)
        widen_pairs(values + (at + i) * kv.dim, to_values + i * value_width, to_values + (i + 1) * value_width, kv.dim);
      return;
    }
  }
  for (int64_t d = 0; d < kv.dim; d++) load_row(keys + d * kv.block + at, to_keys + d * kTile, count);
  for (int64_t i = 0; i < count; i++) load_row(values + (at + i) * kv.dim, to_values + i * value_width, kv.dim);
}

// The same of woven bfloat16 as it is: two rows of keys, or of values, stay one row of pairs.
inline void load_page(const KV& kv, const bf16* keys, const bf16* values, int64_t at, int64_t count, bf16* to_keys,
                      bf16* to_values, int64_t value_width) {
  for (int64_t d = 0; d < kv.dim; d += 2) load_row(keys + d * kv.block + 2 * at, to_keys + d * kTile, 2 * count);
  for (int64_t i = 0; i < count; i += 2)
    load_row(values + (at + i) * kv.dim, to_values + i * value_width, 2 * kv.dim);
}

// `count` keys and values of a head that stand row by row: keys to columns.
template <class T>
inline void load_rows(const KV& kv, const T* keys, int64_t stride, const T* values, int64_t value_stride, int64_t count,
                      float* to_keys, float* to_values, int64_t value_width) {
  transpose_rows(keys, stride, count, kv.dim, to_keys);
  for (int64_t i = 0; i < count; i++) load_row(values + i * value_stride, to_values + i * value_width, kv.value_dim);
}

// The same, woven.
inline void load_rows(const KV& kv, const bf16* keys, int64_t stride, const bf16* values, int64_t value_stride,
                      int64_t count, bf16* to_keys, bf16* to_values, int64_t value_width) {
  for (int64_t i = 0; i < count; i++, keys += stride) {
    int64_t d = 0;
    for (; d + 2 <= kv.dim; d += 2) memcpy(to_keys + d * kTile + 2 * i, keys + d, 4);
    if (d < kv.dim) to_keys[d * kTile + 2 * i] = keys[d];
  }
  for (int64_t i = 0; i < count; i += 2, values += 2 * value_stride, to_values += 2 * value_width) {
    const bf16* second = i + 1 < count ? values + value_stride : values;
    for (int64_t d = 0; d < kv.value_dim; d++) {
      to_values[2 * d] = values[d];
      to_values[2 * d + 1] = second[d];
    }
  }
}

// Keys [from, to) of the tile that begins at `tile`, `from` even: to keys[dim][kTile] and values[kTile][value_width], of
// bfloat16 woven. `pages` are the sequence's, `first` its first token in tensors.
template <class T, class X>
inline void load_tile(const KV& kv, const int32_t* pages, int64_t first, int64_t head, int64_t tile, int64_t from,
                      int64_t to, X* keys, X* values, int64_t value_width) {
  constexpr int64_t kSide = __is_same(X, float) ? 1 : 2;  // keys that stand side by side
  const T *all_keys = static_cast<const T*>(kv.keys), *all_values = static_cast<const T*>(kv.values);
  if (kv.place == ROWS) {
    const T* k = all_keys + (first + from) * kv.stride + head * kv.head_stride;
    const T* v = all_values + (first + from) * kv.value_stride + head * kv.value_head_stride;
    load_rows(kv, k, kv.stride, v, kv.value_stride, to - from, keys + kSide * (from - tile),
              values + (from - tile) * value_width, value_width);
    return;
  }
  while (from < to) {
    const int64_t at = from % kv.block, rest = kv.block - at;
    const int64_t count = to - from < rest ? to - from : rest, page = int64_t(pages[from / kv.block]) * kv.stride;
    X *to_keys = keys + kSide * (from - tile), *to_values = values + (from - tile) * value_width;
    if (kv.place == LATENT) {
      const T* rows = all_keys + page + at * kv.dim;
      load_rows(kv, rows, kv.dim, rows, kv.dim, count, to_keys, to_values, value_width);
    } else {
      const int64_t own = page + head * kv.block * kv.dim;
      load_page(kv, all_keys + own, all_values + own, at, count, to_keys, to_values, value_width);
    }
    from += count;
  }
}

}  // namespace fc
