// Stores keys, values and latents in the pages of the cache, in the layout that kv.h describes.
#include <type_traits>

#include "kv.h"
#include "pool.h"

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
        const int64_t page = slots[t] / kv->block, at = slots[t] % kv->block;
        for (int64_t h = 0; h < heads; h++) {
          const int64_t place = page * kv->stride + h * kv->block * kv->dim;
          store_keys(*kv, static_cast<const T*>(key) + t * key_stride + h * key_head_stride,
                     static_cast<T*>(const_cast<void*>(kv->keys)) + place, at);
          store_values(*kv, static_cast<const T*>(value) + t * value_stride + h * value_head_stride,
                       static_cast<T*>(const_cast<void*>(kv->values)) + place, at);
        }
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
