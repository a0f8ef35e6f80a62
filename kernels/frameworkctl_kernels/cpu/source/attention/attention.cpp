// Attention over paged keys and values, over a step's own tensors, and over paged latents: one algorithm for all.
//
// Work is cut into items: some query rows (tokens times the heads that share a key head) against a range of keys. Keys
// come in tiles; softmax is kept online in float32 (Milakov and Gimelshein 2018; Dao et al. 2022). Few queries against
// many keys are cut along the keys, and the parts joined afterwards. Processors that multiply bfloat16 do so here too:
// queries, keys, values and the weights between them as bfloat16, sums as floats.
#include "attention/attention_work.h"

namespace fc {
namespace {

constexpr int64_t kDirectRows = 10;  // up to here a page is multiplied as it lies, beyond it pays to gather a tile first

#ifdef FC_BF16_DOT
constexpr bool kDots = true;
#else
constexpr bool kDots = false;
#endif

// Whether keys and values of bfloat16 can be had as pairs of keys, side by side.
bool by_pairs(const KV& kv) { return kv.place == ROWS || (kv.place == LATENT ? kv.block % 2 == 0 : kv.woven()); }

// Adds what `more` has seen to `s`.
void join(const State& s, const State& more, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    const float most = std::max(s.most[r], more.most[r]);
    if (most == -kInfinity) continue;
    const vf keep = vexp(vset(s.most[r] - most)), take = vexp(vset(more.most[r] - most));
    for (int64_t d = 0; d < width; d += VL) {
      float* mixed = s.mixed + r * width + d;
      vstore(mixed, vfma(vload(more.mixed + r * width + d), take, vmul(vload(mixed), keep)));
    }
    s.sum[r] = s.sum[r] * vfirst(keep) + more.sum[r] * vfirst(take);
    s.most[r] = most;
  }
}

// Scores of a tile to weights, perhaps in place; columns outside [low, high) become 0. Brings the row's state up to date.
template <class X>
void soften(const AttentionLayer& layer, float* scores, X* weights, int64_t low, int64_t high, const State& s, int64_t r,
            int64_t width) {
  if (low >= high) {
    std::fill(weights, weights + kTile, X{});
    return;
  }
  const vf scale = vset(layer.scale), out = vset(-kInfinity);
  const int64_t begin = low / VL * VL, end = round_up(high, VL);
  vf most = out;
  for (int64_t j = begin; j < end; j += VL) {
    vf x = vmul(vload(scores + j), scale);
    if (layer.softcap > 0) x = vmul(vset(layer.softcap), vtanh(vmul(x, vset(1.0f / layer.softcap))));
    if (j < low || j + VL > high) {
      const vf column = vadd(vlanes(), vset(float(j)));
      x = vselect_less(column, vset(float(low)), out, vselect_less(column, vset(float(high)), x, out));
    }
    most = vmax(most, x);
    vstore(scores + j, x);
  }
  const float before = s.most[r], now = std::max(before, vmaximum(most));
  const vf top = vset(now == -kInfinity ? 0.0f : now);
  vf sum = vzero();
  for (int64_t j = begin; j < end; j += VL) {
    const vf weight = vexp(vsub(vload(scores + j), top));
    sum = vadd(sum, weight);
    vstore(weights + j, weight);
  }
  std::fill(weights, weights + begin, X{});
  std::fill(weights + end, weights + kTile, X{});
  if (now != before) {
    const vf keep = vexp(vset(before - now));
    for (int64_t d = 0; d < width; d += VL) vstore(s.mixed + r * width + d, vmul(vload(s.mixed + r * width + d), keep));
    s.sum[r] *= vfirst(keep);
    s.most[r] = now;
  }
  s.sum[r] += vsum(sum);
}

template <class X> struct Memory {  // of a thread; X: of what is multiplied
  X *query, *keys, *values, *weights;
  float *scores, *state, *total;
  explicit Memory(const Call& call) {
    const int64_t dim = call.layer.kv.dim;
    const int64_t sizes[] = {kRows * round_up(dim, VL), dim * kTile,     kTile * call.width, kRows * kTile,
                             kRows * kTile,             call.state_size, call.state_size};  // in floats, room for any X
    int64_t whole = 0;
    for (int64_t size : sizes) whole += round_up(size, 16);
    float *at = static_cast<float*>(scratch(0, whole * sizeof(float))), *parts[7];
    for (int i = 0; i < 7; at += round_up(sizes[i++], 16)) parts[i] = at;
    X** xs[] = {&query, &keys, &values, &weights};
    for (int i = 0; i < 4; i++) *xs[i] = reinterpret_cast<X*>(parts[i]);
    scores = __is_same(X, float) ? parts[3] : parts[4];  // in place where they can be
    state = parts[5], total = parts[6];
  }
};

// Asks for memory that will be read soon: pages lie anywhere, so the processor cannot guess what comes next.
inline void prefetch(const bf16* p, int64_t count) {
  for (int64_t i = 0; i < count; i += 32) _mm_prefetch((const char*)(p + i), _MM_HINT_T0);
}

// Scores, weights and mixture of one tile whose pages are multiplied as they lie: bfloat16, woven, block % 16 == 0.
template <class X>
void direct_scores(const Call& call, const Item& item, int64_t rows, int64_t tile, int64_t from, int64_t to,
                   const Memory<X>& mem) {
  const KV& kv = call.layer.kv;
  const int32_t* pages = call.step.table + item.seq * call.step.table_stride;
  for (int64_t j = from / 16 * 16; j < to;) {
    const int64_t at = j % kv.block, count = std::min(kv.block - at, round_up(to - j, 16));
    const int64_t size = kv.block * kv.dim, page = pages[j / kv.block] * kv.stride + item.head * size;
    const bf16* keys = static_cast<const bf16*>(kv.keys) + page + 2 * at;
    if (at == 0 && size <= 4096) {
      prefetch(static_cast<const bf16*>(kv.values) + page, size);
      if (j + kv.block < item.to)
        prefetch(static_cast<const bf16*>(kv.keys) + pages[j / kv.block + 1] * kv.stride + item.head * size, size);
    }
    product(mem.query, kv.dim, Pairs{keys, kv.block}, mem.scores + (j - tile), kTile, rows, count, kv.dim, false);
    j += count;
  }
}

template <class X>
void direct_mixture(const Call& call, const Item& item, int64_t rows, int64_t tile, int64_t from, int64_t to,
                    const Memory<X>& mem, float* mixed) {
  const KV& kv = call.layer.kv;
  const int32_t* pages = call.step.table + item.seq * call.step.table_stride;
  for (int64_t j = from; j < to;) {
    const int64_t at = j % kv.block, count = std::min(kv.block - at, to - j);
    const bf16* values = static_cast<const bf16*>(kv.values) + pages[j / kv.block] * kv.stride +
                         item.head * kv.block * kv.dim + at * kv.dim;
    product(mem.weights + (j - tile), kTile, Pairs{values, kv.dim}, mixed, call.width, rows, kv.dim, count, true);
    j += count;
  }
}

// The item's rows against keys [from, to), added to `s`.
template <class T, class X>
void attend(const Call& call, const Item& item, int64_t from, int64_t to, const Memory<X>& mem, const State& s) {
  using Right = std::conditional_t<__is_same(X, float), Floats, Pairs>;
  const KV& kv = call.layer.kv;
  const int64_t rows = (item.last - item.first) * item.heads, first = call.step.query_start[item.seq];
  const int32_t* pages = call.step.table + (kv.place == ROWS ? 0 : item.seq * call.step.table_stride);
  const bool direct = __is_same(T, bf16) && kv.place == PAGES && kv.woven() && kv.block % 16 == 0 &&
                      kv.dim % VL == 0 && rows <= kDirectRows;
  for (int64_t tile = from / kTile * kTile; tile < to; tile += kTile) {
    const int64_t begin = std::max(tile, from) / 2 * 2, end = std::min(tile + kTile, to);
    const Right keys{mem.keys, kTile}, values{mem.values + (begin - tile) * call.width, call.width};
    if (direct) {
      direct_scores(call, item, rows, tile, begin, end, mem);
    } else {
      load_tile<T>(kv, pages, first, item.head, tile, begin, end, mem.keys, mem.values, call.width);
      product(mem.query, kv.dim, keys, mem.scores, kTile, rows, round_up(end - tile, VL), kv.dim, false);
    }
    for (int64_t r = 0; r < rows; r++) {
      int64_t low, high;
      call.visible(item, item.first + r / item.heads, low, high);
      soften(call.layer, mem.scores + r * kTile, mem.weights + r * kTile, std::max<int64_t>(0, std::max(low, from) - tile),
             std::min(high, end) - tile, s, r, call.width);
    }
    if (direct) direct_mixture(call, item, rows, tile, begin, end, mem, s.mixed);
    else product(mem.weights + (begin - tile), kTile, values, s.mixed, call.width, rows, call.width, end - begin, true);
  }
}

template <class T, class X> void load_queries(const Call& call, const Item& item, X* to) {
  const int64_t dim = call.layer.kv.dim, first = call.step.query_start[item.seq];
  for (int64_t t = item.first; t < item.last; t++)
    for (int64_t h = item.first_head; h < item.first_head + item.heads; h++, to += dim)
      load_row(static_cast<const T*>(call.query) + (first + t) * call.query_stride + h * call.query_head_stride, to,
               dim);
}

template <class T> void finish(const Call& call, const Item& item, const State& s) {
  const int64_t dim = call.layer.kv.value_dim, first = call.step.query_start[item.seq];
  int64_t r = 0;
  for (int64_t t = item.first; t < item.last; t++)
    for (int64_t h = item.first_head; h < item.first_head + item.heads; h++, r++) {
      T* out = static_cast<T*>(call.out) + (first + t) * call.out_stride + h * dim;
      float scale = s.sum[r];
      if (call.layer.sinks != nullptr) {  // one more logit, without a value
        const float sink = call.layer.sinks[h], most = std::max(sink, s.most[r]);
        const float keep = vfirst(vexp(vset(s.most[r] - most)));
        scale = keep > 0 ? s.sum[r] + vfirst(vexp(vset(sink - most))) / keep : 0;
      }
      const vf share = vset(scale > 0 ? 1.0f / scale : 0.0f);
      const float* mixed = s.mixed + r * call.width;
      int64_t d = 0;
      for (; d + VL <= dim; d += VL) vstore(out + d, vmul(vload(mixed + d), share));
      for (; d < dim; d++) narrow(mixed[d] * vfirst(share), out + d);
    }
}

// X: as what numbers of type T are multiplied.
template <class T, class X> void run_item(const Call& call, const Item& item) {
  const Memory<X> mem(call);
  const int64_t rows = (item.last - item.first) * item.heads, fixed = call.layer.fixed;
  load_queries<T, X>(call, item, mem.query);
  const State s = call.state(item.part < 0 ? mem.state : call.parts + item.part * call.state_size);
  call.clear(s, rows);
  if (item.part >= 0 || fixed <= 0 || item.to <= fixed) {
    attend<T>(call, item, item.from, item.to, mem, s);
  } else {  // in the same parts as if they had been cut
    const State part = call.state(mem.total);
    for (int64_t from = item.from; from < item.to; from = (from / fixed + 1) * fixed) {
      call.clear(part, rows);
      attend<T>(call, item, from, std::min(item.to, (from / fixed + 1) * fixed), mem, part);
      join(s, part, rows, call.width);
    }
  }
  if (item.part < 0) finish<T>(call, item, s);
}

template <class T> void run_join(const Call& call, const Join& joined) {
  const Memory<float> mem(call);
  const Item& item = call.items[joined.item];
  const int64_t rows = (item.last - item.first) * item.heads;
  const State s = call.state(mem.state);
  call.clear(s, rows);
  for (int64_t p = 0; p < joined.parts; p++)
    join(s, call.state(call.parts + (joined.part + p) * call.state_size), rows, call.width);
  finish<T>(call, item, s);
}

}  // namespace
}  // namespace fc

// See AttentionStep and AttentionLayer; query strides and out_stride (from token to token) in elements, out's heads
// stand back to back.
extern "C" void fc_attention(const fc::AttentionStep* step, const fc::AttentionLayer* layer, const void* query,
                             int64_t query_stride, int64_t query_head_stride, void* out, int64_t out_stride) {
  using namespace fc;
  const int64_t width = round_up(layer->kv.value_dim, VL);
  Call call{*step, *layer, query, out, query_stride, query_head_stride, out_stride, width,
            round_up(2 * kRows + kRows * width, 16), nullptr, nullptr};
  std::vector<Item> items;
  std::vector<Join> joins;
  collect(call, items);
  const int64_t parts = cut(call, items, joins);
  call.items = items.data();
  if (parts > 0) call.parts = static_cast<float*>(scratch(1, parts * call.state_size * sizeof(float)));
  const std::vector<int64_t> order = deal(items);
  by_type(layer->kv.type, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    auto run = run_item<T, float>;
    if constexpr (kDots && __is_same(T, bf16))
      if (by_pairs(layer->kv)) run = run_item<T, bf16>;
    parallel(int64_t(items.size()), [&](int64_t i, int) { run(call, items[order[i]]); });
    parallel(int64_t(joins.size()), [&](int64_t i, int) { run_join<T>(call, joins[i]); });
  });
}
