// Products with many packed weights of one shape and format, each over rows of its own, in one round of the threads.
#pragma once
#include "linear/linear.h"

#include <vector>

namespace fc {

struct Group {  // rows [first, first + rows) are the weight's; groups follow each other, none is empty
  const Weight* weight;
  const void* bias;  // may be null
  int64_t first, rows;
};
using Groups = std::vector<Group>;

struct Piece {  // of a group, by one thread
  const Group* group;
  int64_t first, last;   // rows
  int64_t panel, end;
};

// Pieces of about equal work, eight for each thread, none too small to be worth waking one: parts of the panels, and of
// the rows where there are more threads than panels.
inline std::vector<Piece> cut_groups(const Groups& groups, int64_t panel_bytes) {
  constexpr int64_t kLeastWork = 1 << 17;  // bytes read, or multiplications / 16
  const int64_t inputs = groups[0].weight->inputs, panels = (groups[0].weight->outputs + kPanel - 1) / kPanel;
  const auto work = [&](const Group& g) { return panels * (panel_bytes + g.rows * inputs * kPanel / 16); };
  int64_t total = 0;
  for (const Group& g : groups) total += work(g);
  int64_t most = threads() == 1 ? total : total / (threads() * 8);
  if (most < kLeastWork) most = kLeastWork;
  std::vector<Piece> pieces;
  for (const Group& g : groups) {
    const int64_t wanted = (work(g) + most - 1) / most, across = wanted < panels ? wanted : panels;
    const int64_t blocks = (g.rows + kMostRows - 1) / kMostRows;
    int64_t down = wanted / across < blocks / 2 ? wanted / across : blocks / 2;
    if (down < 1) down = 1;
    const int64_t rows = (blocks + down - 1) / down * kMostRows, last = g.first + g.rows;
    for (int64_t p = 0; p < across; p++)
      for (int64_t r = g.first; r < last; r += rows)
        pieces.push_back({&g, r, r + rows < last ? r + rows : last, panels * p / across, panels * (p + 1) / across});
  }
  return pieces;
}

inline int64_t all_rows(const Groups& groups) { return groups.back().first + groups.back().rows; }

inline int64_t most_rows(const Groups& groups) {
  int64_t most = 0;
  for (const Group& g : groups) most = g.rows > most ? g.rows : most;
  return most;
}

// out [rows, outputs] = x [rows, inputs] W^T + bias, with each group's weight and bias; both dense.
template <class P, class T, class O> void multiply_groups(const Groups& groups, const T* x, O* out) {
  const int64_t inputs = groups[0].weight->inputs;
  const auto input = prepare<P>(x, inputs, all_rows(groups), inputs, most_rows(groups));
  const auto pieces = cut_groups(groups, inputs * kPanel * sizeof(typename P::W));
  parallel(int64_t(pieces.size()), [&](int64_t chunk, int) {
    const Piece& piece = pieces[chunk];
    const T* bias = static_cast<const T*>(piece.group->bias);
    for (int64_t row = piece.first; row < piece.last; row += kRowsAtOnce) {
      const int64_t rows = piece.last - row < kRowsAtOnce ? piece.last - row : kRowsAtOnce;
      for (int64_t p = piece.panel; p < piece.end; p++)
        panel_rows<P>(*piece.group->weight, p, input, row, rows, bias, out);
    }
  });
}

}  // namespace fc
