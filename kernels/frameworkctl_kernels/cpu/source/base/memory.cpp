// Conversion of element types, and large pages for what is read through every step.
#include <sys/mman.h>

#include "base/pool.h"
#include "base/simd.h"

namespace fc {

template <class From, class To> static void convert(const From* from, To* to, int64_t count) {
  int64_t i = 0;
  for (; i + VL <= count; i += VL) vstore(to + i, vload(from + i));
  for (; i < count; i++) narrow(widen(from[i]), to + i);
}

}  // namespace fc

// to[i] = from[i] for `count` elements, rounded to nearest even; types as of fc::Type.
extern "C" void fc_convert(const void* from, int from_type, void* to, int to_type, int64_t count) {
  constexpr int64_t kChunk = 1 << 16;
  fc::by_type(from_type, [&](auto* source) {
    fc::by_type(to_type, [&](auto* target) {
      const auto* s = static_cast<decltype(source)>(const_cast<void*>(from));
      auto* t = static_cast<decltype(target)>(to);
      fc::parallel((count + kChunk - 1) / kChunk, [&](int64_t chunk, int) {
        const int64_t start = chunk * kChunk;
        fc::convert(s + start, t + start, count - start < kChunk ? count - start : kChunk);
      });
    });
  });
}

// Asks for 2 MB pages in [p, p + bytes); to be called before the memory is first written.
extern "C" void fc_large_pages(void* p, int64_t bytes) {
  constexpr uintptr_t kPage = 1 << 21;
  const uintptr_t start = ((uintptr_t)p + kPage - 1) / kPage * kPage, end = ((uintptr_t)p + bytes) / kPage * kPage;
  if (end > start) madvise((void*)start, end - start, MADV_HUGEPAGE);
}
