// A block of experts: each multiplies the tokens that were routed to it, and what comes out is summed by token.
#include "linear/grouped.h"
#include "base/vmath.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

extern "C" void fc_gated(int, int, const void*, int64_t, int64_t, int64_t, void*);

namespace fc {

void grouped_f32(const Groups&, const void*, void*, int);
void grouped_f16(const Groups&, const void*, void*, int);
void grouped_bf16(const Groups&, const void*, void*, int);
void grouped_int8(const Groups&, int, const void*, void*, int);
void grouped_int4(const Groups&, int, const void*, void*, int);

struct Expert {  // mirrored in experts.py; biases may be null
  const Weight *gate_up, *down;
  const void *gate_up_bias, *down_bias;
};

namespace {

constexpr int64_t kMemory = 2 << 20;  // bytes for each thread that are filled between two products: what caches hold

// Where the rows of each expert are, expert after expert.
struct Routing {
  std::vector<int64_t> order;   // by row: its place in ids [tokens, k]
  std::vector<int64_t> starts;  // by expert: its first row
  std::vector<int64_t> rows;    // by place: its row
};

Routing sort_by_expert(const int64_t* ids, int64_t places, int64_t experts) {
  Routing made;
  made.starts.assign(experts + 1, 0);
  for (int64_t i = 0; i < places; i++) made.starts[ids[i] + 1]++;
  for (int64_t e = 0; e < experts; e++) made.starts[e + 1] += made.starts[e];
  made.order.resize(places);
  made.rows.resize(places);
  std::vector<int64_t> next(made.starts.begin(), made.starts.end() - 1);
  for (int64_t i = 0; i < places; i++) {
    made.rows[i] = next[ids[i]]++;
    made.order[made.rows[i]] = i;
  }
  return made;
}

// One product of all groups, x and out dense.
void multiply(const Groups& groups, int type, const void* x, void* out, int out_type) {
  const Weight& weight = *groups[0].weight;
  if (weight.group > 0 && weight.type == 8) grouped_int8(groups, type, x, out, out_type);
  else if (weight.group > 0) grouped_int4(groups, type, x, out, out_type);
  else if (type == BF16) grouped_bf16(groups, x, out, out_type);
  else if (type == F16) grouped_f16(groups, x, out, out_type);
  else grouped_f32(groups, x, out, out_type);
}

template <class F> void by_rows(int64_t rows, int64_t values, const F& f) {
  const int64_t at_once = 1 + (1 << 15) / values;
  parallel((rows + at_once - 1) / at_once, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * at_once < rows ? (chunk + 1) * at_once : rows;
    for (int64_t r = chunk * at_once; r < end; r++) f(r);
  });
}

// out = before + the sum of `count` rows of `results`, times their scales, in order. `before` may be null.
template <class T>
void add_rows(const float* results, const std::pair<int64_t, float>* rows, size_t count, const float* before, T* out,
              int64_t hidden) {
  int64_t c = 0;
  for (; c + VL <= hidden; c += VL) {
    vf sum = before ? vload(before + c) : vzero();
    for (size_t i = 0; i < count; i++)
      sum = vfma(vload(results + rows[i].first * hidden + c), vset(rows[i].second), sum);
    vstore(out + c, sum);
  }
  for (; c < hidden; c++) {
    float sum = before ? before[c] : 0.0f;
    for (size_t i = 0; i < count; i++) sum += results[rows[i].first * hidden + c] * rows[i].second;
    narrow(sum, out + c);
  }
}

template <class T> struct Block {
  const Expert* experts;
  int64_t count, hidden, inner;
  const T* x;
  int64_t stride, tokens;
  const float* weights;
  const int64_t* ids;
  int64_t k;
  int kind, type;
  T* out;

  void run() const {
    const Routing routing = sort_by_expert(ids, tokens * k, count);
    const int64_t row_bytes = (hidden + 3 * inner) * sizeof(T) + hidden * sizeof(float);
    std::vector<float> sums;
    for (int64_t e = 0, first = 0; e < count;) {
      int64_t end = e + 1;  // experts [e, end) at once: as many as memory is for
      while (end < count && (routing.starts[end + 1] - first) * row_bytes <= kMemory * threads()) end++;
      const int64_t last = routing.starts[end];
      const float* results = compute(routing, e, end);
      const float* before = first == 0 ? nullptr : sums.data();
      if (last == tokens * k) return combine(routing, results, first, last, before, out);
      if (sums.empty()) sums.resize(tokens * hidden);
      combine(routing, results, first, last, before, sums.data());
      e = end, first = last;
    }
  }

  // [rows, hidden]: what experts [start, end) make of their rows.
  const float* compute(const Routing& routing, int64_t start, int64_t end) const {
    const int64_t first = routing.starts[start], rows = routing.starts[end] - first;
    float* results = static_cast<float*>(scratch(3, rows * hidden * sizeof(float)));
    T* given = static_cast<T*>(scratch(2, rows * (hidden + 3 * inner) * sizeof(T)));
    T *gate_up = given + rows * hidden, *middle = gate_up + rows * 2 * inner;
    Groups up, down;
    for (int64_t e = start; e < end; e++) {
      const int64_t begin = routing.starts[e] - first, own = routing.starts[e + 1] - routing.starts[e];
      if (own == 0) continue;
      up.push_back({experts[e].gate_up, experts[e].gate_up_bias, begin, own});
      down.push_back({experts[e].down, experts[e].down_bias, begin, own});
    }
    if (rows == 0) return results;
    by_rows(rows, hidden, [&](int64_t r) {
      memcpy(given + r * hidden, x + routing.order[first + r] / k * stride, hidden * sizeof(T));
    });
    multiply(up, type, given, gate_up, type);
    fc_gated(type, kind, gate_up, 2 * inner, rows, inner, middle);
    multiply(down, type, middle, results, F32);
    return results;
  }

  // to [tokens, hidden] = before + each token's rows of [first, last), in order, so that of experts too.
  template <class To>
  void combine(const Routing& routing, const float* results, int64_t first, int64_t last, const float* before,
               To* to) const {
    by_rows(tokens, hidden * k, [&](int64_t t) {
      static thread_local std::vector<std::pair<int64_t, float>> own;
      own.clear();
      for (int64_t place = t * k; place < (t + 1) * k; place++) {
        const int64_t row = routing.rows[place];
        if (row >= first && row < last) own.emplace_back(row - first, weights[place]);
      }
      if (own.empty() && static_cast<const void*>(to) == before) return;
      std::sort(own.begin(), own.end());
      add_rows(results, own.data(), own.size(), before ? before + t * hidden : nullptr, to + t * hidden, hidden);
    });
  }
};

}  // namespace
}  // namespace fc

// out [tokens, hidden] dense: the sum over j of weights[t, j] times the expert ids[t, j] of row t of x. Sums are kept in
// float32, over ascending experts. All experts' matrices have the same shapes and format.
extern "C" void fc_experts(int type, const fc::Expert* experts, int64_t count, int64_t hidden, int64_t inner,
                           const void* x, int64_t stride, int64_t tokens, const float* weights, const int64_t* ids,
                           int64_t k, int kind, void* out) {
  using namespace fc;
  if (tokens == 0) return;
  by_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    Block<T>{experts, count, hidden, inner, static_cast<const T*>(x), stride, tokens, weights, ids, k, kind, type,
             static_cast<T*>(out)}.run();
  });
}
