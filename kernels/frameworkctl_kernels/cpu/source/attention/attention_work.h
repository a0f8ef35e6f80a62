// How the work of an attention call is cut into items for the threads.
#pragma once
#include <algorithm>
#include <vector>

#include "attention/attention.h"
#include "base/pool.h"

namespace fc {
namespace {

constexpr int64_t kRows = 64;        // rows of an item at most
constexpr int64_t kLeastKeys = 256;  // of a part

struct Item {
  int32_t seq, head, first_head, heads;  // key head; query heads
  int64_t first, last;                   // query tokens [first, last) of the sequence's in this step
  int64_t from, to;                      // keys
  int64_t part;                          // where its result goes if it is one of several parts, else -1
};

struct Join {
  int64_t item, part, parts;  // an item that says which rows these are
};

struct State {  // of rows: what softmax has seen so far
  float *most, *sum, *mixed;  // [rows], [rows], [rows][width]
};

int64_t round_up(int64_t x, int64_t unit) { return (x + unit - 1) / unit * unit; }

struct Call {
  const AttentionStep& step;
  const AttentionLayer& layer;
  const void* query;
  void* out;
  int64_t query_stride, query_head_stride, out_stride;
  int64_t width, state_size;  // of a row of values, padded; of the State of kRows rows
  const Item* items;
  float* parts;

  int64_t position(const Item& item, int64_t token) const {
    const int64_t in_step = step.query_start[item.seq + 1] - step.query_start[item.seq];
    return layer.kv.place == ROWS ? token : step.seq_lens[item.seq] - in_step + token;
  }
  // Keys [low, high) that a token sees.
  void visible(const Item& item, int64_t token, int64_t& low, int64_t& high) const {
    const int64_t p = position(item, token), window = layer.window;
    const int64_t length = layer.kv.place == ROWS ? step.query_start[item.seq + 1] - step.query_start[item.seq]
                                                  : step.seq_lens[item.seq];
    if (layer.causal) {
      high = p + 1;
      low = window < 0 ? 0 : std::max<int64_t>(0, p - window + 1);
    } else {
      high = window < 0 ? length : std::min(length, p + window + 1);
      low = window < 0 ? 0 : std::max<int64_t>(0, p - window);
    }
  }
  State state(float* at) const { return {at, at + kRows, at + 2 * kRows}; }
  void clear(const State& s, int64_t rows) const {
    std::fill(s.most, s.most + rows, -kInfinity);
    std::fill(s.sum, s.sum + rows, 0.0f);
    std::fill(s.mixed, s.mixed + rows * width, 0.0f);
  }
};

// All items of a call, uncut.
void collect(const Call& call, std::vector<Item>& items) {
  const AttentionLayer& layer = call.layer;
  const int64_t group = layer.heads / layer.kv_heads, heads = std::min(group, kRows);
  const int64_t tokens = std::max<int64_t>(1, kRows / group);
  for (int64_t s = 0; s < call.step.seqs; s++) {
    const int64_t count = call.step.query_start[s + 1] - call.step.query_start[s];
    for (int64_t t = 0; t < count; t += tokens)
      for (int64_t head = 0; head < layer.kv_heads; head++)
        for (int64_t h = 0; h < group; h += heads) {
          Item item{int32_t(s), int32_t(head), int32_t(head * group + h), int32_t(std::min(heads, group - h)), t,
                    std::min(t + tokens, count), 0, 0, -1};
          int64_t ignored;
          call.visible(item, item.first, item.from, ignored);
          call.visible(item, item.last - 1, ignored, item.to);
          items.push_back(item);
        }
  }
}

int64_t cost(const Item& item) { return ((item.last - item.first) * item.heads + 8) * (item.to - item.from); }

// Cuts items that are too long for one thread; returns how many parts there are.
int64_t cut(const Call& call, std::vector<Item>& items, std::vector<Join>& joins) {
  int64_t total = 0, parts = 0;
  for (const Item& item : items) total += cost(item);
  const int64_t fair = std::max<int64_t>(1, total / (2 * threads())), fixed = call.layer.fixed;
  std::vector<Item> out;
  out.reserve(items.size());
  for (const Item& item : items) {
    const int64_t keys = item.to - item.from;
    int64_t size = fixed;
    if (fixed <= 0) {
      const int64_t pieces = threads() == 1 ? 1 : std::min((cost(item) + fair - 1) / fair, keys / kLeastKeys);
      size = pieces <= 1 ? item.to : round_up((keys + pieces - 1) / pieces, kTile);
    }
    const int64_t count = fixed <= 0 ? (keys + size - 1) / size : (item.to - 1) / size - item.from / size + 1;
    if (count <= 1 || (fixed > 0 && (item.last - item.first) * item.heads > kRows / 2)) {
      out.push_back(item);
      continue;
    }
    joins.push_back({int64_t(out.size()), parts, count});
    for (int64_t p = 0, from = item.from; p < count; p++) {
      Item piece = item;
      piece.from = from;
      from = fixed > 0 ? (from / size + 1) * size : from + size;
      piece.to = std::min(item.to, from);
      piece.part = parts++;
      out.push_back(piece);
    }
  }
  items.swap(out);
  return parts;
}

// The dearest first, dealt out to the threads' shares in turn.
std::vector<int64_t> deal(const std::vector<Item>& items) {
  std::vector<int64_t> order(items.size()), dealt;
  for (size_t i = 0; i < order.size(); i++) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return cost(items[a]) > cost(items[b]); });
  dealt.reserve(order.size());
  for (int t = 0; t < threads(); t++)
    for (size_t i = t; i < order.size(); i += threads()) dealt.push_back(order[i]);
  return dealt;
}

}  // namespace
}  // namespace fc
