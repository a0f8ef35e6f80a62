// What one attention call is told, as attention.py fills it in.
#pragma once
#include "attention/kv.h"

namespace fc {

// Of a step, for one group of layers: sequence s has the tokens [query_start[s], query_start[s + 1]) of the batch and
// seq_lens[s] tokens in the cache with these; its pages are table[s * table_stride + i].
struct AttentionStep {
  int64_t seqs;
  const int64_t* query_start;
  const int32_t* seq_lens;
  const int32_t* table;
  int64_t table_stride;
};

// Of a layer. window: -1 for none; softcap: 0 for none; sinks may be null. fixed: 0, or the number of keys after which
// each row's softmax is begun anew and joined, so that a row's result depends on nothing but itself.
struct AttentionLayer {
  KV kv;
  int64_t heads, kv_heads, window, fixed;
  const float* sinks;
  float scale, softcap;
  int32_t causal;
};

}  // namespace fc
