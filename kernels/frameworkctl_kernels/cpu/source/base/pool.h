// The threads that all kernels share: call parallel() with independent chunks of work.
#pragma once
#include <cstdint>

namespace fc {

using Work = void (*)(void* context, int64_t chunk, int thread);

// Runs work(context, c, thread) once for every c of [0, chunks), thread in [0, threads()); returns when all are done.
// Each thread begins with its own contiguous share of the chunks and then helps the others with theirs, so results must
// not depend on who computes a chunk. A call from inside a chunk, or while another caller has the pool, runs serially.
void run(int64_t chunks, Work work, void* context);

// Threads that run() computes with, the caller included; indices of per-thread memory are below it.
int threads();

template <class F> void parallel(int64_t chunks, const F& work) {
  if (chunks == 1) {
    work(int64_t(0), 0);
    return;
  }
  run(chunks, [](void* context, int64_t chunk, int thread) { (*static_cast<const F*>(context))(chunk, thread); },
      const_cast<F*>(&work));
}

// Memory of a thread that lives as long as the process: at least `bytes` at 64-byte alignment. Slot 0 to 3: a chunk that
// needs several pieces at once takes them from different slots.
void* scratch(int slot, int64_t bytes);

}  // namespace fc
