// Attention over paged keys and values, over a step's own tensors, and over paged latents: one algorithm for all.
//
// Work is cut into items: some query rows (tokens times the heads that share a key head) against a range of keys. Keys
// come in tiles; softmax is kept online in float32 (Milakov and Gimelshein 2018; Dao et al. 2022). Few queries against
// many keys are cut along the keys, and the parts joined afterwards.
#include "attention_work.h"

namespace fc {
namespace {

constexpr int64_t kDirectRows = 10;  // up to here a page is multiplied as it lies, beyond it pays to widen it first

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

// Scores of a tile to weights, in place; columns outside [low, high) become 0. Brings the row's state up to date.
void soften(const AttentionLayer& layer, float* scores, int64_t low, int64_t high, const State& s, int64_t r,
            int64_t width) {
  if (low >= high) {
    std::fill(scores, scores + kTile, 0.0f);
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
    vstore(scores + j, weight);
  }
  std::fill(scores, scores + begin, 0.0f);
  std::fill(scores + end, scores + kTile, 0.0f);
  if (now != before) {
    const vf keep = vexp(vset(before - now));
    for (int64_t d = 0; d < width; d += VL) vstore(s.mixed + r * width + d, vmul(vload(s.mixed + r * width + d), keep));
    s.sum[r] *= vfirst(keep);
    s.most[r] = now;
  }
  s.sum[r] += vsum(sum);
}

struct Memory {  // of a thread
  float *query, *scores, *keys, *values, *state, *total;
  explicit Memory(const Call& call) {
    const int64_t dim = call.layer.kv.dim;
    const int64_t sizes[] = {kRows * round_up(dim, VL), kRows * kTile,   dim * kTile,
                             kTile * call.width,        call.state_size, call.state_size};
    int64_t whole = 0;
    for (int64_t size : sizes) whole += round_up(size, 16);
    float* at = static_cast<float*>(scratch(0, whole * sizeof(float)));
    float** names[] = {&query, &scores, &keys, &values, &state, &total};
    for (int i = 0; i < 6; i++) {
      *names[i] = at;
      at += round_up(sizes[i], 16);
    }
  }
};

// Asks for memory that will be read soon: pages lie anywhere, so the processor cannot guess what comes next.
inline void prefetch(const bf16* p, int64_t count) {
  for (int64_t i = 0; i < count; i += 32) _mm_prefetch((const char*)(p + i), _MM_HINT_T0);
}

// Scores, weights and mixture of one tile whose pages are multiplied as they lie: bfloat16, woven, block % 16 == 0.
void direct_scores(const Call& call, const Item& item, int64_t rows, int64_t tile, int64_t from, int64_t to,
                   const Memory& mem) {
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

void direct_mixture(const Call& call, const Item& item, int64_t rows, int64_t tile, int64_t from, int64_t to,
                    const Memory& mem, float* mixed) {
  const KV& kv = call.layer.kv;
  const int32_t* pages = call.step.table + item.seq * call.step.table_stride;
  for (int64_t j = from; j < to;) {
    const int64_t at = j % kv.block, count = std::min(kv.block - at, to - j);
    const bf16* values = static_cast<const bf16*>(kv.values) + pages[j / kv.block] * kv.stride +
                         item.head * kv.block * kv.dim + at * kv.dim;
    product(mem.scores + (j - tile), kTile, Pairs{values, kv.dim}, mixed, call.width, rows, kv.dim, count, true);
    j += count;
  }
}

// The item's rows against keys [from, to), added to `s`.
template <class T>
void attend(const Call& call, const Item& item, int64_t from, int64_t to, const Memory& mem, const State& s) {
  const KV& kv = call.layer.kv;
  const int64_t rows = (item.last - item.first) * item.heads, first = call.step.query_start[item.seq];
  const int32_t* pages = call.step.table + (kv.place == ROWS ? 0 : item.seq * call.step.table_stride);
  const bool direct = __is_same(T, bf16) && kv.place == PAGES && kv.woven() && kv.block % 16 == 0 &&
                      kv.dim % VL == 0 && rows <= kDirectRows;
  for (int64_t tile = from / kTile * kTile; tile < to; tile += kTile) {
    const int64_t begin = std::max(tile, from) / 2 * 2, end = std::min(tile + kTile, to);
    const Floats keys{mem.keys, kTile}, values{mem.values + (begin - tile) * call.width, call.width};
    if (direct) {
      direct_scores(call, item, rows, tile, begin, end, mem);
    } else {
      load_tile<T>(kv, pages, first, item.head, tile, begin, end, mem.keys, mem.values, call.width);
      product(mem.query, kv.dim, keys, mem.scores, kTile, rows, round_up(end - tile, VL), kv.dim, false);
    }
    for (int64_t r = 0; r < rows; r++) {
      int64_t low, high;
      call.visible(item, item.first + r / item.heads, low, high);
      soften(call.layer, mem.scores + r * kTile, std::max(low, from) - tile < 0 ? 0 : std::max(low, from) - tile,
             std::min(high, end) - tile, s, r, call.width);
    }
    if (direct) direct_mixture(call, item, rows, tile, begin, end, mem, s.mixed);
    else product(mem.scores + (begin - tile), kTile, values, s.mixed, call.width, rows, call.width, end - begin, true);
  }
}

template <class T> void load_queries(const Call& call, const Item& item, float* to) {
  const int64_t dim = call.layer.kv.dim, first = call.step.query_start[item.seq];
  for (int64_t t = item.first; t < item.last; t++)
    for (int64_t h = item.first_head; h < item.first_head + item.heads; h++, to += dim)
      widen_row(static_cast<const T*>(call.query) + (first + t) * call.query_stride + h * call.query_head_stride, to,
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

template <class T> void run_item(const Call& call, const Item& item) {
  const Memory mem(call);
  const int64_t rows = (item.last - item.first) * item.heads, fixed = call.layer.fixed;
  load_queries<T>(call, item, mem.query);
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
  const Memory mem(call);
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
    parallel(int64_t(items.size()), [&](int64_t i, int) { run_item<T>(call, items[order[i]]); });
    parallel(int64_t(joins.size()), [&](int64_t i, int) { run_join<T>(call, joins[i]); });
  });
}
