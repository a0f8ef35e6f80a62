// Causal convolution and selective scan with a state per sequence: sequences and channels are shared out to the threads,
// and each walks through its tokens in order of time.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "base/pool.h"
#include "base/vmath.h"

namespace fc {

// Of a step, mirrored in state_space.py: sequence s has the tokens [query_start[s], query_start[s + 1]) and its state in
// page slots[s * slot_stride]; a state's pages are state_stride floats apart.
struct StateStep {
  int64_t seqs;
  const int64_t* query_start;
  const int32_t* slots;
  int64_t slot_stride;
  float* state;
  int64_t state_stride, channels, width;  // width: taps of the convolution, or values of a channel's state

  int64_t count(int64_t s) const { return query_start[s + 1] - query_start[s]; }
  float* of(int64_t s) const { return state + slots[s * slot_stride] * state_stride; }
};

struct Strided {  // mirrored in state_space.py: [tokens, ...], null where there is none
  const void* p;
  int64_t stride;
  template <class T> const T* row(int64_t token) const { return static_cast<const T*>(p) + token * stride; }
};

namespace {

constexpr int64_t kChannels = 64;  // of a chunk; a multiple of every VL

template <class F> void each_share(const StateStep& step, const F& f) {
  const int64_t across = (step.channels + kChannels - 1) / kChannels;
  parallel(step.seqs * across, [&](int64_t chunk, int) {
    const int64_t s = chunk / across, first = chunk % across * kChannels;
    if (step.count(s) == 0) return;
    f(s, first, step.channels - first < kChannels ? step.channels - first : kChannels);
  });
}

// One sequence's channels [first, first + count): `window` holds the last inputs, oldest first, then the present one.
template <class T>
void convolve(const StateStep& step, const Strided& x, const float* weight, const float* bias, bool silu, T* out,
              int64_t s, int64_t first, int64_t count) {
  const int64_t taps = step.width;
  float* memory = static_cast<float*>(scratch(0, (2 * taps + 1) * kChannels * sizeof(float)));
  float *weights = memory, *window = memory + taps * kChannels, *result = window + taps * kChannels;
  std::fill(memory, memory + (2 * taps + 1) * kChannels, 0.0f);
  for (int64_t j = 0; j < taps; j++)
    for (int64_t c = 0; c < count; c++) weights[j * kChannels + c] = weight[(first + c) * taps + j];
  float* state = step.of(s) + first;
  for (int64_t j = 0; j + 1 < taps; j++) memcpy(window + j * kChannels, state + j * step.channels, count * 4);
  for (int64_t t = step.query_start[s]; t < step.query_start[s + 1]; t++) {
    float* present = window + (taps - 1) * kChannels;
    for (int64_t c = 0; c < count; c++) present[c] = widen(x.row<T>(t)[first + c]);
    for (int64_t c = 0; c < count; c += VL) {
      vf sum = bias != nullptr ? vload_some(bias + first + c, count - c < VL ? count - c : VL) : vzero();
      for (int64_t j = 0; j < taps; j++)
        sum = vfma(vload(weights + j * kChannels + c), vload(window + j * kChannels + c), sum);
      vstore(result + c, silu ? vmul(sum, vsigmoid(sum)) : sum);
    }
    for (int64_t c = 0; c < count; c++) narrow(result[c], out + t * step.channels + first + c);
    memmove(window, window + kChannels, (taps - 1) * kChannels * sizeof(float));
  }
  for (int64_t j = 0; j + 1 < taps; j++) memcpy(state + j * step.channels, window + j * kChannels, count * 4);
}

struct Scan {  // mirrored in state_space.py
  Strided x, dt, b, c, z;
  const float *a, *d, *dt_bias;
};

inline float softplus(float x) { return x > 20 ? x : std::log1p(std::exp(x)); }

template <class T>
void scan(const StateStep& step, const Scan& given, T* out, int64_t s, int64_t first, int64_t count) {
  const int64_t size = step.width, padded = (size + VL - 1) / VL * VL;
  float* memory = static_cast<float*>(scratch(0, (2 * kChannels + 2) * padded * sizeof(float)));
  float *h = memory, *a = h + kChannels * padded, *b = a + kChannels * padded, *c = b + padded;
  std::fill(memory, memory + (2 * kChannels + 2) * padded, 0.0f);
  float* state = step.of(s) + first * size;
  for (int64_t i = 0; i < count; i++) {
    memcpy(h + i * padded, state + i * size, size * sizeof(float));
    memcpy(a + i * padded, given.a + (first + i) * size, size * sizeof(float));
  }
  for (int64_t t = step.query_start[s]; t < step.query_start[s + 1]; t++) {
    for (int64_t n = 0; n < size; n++) {
      b[n] = widen(given.b.row<T>(t)[n]);
      c[n] = widen(given.c.row<T>(t)[n]);
    }
    for (int64_t i = 0; i < count; i++) {
      const int64_t channel = first + i;
      const float x = widen(given.x.row<T>(t)[channel]);
      const float time = softplus(widen(given.dt.row<T>(t)[channel]) + given.dt_bias[channel]);
      const vf pushed = vset(time * x), stretch = vset(time);
      vf sum = vzero();
      for (int64_t n = 0; n < padded; n += VL) {
        float* at = h + i * padded + n;
        const vf now = vfma(vexp(vmul(stretch, vload(a + i * padded + n))), vload(at), vmul(pushed, vload(b + n)));
        vstore(at, now);
        sum = vfma(now, vload(c + n), sum);
      }
      float y = vsum(sum) + given.d[channel] * x;
      if (given.z.p != nullptr) {
        const float z = widen(given.z.row<T>(t)[channel]);
        y *= z / (1.0f + std::exp(-z));
      }
      narrow(y, out + t * step.channels + channel);
    }
  }
  for (int64_t i = 0; i < count; i++) memcpy(state + i * size, h + i * padded, size * sizeof(float));
}

}  // namespace
}  // namespace fc

// out [tokens, channels] dense; weight [channels, width] and bias [channels] (or null) float32; state [width - 1,
// channels] of each sequence.
extern "C" void fc_causal_conv(const fc::StateStep* step, int type, const void* x, int64_t stride, const float* weight,
                               const float* bias, int silu, void* out) {
  fc::by_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    fc::each_share(*step, [&](int64_t s, int64_t first, int64_t count) {
      fc::convolve<T>(*step, {x, stride}, weight, bias, silu != 0, static_cast<T*>(out), s, first, count);
    });
  });
}

// out [tokens, channels] dense; state [channels, width] of each sequence.
extern "C" void fc_selective_scan(const fc::StateStep* step, int type, const fc::Scan* given, void* out) {
  fc::by_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    fc::each_share(*step, [&](int64_t s, int64_t first, int64_t count) {
      fc::scan<T>(*step, *given, static_cast<T*>(out), s, first, count);
    });
  });
}
