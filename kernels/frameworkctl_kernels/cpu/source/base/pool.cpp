// Worker threads that spin for a moment between two pieces of work and sleep when there is none.
//
// A worker that comes late finds the work closed and is not waited for, so a thread that the system does not schedule
// delays nobody beyond the chunk it holds.
#include "base/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>

namespace fc {
namespace {

constexpr int kMaxThreads = 256;
constexpr uint64_t kOpen = uint64_t(1) << 31;
constexpr uint64_t kActive = kOpen - 1;

struct alignas(64) Share {
  std::atomic<int64_t> next;
  int64_t end;
};

struct Pool {
  // high half: number of the job; bit 31: workers may still join; below: workers inside
  alignas(64) std::atomic<uint64_t> gate{0};
  alignas(64) std::atomic<uint32_t> bell{0};  // what workers sleep on; the number of the job
  alignas(64) std::atomic<int> sleepers{0};
  alignas(64) std::atomic<bool> busy{false};
  Share shares[kMaxThreads];
  Work work = nullptr;
  void* context = nullptr;
  int job_threads = 1;
  int started = 1;  // the caller counts as a thread
};

Pool* pool = nullptr;
int wanted = 1;
int64_t spin_ns = 50000, yield_ns = 300000;

int64_t now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * int64_t(1000000000) + t.tv_nsec;
}

void take_chunks(Pool& p, int thread) {
  const int count = p.job_threads;
  for (int i = 0; i < count; i++) {
    Share& share = p.shares[(thread + i) % count];
    for (;;) {
      if (share.next.load(std::memory_order_relaxed) >= share.end) break;
      const int64_t chunk = share.next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= share.end) break;
      p.work(p.context, chunk, thread);
    }
  }
}

// Waits until the bell is not `seen` any more; returns what it is then.
uint32_t await(Pool& p, uint32_t seen) {
  int64_t start = 0;
  for (int64_t i = 1;; i++) {
    const uint32_t rung = p.bell.load(std::memory_order_acquire);
    if (rung != seen) return rung;
    __builtin_ia32_pause();
    if (i % 32) continue;
    const int64_t t = now();
    if (start == 0) start = t;
    if (t - start < spin_ns) continue;
    if (t - start < yield_ns) {
      sched_yield();
      continue;
    }
    p.sleepers.fetch_add(1, std::memory_order_seq_cst);
    if (p.bell.load(std::memory_order_seq_cst) == seen)
      syscall(SYS_futex, &p.bell, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
    p.sleepers.fetch_sub(1, std::memory_order_seq_cst);
    start = 0;
  }
}

struct Start {
  Pool* pool;
  int thread;
};

void* worker(void* given) {
  const Start start = *static_cast<Start*>(given);
  delete static_cast<Start*>(given);
  Pool& p = *start.pool;
  uint32_t seen = 0;
  for (;;) {
    seen = await(p, seen);
    uint64_t gate = p.gate.load(std::memory_order_acquire);
    bool joined = false;
    while ((gate & kOpen) && !joined)
      joined = p.gate.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel, std::memory_order_acquire);
    if (!joined) continue;
    seen = uint32_t(gate >> 32);
    if (start.thread < p.job_threads) take_chunks(p, start.thread);
    p.gate.fetch_sub(1, std::memory_order_release);
  }
  return nullptr;
}

// After a fork the threads are gone in the child: it starts its own.
void forget() { pool = nullptr; }

void grow(Pool& p, int count) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);  // signals are for the threads of Python
  while (p.started < count) {
    pthread_t thread;
    auto* start = new Start{&p, p.started};
    if (pthread_create(&thread, nullptr, worker, start) != 0) {
      delete start;
      break;
    }
    pthread_detach(thread);
    p.started++;
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

thread_local bool inside = false;

}  // namespace

int threads() { return wanted; }

void run(int64_t chunks, Work work, void* context) {
  if (chunks <= 0) return;
  bool free_pool = false;
  const bool alone = wanted == 1 || inside || chunks == 1;
  if (!alone) {
    if (pool == nullptr) {
      static const int registered = pthread_atfork(nullptr, nullptr, forget);
      (void)registered;
      pool = new Pool;
    }
    if (pool->busy.compare_exchange_strong(free_pool, true, std::memory_order_acquire)) free_pool = true;
    else free_pool = false;
  }
  if (!free_pool) {
    for (int64_t c = 0; c < chunks; c++) work(context, c, 0);
    return;
  }
  Pool& p = *pool;
  if (p.started < wanted) grow(p, wanted);
  const int count = p.started < wanted ? p.started : wanted;
  for (int t = 0; t < count; t++) {
    p.shares[t].next.store(chunks * t / count, std::memory_order_relaxed);
    p.shares[t].end = chunks * (t + 1) / count;
  }
  p.work = work;
  p.context = context;
  p.job_threads = count;
  const uint32_t job = p.bell.load(std::memory_order_relaxed) + 1;
  p.gate.store((uint64_t(job) << 32) | kOpen, std::memory_order_release);
  p.bell.store(job, std::memory_order_seq_cst);
  if (p.sleepers.load(std::memory_order_seq_cst) > 0)
    syscall(SYS_futex, &p.bell, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
  inside = true;
  take_chunks(p, 0);
  inside = false;
  p.gate.fetch_and(~kOpen, std::memory_order_acq_rel);
  for (int64_t i = 1; p.gate.load(std::memory_order_acquire) & kActive; i++) {
    __builtin_ia32_pause();
    if (i % 2048 == 0) sched_yield();
  }
  p.busy.store(false, std::memory_order_release);
}

namespace {

struct Slots {
  void* memory[4] = {};
  int64_t bytes[4] = {};
  ~Slots() {
    for (void* m : memory) free(m);
  }
};
thread_local Slots slots;

}  // namespace

void* scratch(int slot, int64_t bytes) {
  if (slots.bytes[slot] < bytes) {
    free(slots.memory[slot]);
    const int64_t size = (bytes + 4095) / 4096 * 4096;
    slots.memory[slot] = aligned_alloc(4096, size);
    if (slots.memory[slot] == nullptr) abort();
    slots.bytes[slot] = size;
  }
  return slots.memory[slot];
}

}  // namespace fc

// Threads to compute with from the next call on, the caller included.
extern "C" void fc_set_threads(int count) {
  fc::wanted = count < 1 ? 1 : count > fc::kMaxThreads ? fc::kMaxThreads : count;
}

// How long a worker waits for the next piece of work: with the core to itself, then giving it to others, in ns.
extern "C" void fc_set_waiting(int64_t spin_ns, int64_t yield_ns) {
  fc::spin_ns = spin_ns;
  fc::yield_ns = spin_ns + yield_ns;
}
