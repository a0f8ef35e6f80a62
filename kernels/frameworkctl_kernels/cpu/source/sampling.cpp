// Draws tokens from filtered distributions over large vocabularies without putting them in order.
//
// A histogram of how far each logit lies below the largest tells in which bin the cut of top-k or top-p falls; only that
// bin's tokens are sorted. The draw goes through the kept tokens by id: any order gives the same distribution.
#include <algorithm>
#include <cmath>
#include <vector>

#include "pool.h"
#include "vmath.h"

namespace fc {
namespace {

constexpr int kBins = 2048;
constexpr float kPerUnit = 64.0f;  // bins per unit of logit
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
  float least;        // kept: above it,
  int64_t last_id;    // or equal to it and up to this id
  double mass;        // of what is kept, in units of e^top

  bool keeps(int64_t id) const { return x[id] > least || (x[id] == least && id <= last_id); }
};

int bin_of(float below) { return below * kPerUnit < kBins - 1 ? int(below * kPerUnit) : kBins - 1; }

struct Histogram {
  int64_t counts[kBins] = {};
  double mass[kBins] = {};
};

std::vector<int64_t> members(const Row& row, int bin) {
  std::vector<int64_t> ids;
  for (int64_t id = 0; id < row.count; id++)
    if (row.keeps(id) && bin_of(row.top - row.x[id]) == bin) ids.push_back(id);
  return ids;
}

double weight_of(const Row& row, int64_t id) { return vfirst(vexp(vset(row.x[id] - row.top))); }

// The k most likely and whatever is as likely as the last of them.
void keep_top_k(Row& row, const Histogram& h, int64_t k) {
  int64_t above = 0;
  double mass = 0;
  int bin = 0;
  while (bin < kBins && above + h.counts[bin] < k) {
    above += h.counts[bin];
    mass += h.mass[bin++];
  }
  if (bin == kBins) return;  // there are not so many
  std::vector<int64_t> ids = members(row, bin);
  std::nth_element(ids.begin(), ids.begin() + (k - above - 1), ids.end(),
                   [&](int64_t a, int64_t b) { return row.x[a] > row.x[b]; });
  row.least = row.x[ids[k - above - 1]];
  row.last_id = row.count;
  for (int64_t id : ids)
    if (row.keeps(id)) mass += weight_of(row, id);
  row.mass = mass;
}

// The smallest set of most likely tokens whose mass reaches `share` of what is kept; of equals the lower ids.
void keep_top_p(Row& row, const Histogram& h, float share) {
  const double wanted = share * row.mass;
  const int lowest = bin_of(std::max(0.0f, row.top - row.least));
  double mass = 0;
  int bin = 0;
  while (bin < lowest && mass + h.mass[bin] < wanted) mass += h.mass[bin++];
  std::vector<int64_t> ids = members(row, bin);
  std::sort(ids.begin(), ids.end(), [&](int64_t a, int64_t b) {
    return row.x[a] > row.x[b] || (row.x[a] == row.x[b] && a < b);
  });
  for (int64_t id : ids) {
    if (mass >= wanted && mass > 0) break;
    mass += weight_of(row, id);
    row.least = row.x[id];
    row.last_id = id;
  }
  row.mass = mass;
}

int64_t walk(const Row& row, double u) {
  const double target = u * row.mass;
  double mass = 0;
  int64_t found = -1, last = 0;
  each_block(row.x, row.count, row.top, [&](int64_t start, int64_t n, const float* weights) {
    if (found >= 0 || largest(row.x + start, n) < row.least) return;
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
  Row row{x, count, largest(x, count), -kInfinity, count, 0};
  if (!(row.top > -kInfinity)) return 0;
  if (min_p > 0) row.least = row.top + std::log(min_p);
  const bool ordered = (k > 0 && k < count) || top_p < 1;
  Histogram* h = ordered ? new Histogram : nullptr;
  each_block(x, count, row.top, [&](int64_t start, int64_t n, const float* weights) {
    for (int64_t i = 0; i < n; i++) {
      if (x[start + i] < row.least || weights[i] <= 0) continue;
      if (ordered) {
        const int bin = bin_of(row.top - x[start + i]);
        h->counts[bin]++;
        h->mass[bin] += weights[i];
      }
      row.mass += weights[i];
    }
  });
  if (k > 0 && k < count) keep_top_k(row, *h, k);
  if (top_p < 1) keep_top_p(row, *h, top_p);
  delete h;
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
      vf sum = vzero();
      int64_t i = 0;
      for (; i + VL <= n; i += VL) sum = vadd(sum, vload(weights + i));
      float total = vsum(sum);
      for (; i < n; i++) total += weights[i];
      mass += total;
      if (width == 0 || (int64_t(best.size()) == width && largest(x + start, n) <= x[best.front()])) return;
      for (i = start; i < start + n; i++) {
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
