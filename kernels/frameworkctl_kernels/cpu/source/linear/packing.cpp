// The C interface of packing weights into panels, and of reading their rows.
#include <atomic>
#include <type_traits>

#include "linear/linear.h"

namespace fc {
namespace {

// weight [outputs, inputs], rows `stride` values apart, into panels.
template <int S, class T>
void pack_panels(const T* weight, int64_t stride, int64_t outputs, int64_t inputs, T* panels) {
  struct Unit { T values[S]; };  // what moves as one
  constexpr int64_t kLine = 64 / sizeof(Unit);  // a line of each row
  const int64_t units = (inputs + S - 1) / S, whole = inputs / S;
  parallel((outputs + kPanel - 1) / kPanel, [&](int64_t panel, int) {
    Unit* to = reinterpret_cast<Unit*>(panels) + panel * units * kPanel;
    const T* from = weight + panel * kPanel * stride;
    const int64_t rows = outputs - panel * kPanel < kPanel ? outputs - panel * kPanel : kPanel;
    if (rows < kPanel) memset(to, 0, units * kPanel * sizeof(Unit));
    for (int64_t start = 0; start < whole; start += kLine) {
      const int64_t end = start + kLine < whole ? start + kLine : whole;
      for (int64_t u = start; u < end; u++)
        for (int64_t r = 0; r < rows; r++) memcpy(to + u * kPanel + r, from + r * stride + u * S, sizeof(Unit));
    }
    for (int64_t r = 0; units > whole && r < rows; r++) {
      Unit last = {};
      for (int64_t k = whole * S; k < inputs; k++) last.values[k - whole * S] = from[r * stride + k];
      to[whole * kPanel + r] = last;
    }
  });
}

// out[i] = row ids[i] of the weight as it was before packing.
template <int S, class T> void unpack_rows(const Weight& weight, const int64_t* ids, int64_t count, T* out) {
  const int64_t inputs = weight.inputs, padded = (inputs + S - 1) / S * S;
  const T* panels = static_cast<const T*>(weight.panels);
  const int64_t at_once = 1 + (1 << 14) / padded;
  parallel((count + at_once - 1) / at_once, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * at_once < count ? (chunk + 1) * at_once : count;
    for (int64_t i = chunk * at_once; i < end; i++) {
      const T* from = panels + ids[i] / kPanel * padded * kPanel + ids[i] % kPanel * S;
      T* to = out + i * inputs;
      for (int64_t k = 0; k < inputs; k++) to[k] = from[k / S * S * kPanel + k % S];
    }
  });
}

// out[i] = row ids[i] of a squeezed weight.
void squeezed_rows(const Weight& weight, const int64_t* ids, int64_t count, bf16* out) {
  parallel((count + 7) / 8, [&](int64_t chunk, int) {
    for (int64_t i = chunk * 8; i < count && i < chunk * 8 + 8; i++)
      Squeezed(weight, ids[i] / kPanel).column(int(ids[i] % kPanel), weight.inputs, out + i * weight.inputs);
  });
}

// The panels of a weight that is to be squeezed.
struct Given {
  const bf16* weight;
  int64_t stride, outputs, inputs;
  int64_t steps() const { return (inputs + 1) / 2; }
  int64_t panels() const { return (outputs + kPanel - 1) / kPanel; }
  const bf16* first(int64_t panel) const { return weight + panel * kPanel * stride; }
  int rows(int64_t panel) const { return outputs - panel * kPanel < kPanel ? int(outputs - panel * kPanel) : kPanel; }
};

// The fifteen neighbouring exponents that most values of a panel have, and how many have none of them.
Notes find_codes(const Given& given, int64_t panel) {
  int32_t counts[4][256] = {};  // four, so that equal neighbours do not wait for each other
  for (int r = 0; r < given.rows(panel); r++) {
    const bf16* row = given.first(panel) + r * given.stride;
    for (int64_t k = 0; k < given.inputs; k++) counts[k & 3][row[k].bits >> 7 & 0xff]++;
  }
  int64_t others = 0, within = 0, best = 0;
  Notes notes{1, 0};
  for (int e = 1; e < 256; e++) {
    counts[0][e] += counts[1][e] + counts[2][e] + counts[3][e];
    others += counts[0][e];
    within += counts[0][e];
    if (e > 15) within -= counts[0][e - 15];
    if (e >= 15 && within > best) best = within, notes.base = e - 14;
  }
  notes.others = int32_t(others - best);
  return notes;
}

void squeeze_panel(const Given& given, int64_t panel, uint8_t* to, Notes* notes) {
  alignas(64) bf16 step[64] = {};
  auto* others = reinterpret_cast<Other*>(notes + 1);
  const int rows = given.rows(panel), base = notes->base;
  const bf16* from = given.first(panel);
  for (int64_t s = 0; s < given.steps(); s++, to += kSqueezed) {
    const bool whole = s * 2 + 1 < given.inputs;
    for (int r = 0; r < rows; r++) {
      step[r * 2] = from[r * given.stride + s * 2];
      step[r * 2 + 1] = whole ? from[r * given.stride + s * 2 + 1] : bf16{0};
    }
    if (write_step(step, base, to)) continue;
    for (int at = 0; at < 64; at++) {
      const int exponent = step[at].bits >> 7 & 0xff;
      if (exponent == 0 || (exponent >= base && exponent < base + 15)) continue;
      *others++ = Other{uint32_t(s * 64 + at), step[at].bits};
      step[at].bits = 0;
    }
    write_step(step, base, to);
  }
}

}  // namespace
}  // namespace fc

// weight [outputs, inputs], rows `stride` values apart -> panels [ceil(outputs / 32)][ceil(inputs / s)][32][s], padded
// with zeros; s is 2 for bfloat16, else 1.
extern "C" void fc_pack(int type, const void* weight, int64_t stride, int64_t outputs, int64_t inputs, void* panels) {
  fc::by_type(type, [&](auto* t) {
    using T = decltype(t);
    constexpr int kSteps = std::is_same_v<T, fc::bf16*> ? 2 : 1;
    fc::pack_panels<kSteps>(static_cast<T>(const_cast<void*>(weight)), stride, outputs, inputs, static_cast<T>(panels));
  });
}

// out [count, inputs] = rows `ids` of the weight. The ids must be in [0, outputs).
extern "C" void fc_unpack_rows(const fc::Weight* weight, const int64_t* ids, int64_t count, void* out) {
  if (weight->type == fc::SQUEEZED) return fc::squeezed_rows(*weight, ids, count, static_cast<fc::bf16*>(out));
  fc::by_type(weight->type, [&](auto* t) {
    using T = decltype(t);
    constexpr int kSteps = std::is_same_v<T, fc::bf16*> ? 2 : 1;
    fc::unpack_rows<kSteps>(*weight, ids, count, static_cast<T>(out));
  });
}

// Bytes of the notes of a squeezed weight; its panels have ceil(outputs / 32) * ceil(inputs / 2) * 96.
extern "C" int64_t fc_notes_bytes(int64_t outputs, int64_t inputs) {
  return (outputs + fc::kPanel - 1) / fc::kPanel * fc::notes_bytes((inputs + 1) / 2);
}

// Chooses the codes of each panel of a bfloat16 weight, its rows `stride` values apart. 0: too many values would have
// none, and the weight is better left as it is.
extern "C" int fc_find_codes(const void* weight, int64_t stride, int64_t outputs, int64_t inputs, void* notes) {
  using namespace fc;
  const Given given{static_cast<const bf16*>(weight), stride, outputs, inputs};
  const int64_t bytes = notes_bytes(given.steps());
  std::atomic<int> fits{1};
  parallel(given.panels(), [&](int64_t panel, int) {
    auto* own = reinterpret_cast<Notes*>(static_cast<uint8_t*>(notes) + panel * bytes);
    *own = find_codes(given, panel);
    if (own->others > given.steps() / 8) fits.store(0, std::memory_order_relaxed);
  });
  return fits.load();
}

// Writes the panels, with the codes that fc_find_codes() chose.
extern "C" void fc_squeeze(const void* weight, int64_t stride, int64_t outputs, int64_t inputs, void* panels, void* notes) {
  using namespace fc;
  const Given given{static_cast<const bf16*>(weight), stride, outputs, inputs};
  const int64_t bytes = notes_bytes(given.steps());
  parallel(given.panels(), [&](int64_t panel, int) {
    squeeze_panel(given, panel, static_cast<uint8_t*>(panels) + panel * given.steps() * kSqueezed,
                  reinterpret_cast<Notes*>(static_cast<uint8_t*>(notes) + panel * bytes));
  });
}
