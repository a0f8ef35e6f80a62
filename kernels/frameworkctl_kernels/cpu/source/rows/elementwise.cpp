// What is done to each element: rotary embedding and activations.
#include <type_traits>

#include "base/pool.h"
#include "base/rotate.h"

namespace fc {
namespace {

constexpr int64_t kChunk = 16384;  // elements

enum Kind : int { SILU = 0, GELU = 1, GELU_TANH = 2, RELU = 3, RELU2 = 4, SWIGLU_OAI = 5 };

template <int K> inline vf activate(vf x) {
  if constexpr (K == SILU) return vmul(x, vsigmoid(x));
  if constexpr (K == GELU) return vgelu(x);
  if constexpr (K == GELU_TANH) return vgelu_tanh(x);
  const vf positive = vmax(x, vzero());
  return K == RELU2 ? vmul(positive, positive) : positive;
}

template <int K> inline vf gate(vf g, vf up) {
  if constexpr (K != SWIGLU_OAI) return vmul(activate<K>(g), up);
  const vf limit = vset(7.0f), capped = vmin(g, limit);
  const vf bounded = vadd(vmax(vmin(up, limit), vset(-7.0f)), vset(1.0f));
  return vmul(vmul(capped, vsigmoid(vmul(capped, vset(1.702f)))), bounded);
}

template <int K, class T> void activate_row(T* x, int64_t count) {
  int64_t i = 0;
  for (; i + VL <= count; i += VL) vstore(x + i, activate<K>(vload(x + i)));
  if (i < count) vstore_some(x + i, activate<K>(vload_some(x + i, count - i)), count - i);
}

template <int K, class T> void gate_row(const T* g, const T* up, T* out, int64_t count) {
  int64_t i = 0;
  for (; i + VL <= count; i += VL) vstore(out + i, gate<K>(vload(g + i), vload(up + i)));
  if (i < count) vstore_some(out + i, gate<K>(vload_some(g + i, count - i), vload_some(up + i, count - i)), count - i);
}

template <class T> using GateRow = void (*)(const T*, const T*, T*, int64_t);

template <class T> GateRow<T> gate_of(int kind) {
  constexpr GateRow<T> kRows[] = {gate_row<SILU, T>, gate_row<GELU, T>,  gate_row<GELU_TANH, T>,
                                  gate_row<RELU, T>, gate_row<RELU2, T>, gate_row<SWIGLU_OAI, T>};
  return kRows[kind];
}

template <class T> using ActivateRow = void (*)(T*, int64_t);

template <class T> ActivateRow<T> activation_of(int kind) {
  constexpr ActivateRow<T> kRows[] = {activate_row<SILU, T>, activate_row<GELU, T>, activate_row<GELU_TANH, T>,
                                      activate_row<RELU, T>, activate_row<RELU2, T>};
  return kRows[kind];
}

}  // namespace
}  // namespace fc

// In place on x [tokens, heads, >= 2 half]; cos_sin [tokens, 2 half] of the same type.
extern "C" void fc_rotary(int type, void* x, int64_t tokens, int64_t heads, int64_t stride, int64_t head_stride,
                          const void* cos_sin, int64_t cos_sin_stride, int64_t half, int interleaved) {
  using namespace fc;
  by_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const int64_t at_once = 1 + kChunk / (heads * 2 * half);
    parallel((tokens + at_once - 1) / at_once, [&](int64_t chunk, int) {
      const int64_t end = (chunk + 1) * at_once < tokens ? (chunk + 1) * at_once : tokens;
      for (int64_t token = chunk * at_once; token < end; token++) {
        rotate(static_cast<T*>(x) + token * stride, heads, head_stride,
               static_cast<const T*>(cos_sin) + token * cos_sin_stride, half, interleaved != 0);
      }
    });
  });
}

// out [rows, size] dense from gate_up [rows, 2 size], rows `stride` apart; kind as of fc::Kind.
extern "C" void fc_gated(int type, int kind, const void* gate_up, int64_t stride, int64_t rows, int64_t size,
                         void* out) {
  using namespace fc;
  by_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const auto row = gate_of<T>(kind);
    const int64_t at_once = 1 + kChunk / size;
    parallel((rows + at_once - 1) / at_once, [&](int64_t chunk, int) {
      const int64_t end = (chunk + 1) * at_once < rows ? (chunk + 1) * at_once : rows;
      for (int64_t r = chunk * at_once; r < end; r++) {
        const T* gates = static_cast<const T*>(gate_up) + r * stride;
        row(gates, gates + size, static_cast<T*>(out) + r * size, size);
      }
    });
  });
}

// In place on x [count]; kind as of fc::Kind, none that needs a gate.
extern "C" void fc_activation(int type, int kind, void* x, int64_t count) {
  using namespace fc;
  by_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const auto row = activation_of<T>(kind);
    parallel((count + kChunk - 1) / kChunk, [&](int64_t chunk, int) {
      const int64_t first = chunk * kChunk;
      row(static_cast<T*>(x) + first, count - first < kChunk ? count - first : kChunk);
    });
  });
}
