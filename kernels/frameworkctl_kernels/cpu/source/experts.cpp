// A block of experts: each multiplies the tokens that were routed to it, and what comes out is summed by token.
#include <type_traits>
#include <vector>

#include "linear.h"
#include "vmath.h"

extern "C" void fc_linear(const fc::Weight*, const void*, int64_t, int64_t, const void*, void*, int);
extern "C" void fc_linear_quantized(const fc::Weight*, int, const void*, int64_t, int64_t, const void*, void*, int);
extern "C" void fc_gated(int, int, const void*, int64_t, int64_t, int64_t, void*);

namespace fc {

struct Expert {  // mirrored in experts.py; biases may be null
  const Weight *gate_up, *down;
  const void *gate_up_bias, *down_bias;
};

namespace {

// The places in ids [tokens, k] of each expert, expert after expert, and where each one's begin.
void sort_by_expert(const int64_t* ids, int64_t places, int64_t experts, std::vector<int64_t>& order,
                    std::vector<int64_t>& starts) {
  starts.assign(experts + 1, 0);
  for (int64_t i = 0; i < places; i++) starts[ids[i] + 1]++;
  for (int64_t e = 0; e < experts; e++) starts[e + 1] += starts[e];
  order.resize(places);
  std::vector<int64_t> next(starts.begin(), starts.end() - 1);
  for (int64_t i = 0; i < places; i++) order[next[ids[i]]++] = i;
}

void add_scaled(float* sum, const float* x, float scale, int64_t count) {
  int64_t i = 0;
  for (; i + VL <= count; i += VL) vstore(sum + i, vfma(vload(x + i), vset(scale), vload(sum + i)));
  for (; i < count; i++) sum[i] += x[i] * scale;
}

void product(const Weight* weight, int type, const void* x, int64_t inputs, int64_t rows, const void* bias, void* out,
             int out_type) {
  if (weight->group == 0) fc_linear(weight, x, inputs, rows, bias, out, out_type);
  else fc_linear_quantized(weight, type, x, inputs, rows, bias, out, out_type);
}

}  // namespace
}  // namespace fc

// out [tokens, hidden] dense: the sum over j of weights[t, j] times the expert ids[t, j] of row t of x. Sums are kept in
// float32, over ascending experts.
extern "C" void fc_experts(int type, const fc::Expert* experts, int64_t count, int64_t hidden, int64_t inner,
                           const void* x, int64_t stride, int64_t tokens, const float* weights, const int64_t* ids,
                           int64_t k, int kind, void* out) {
  using namespace fc;
  std::vector<int64_t> order, starts;
  sort_by_expert(ids, tokens * k, count, order, starts);
  std::vector<float> sums(tokens * hidden, 0.0f);
  by_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    for (int64_t e = 0; e < count; e++) {
      const int64_t rows = starts[e + 1] - starts[e];
      if (rows == 0) continue;
      const int64_t* places = order.data() + starts[e];
      T* given = static_cast<T*>(scratch(2, rows * (hidden + 3 * inner) * sizeof(T)));
      T *middle = given + rows * hidden, *gate_up = middle + rows * inner;
      float* result = static_cast<float*>(scratch(3, rows * hidden * sizeof(float)));
      for (int64_t r = 0; r < rows; r++)
        memcpy(given + r * hidden, static_cast<const T*>(x) + places[r] / k * stride, hidden * sizeof(T));
      product(experts[e].gate_up, type, given, hidden, rows, experts[e].gate_up_bias, gate_up, type);
      fc_gated(type, kind, gate_up, 2 * inner, rows, inner, middle);
      product(experts[e].down, type, middle, inner, rows, experts[e].down_bias, result, F32);
      for (int64_t r = 0; r < rows; r++)
        add_scaled(sums.data() + places[r] / k * hidden, result + r * hidden, weights[places[r]], hidden);
    }
    for (int64_t i = 0; i < tokens * hidden; i++) narrow(sums[i], static_cast<T*>(out) + i);
  });
}
