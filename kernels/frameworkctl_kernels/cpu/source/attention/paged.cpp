// Stores keys, rotated or as they are, values and latents in the pages of the cache, in the layout of kv.h.
#include <type_traits>

#include "attention/kv.h"
#include "base/pool.h"
#include "base/rotate.h"

namespace fc {
namespace {

template <class T> void store_keys(const KV& kv, const T* from, T* to, int64_t at) {
  if (kv.woven())
    for (int64_t d = 0; d < kv.dim; d += 2) memcpy(to + d * kv.block + 2 * at, from + d, 2 * sizeof(T));
  else
    for (int64_t d = 0; d < kv.dim; d++) to[d * kv.block + at] = from[d];
}

template <class T> void store_values(const KV& kv, const T* from, T* to, int64_t at) {
  if (kv.woven())
    for (int64_t d = 0; d < kv.dim; d++) to[at / 2 * 2 * kv.dim + 2 * d + at % 2] = from[d];
  else
    memcpy(to + at * kv.dim, from, kv.dim * sizeof(T));
}

// One token's keys and values of `heads` heads, each head_stride apart.
template <class T>
void store(const KV& kv, int64_t heads, const T* key, int64_t key_head_stride, const T* value,
           int64_t value_head_stride, int64_t slot) {
  const int64_t page = slot / kv.block * kv.stride, at = slot % kv.block;
  for (int64_t h = 0; h < heads; h++) {
    const int64_t place = page + h * kv.block * kv.dim;
    store_keys(kv, key + h * key_head_stride, static_cast<T*>(const_cast<void*>(kv.keys)) + place, at);
    store_values(kv, value + h * value_head_stride, static_cast<T*>(const_cast<void*>(kv.values)) + place, at);
  }
}

}  // namespace
}  // namespace fc

// Token t's keys and values of `heads` heads to slot slots[t]; strides from token to token in elements, heads stand
// head_stride apart.
extern "C" void fc_write_kv(const fc::KV* kv, int64_t heads, const void* key, int64_t key_stride,
                            int64_t key_head_stride, const void* value, int64_t value_stride,
                            int64_t value_head_stride, const int64_t* slots, int64_t tokens) {
  using namespace fc;
  constexpr int64_t kChunk = 32;
  by_type(kv->type, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    parallel((tokens + kChunk - 1) / kChunk, [&](int64_t chunk, int) {
      const int64_t end = tokens < (chunk + 1) * kChunk ? tokens : (chunk + 1) * kChunk;
      for (int64_t t = chunk * kChunk; t < end; t++) {
        store(*kv, heads, static_cast<const T*>(key) + t * key_stride, key_head_stride,
              static_cast<const T*>(value) + t * value_stride, value_head_stride, slots[t]);
      }
    });
  });
}

// The same after token t's query and key have been rotated in place by cos_sin [tokens, 2 half].
extern "C" void fc_rotary_write_kv(const fc::KV* kv, int64_t heads, void* query, int64_t query_heads,
                                   int64_t query_stride, int64_t query_head_stride, void* key, int64_t key_stride,
                                   int64_t key_head_stride, const void* value, int64_t value_stride,
                                   int64_t value_head_stride, const void* cos_sin, int64_t cos_sin_stride, int64_t half,
                                   int interleaved, const int64_t* slots, int64_t tokens) {
  using namespace fc;
  constexpr int64_t kChunk = 16384;  // elements
  const int64_t at_once = 1 + kChunk / ((query_heads + 2 * heads) * kv->dim);
  by_type(kv->type, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    parallel((tokens + at_once - 1) / at_once, [&](int64_t chunk, int) {
      const int64_t end = tokens < (chunk + 1) * at_once ? tokens : (chunk + 1) * at_once;
      for (int64_t t = chunk * at_once; t < end; t++) {
        const T* turn = static_cast<const T*>(cos_sin) + t * cos_sin_stride;
        T* k = static_cast<T*>(key) + t * key_stride;
        rotate(static_cast<T*>(query) + t * query_stride, query_heads, query_head_stride, turn, half, interleaved != 0);
        rotate(k, heads, key_head_stride, turn, half, interleaved != 0);
        store(*kv, heads, static_cast<const T*>(k), key_head_stride,
              static_cast<const T*>(value) + t * value_stride, value_head_stride, slots[t]);
      }
    });
  });
}

// Token t's vector of `dim` elements to slot slots[t] of pages of rows.
extern "C" void fc_write_latent(const fc::KV* kv, const void* latent, int64_t stride, const int64_t* slots,
                                int64_t tokens) {
  const int64_t size = kv->type == fc::F32 ? 4 : 2, row = kv->dim * size;
  for (int64_t t = 0; t < tokens; t++) {
    const int64_t page = slots[t] / kv->block, at = slots[t] % kv->block;
    memcpy(static_cast<char*>(const_cast<void*>(kv->keys)) + page * kv->stride * size + at * row,
           static_cast<const char*>(latent) + t * stride * size, row);
  }
}
