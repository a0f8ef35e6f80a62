// Draws tokens from filtered distributions over large vocabularies without putting them in order.
//
// A small k is found with a heap. For top-p alone a histogram of how far each logit lies below the largest tells in which
// bin the cut falls, and only that bin's tokens are sorted. The draw goes through the kept tokens by id: any order gives the same distribution.
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/pool.h"
#include "base/vmath.h"

namespace fc {
namespace {

constexpr int kBins = 2048;
constexpr float kPerUnit = 64.0f;  // bins per unit of logit
constexpr int64_t kHeap = 1024;    // up to here the k largest are kept in a heap; beyond, all are candidates
constexpr int64_t kBlock = 1024;   // tokens whose mass is summed before it is walked through

float largest(const float* x, int64_t count) {
  vf most[4] = {vset(-kInfinity), vset(-kInfinity), vset(-kInfinity), vset(-kInfinity)};
  int64_t i = 0;
  for (; i + 4 * VL <= count; i += 4 * VL)
    for (int n = 0; n < 4; n++) most[n] = vmax(most[n], vload(x + i + n * VL));
  float found = vmaximum(vmax(vmax(most[0], most[1]), vmax(most[2], most[3])));
  for (; i < count; i++) found = std::max(found, x[i]);
  return found;
}

// e^(x - top) of up to kBlock tokens.
void weigh(const float* x, float top, int64_t count, float* out) {
  int64_t i = 0;
  for (; i + VL <= count; i += VL) vstore(out + i, vexp(vsub(vload(x + i), vset(top))));
  if (i < count) vstore_some(out + i, vexp(vsub(vload_some(x + i, count - i), vset(top))), count - i);
}

double total(const float* weights, int64_t count) {
  vf sum = vzero();
  int64_t i = 0;
  for (; i + VL <= count; i += VL) sum = vadd(sum, vload(weights + i));
  float all = vsum(sum);
  for (; i < count; i++) all += weights[i];
  return all;
}

template <class F> void each_block(const float* x, int64_t count, float top, const F& f) {
  alignas(64) float weights[kBlock];
  for (int64_t start = 0; start < count; start += kBlock) {
    const int64_t n = std::min(kBlock, count - start);
    weigh(x + start, top, n, weights);
    f(start, n, weights);
  }
}

struct Row {
  const float* x;
  int64_t count;
  float top;
  float least = -kInfinity;  // kept: above it,
  int64_t last_id;           // or equal to it and up to this id
  double mass = 0;           // of what is kept, in units of e^top

  bool keeps(int64_t id) const { return x[id] > least || (x[id] == least && id <= last_id); }
  double weight(int64_t id) const { return vfirst(vexp(vset(x[id] - top))); }
  bool before(int64_t a, int64_t b) const { return x[a] > x[b] || (x[a] == x[b] && a < b); }
};

// The ids of logits from `least` on, ascending.
std::vector<int64_t> candidates(const Row& row) {
  std::vector<int64_t> ids;
  constexpr int64_t kLook = 64;
  for (int64_t start = 0; start < row.count; start += kLook) {
    const int64_t n = std::min(kLook, row.count - start);
    if (largest(row.x + start, n) < row.least) continue;
    for (int64_t id = start; id < start + n; id++)
      if (row.x[id] >= row.least && row.x[id] > -kInfinity) ids.push_back(id);
  }
  return ids;
}

// The k-th largest logit, through a heap of the k largest so far.
float kth_largest(const float* x, int64_t count, int64_t k) {
  std::vector<float> best(x, x + k);
  const auto above = [](float a, float b) { return a > b; };
  std::make_heap(best.begin(), best.end(), above);
  constexpr int64_t kLook = 64;
  for (int64_t start = k; start < count; start += kLook) {
    const int64_t n = std::min(kLook, count - start);
    if (largest(x + start, n) <= best.front()) continue;
    for (int64_t i = start; i < start + n; i++) {
      if (x[i] <= best.front()) continue;
      std::pop_heap(best.begin(), best.end(), above);
      best.back() = x[i];
      std::push_heap(best.begin(), best.end(), above);
    }
  }
  return best.front();
}

// Of `ids`, ascending: top-k (0: all), top-p, and the draw.
int64_t draw_from(Row& row, std::vector<int64_t> ids, int64_t k, float top_p, double u) {
  if (k > 0 && k < int64_t(ids.size())) {
    std::vector<int64_t> some = ids;
    std::nth_element(some.begin(), some.begin() + (k - 1), some.end(),
                     [&](int64_t a, int64_t b) { return row.x[a] > row.x[b]; });
    const float least = row.x[some[k - 1]];  // ties with it stay
    ids.erase(std::remove_if(ids.begin(), ids.end(), [&](int64_t id) { return row.x[id] < least; }), ids.end());
  }
  double mass = 0;
  for (size_t i = 0; i < ids.size(); i++) mass += row.weight(ids[i]);
  if (top_p < 1) {
    std::sort(ids.begin(), ids.end(), [&](int64_t a, int64_t b) { return row.before(a, b); });
    const double wanted = top_p * mass;
    size_t kept = 0;
    for (mass = 0; kept < ids.size() && (kept == 0 || mass < wanted); kept++) mass += row.weight(ids[kept]);
    ids.resize(kept);
    std::sort(ids.begin(), ids.end());
  }
  double sum = 0;
  for (int64_t id : ids)
    if ((sum += row.weight(id)) > u * mass) return id;
  return ids.back();
}

void bins_of(const float* x, float top, int64_t count, int32_t* bins) {
  for (int64_t i = 0; i < count; i++) bins[i] = int32_t(std::min((top - x[i]) * kPerUnit, float(kBins - 1)));
}

// The smallest set of most likely tokens whose mass reaches `share` of the whole; of equals the lower ids.
void keep_top_p(Row& row, const std::vector<double>& bins, float share) {
  const double wanted = share * row.mass;
  double mass = 0;
  int bin = 0;
  while (bin < kBins - 1 && mass + bins[bin] < wanted) mass += bins[bin++];
  std::vector<int64_t> ids;
  alignas(64) int32_t which[kBlock];
  for (int64_t start = 0; start < row.count; start += kBlock) {
    const int64_t n = std::min(kBlock, row.count - start);
    bins_of(row.x + start, row.top, n, which);
    for (int64_t i = 0; i < n; i++)
      if (which[i] == bin) ids.push_back(start + i);
  }
  std::sort(ids.begin(), ids.end(), [&](int64_t a, int64_t b) { return row.before(a, b); });
  for (int64_t id : ids) {
    if (mass >= wanted && mass > 0) break;
    mass += row.weight(id);
    row.least = row.x[id];
    row.last_id = id;
  }
  row.mass = mass;
}

// The first id, of those kept, where the sum of the weights exceeds u times their mass.
int64_t walk(const Row& row, double u) {
  const double target = u * row.mass;
  double mass = 0;
  int64_t found = -1, last = 0;
  each_block(row.x, row.count, row.top, [&](int64_t start, int64_t n, const float* weights) {
    if (found >= 0 || largest(row.x + start, n) < row.least) return;
    if (row.least == -kInfinity) {
      const double all = total(weights, n);
      if (mass + all <= target) {
        if (all > 0) last = start + (std::max_element(weights, weights + n) - weights);
        mass += all;
        return;
      }
    }
    for (int64_t i = 0; i < n; i++) {
      if (!row.keeps(start + i) || weights[i] <= 0) continue;
      mass += weights[i];
      last = start + i;
      if (mass > target) {
        found = start + i;
        return;
      }
    }
  });
  return found >= 0 ? found : last;  // the sums of another order may end a little lower
}

int64_t draw(const float* x, int64_t count, int64_t k, float top_p, float min_p, double u) {
  Row row{x, count, largest(x, count)};
  row.last_id = count;
  if (!(row.top > -kInfinity)) return 0;
  if (k >= count) k = 0;
  if (min_p > 0) row.least = row.top + std::log(min_p);
  if (k > 0 && k <= kHeap) row.least = std::max(row.least, kth_largest(x, count, k));
  if (k > 0 || min_p > 0) return draw_from(row, candidates(row), k, top_p, u);
  std::vector<double> bins(top_p < 1 ? kBins : 0);
  alignas(64) int32_t which[kBlock];
  each_block(x, count, row.top, [&](int64_t start, int64_t n, const float* weights) {
    if (top_p < 1) {
      bins_of(x + start, row.top, n, which);
      for (int64_t i = 0; i < n; i++) bins[which[i]] += weights[i];
    }
    row.mass += total(weights, n);
  });
  if (top_p < 1) keep_top_p(row, bins, top_p);
  return walk(row, u);
}

}  // namespace
}  // namespace fc

// ids[i] drawn from row i of logits [rows, count], already divided by the temperature: min-p (0: none), top-k (0: none),
// top-p (1: none) in this order, then the inverse CDF at u[i].
extern "C" void fc_draw(const float* logits, int64_t stride, int64_t rows, int64_t count, const int64_t* top_k,
                        const float* top_p, const float* min_p, const double* u, int64_t* ids) {
  fc::parallel(rows, [&](int64_t r, int) {
    ids[r] = fc::draw(logits + r * stride, count, top_k[r], top_p[r], min_p[r], u[r]);
  });
}

// norms[i] = log sum exp of row i; ids and values [rows, width]: its largest logits, the largest first, of equals the
// lower ids.
extern "C" void fc_top(const float* logits, int64_t stride, int64_t rows, int64_t count, int64_t width, float* norms,
                       int64_t* ids, float* values) {
  using namespace fc;
  parallel(rows, [&](int64_t r, int) {
    const float* x = logits + r * stride;
    const float top = largest(x, count);
    double mass = 0;
    std::vector<int64_t> best;  // a heap whose first is the least
    const auto better = [&](int64_t a, int64_t b) { return x[a] > x[b] || (x[a] == x[b] && a < b); };
    each_block(x, count, top, [&](int64_t start, int64_t n, const float* weights) {
      mass += total(weights, n);
      if (width == 0 || (int64_t(best.size()) == width && largest(x + start, n) <= x[best.front()])) return;
      for (int64_t i = start; i < start + n; i++) {
        if (int64_t(best.size()) == width) {
          if (x[i] <= x[best.front()]) continue;
          std::pop_heap(best.begin(), best.end(), better);
          best.pop_back();
        }
        best.push_back(i);
        std::push_heap(best.begin(), best.end(), better);
      }
    });
    std::sort_heap(best.begin(), best.end(), better);
    norms[r] = float(top + std::log(mass));
    for (int64_t i = 0; i < int64_t(best.size()); i++) {
      ids[r * width + i] = best[i];
      values[r * width + i] = x[best[i]];
    }
  });
}
