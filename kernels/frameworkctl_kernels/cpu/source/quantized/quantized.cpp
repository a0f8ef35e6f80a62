// The C interface of linear layers over weights of 8 or 4 bits: packing, products, rows.
#include "quantized/quantized.h"

namespace fc {
void linear_int8(const Weight&, int, const void*, int64_t, int64_t, const void*, void*, int);
void linear_int4(const Weight&, int, const void*, int64_t, int64_t, const void*, void*, int);
}  // namespace fc

// As fc_linear; x and bias are of `type` (fc::Type). The weight's type is 8 (int8) or 4 (int4), its group the number of
// values of K in a block (a multiple of 16, at most 256); scales are float32 per column for int8 (padded to whole
// panels), half precision as quantized.h says for int4.
extern "C" void fc_linear_quantized(const fc::Weight* weight, int type, const void* x, int64_t stride, int64_t rows,
                                    const void* bias, void* out, int out_type) {
  if (weight->type == 8) fc::linear_int8(*weight, type, x, stride, rows, bias, out, out_type);
  else fc::linear_int4(*weight, type, x, stride, rows, bias, out, out_type);
}

// values [outputs, inputs] int8 -> panels [ceil(outputs / 32)][padded / 2][32][2]; padded: inputs in whole groups.
extern "C" void fc_pack_int8(const int8_t* values, int64_t outputs, int64_t inputs, int64_t group, int8_t* panels) {
  const int64_t padded = (inputs + group - 1) / group * group;
  fc::parallel((outputs + fc::kPanel - 1) / fc::kPanel, [&](int64_t panel, int) {
    int8_t* to = panels + panel * padded * fc::kPanel;
    memset(to, 0, padded * fc::kPanel);
    for (int c = 0; c < fc::kPanel && panel * fc::kPanel + c < outputs; c++) {
      const int8_t* from = values + (panel * fc::kPanel + c) * inputs;
      for (int64_t k = 0; k < inputs; k++) to[k / 2 * 64 + c * 2 + k % 2] = from[k];
    }
  });
}

// values [outputs, inputs] of 0 to 15 -> panels [ceil(outputs / 32)][padded / 8][32] words; scales and offsets
// [outputs, groups] float32 -> [ceil(outputs / 32)][groups][2][32] half precision.
extern "C" void fc_pack_int4(const uint8_t* values, const float* scales, const float* offsets, int64_t outputs,
                             int64_t inputs, int64_t group, uint32_t* panels, uint16_t* packed_scales) {
  const int64_t groups = (inputs + group - 1) / group, words = groups * group / 8;
  fc::parallel((outputs + fc::kPanel - 1) / fc::kPanel, [&](int64_t panel, int) {
    uint32_t* to = panels + panel * words * fc::kPanel;
    uint16_t* numbers = packed_scales + panel * groups * 2 * fc::kPanel;
    memset(to, 0, words * fc::kPanel * 4);
    memset(numbers, 0, groups * 2 * fc::kPanel * 2);
    for (int c = 0; c < fc::kPanel && panel * fc::kPanel + c < outputs; c++) {
      const int64_t row = panel * fc::kPanel + c;
      for (int64_t k = 0; k < inputs; k++)
        to[k / 8 * fc::kPanel + c] |= uint32_t(values[row * inputs + k]) << (k % 2 * 16 + k % 8 / 2 * 4);
      for (int64_t g = 0; g < groups; g++) {
        fc::narrow(scales[row * groups + g], (fc::f16*)numbers + g * 2 * fc::kPanel + c);
        fc::narrow(offsets[row * groups + g], (fc::f16*)numbers + (g * 2 + 1) * fc::kPanel + c);
      }
    }
  });
}

// out [count, inputs] of `type` = rows `ids` of an int8 weight, dequantised.
extern "C" void fc_rows_int8(const fc::Weight* weight, const int64_t* ids, int64_t count, int type, void* out) {
  const int64_t inputs = weight->inputs, padded = (inputs + weight->group - 1) / weight->group * weight->group;
  fc::by_type(type, [&](auto* t) {
    auto* to = static_cast<decltype(t)>(out);
    for (int64_t i = 0; i < count; i++) {
      const int64_t id = ids[i];
      const float scale = static_cast<const float*>(weight->scales)[id];
      const int8_t* from = static_cast<const int8_t*>(weight->panels) + id / fc::kPanel * padded * fc::kPanel +
                           id % fc::kPanel * 2;
      for (int64_t k = 0; k < inputs; k++) fc::narrow(scale * from[k / 2 * 64 + k % 2], to + i * inputs + k);
    }
  });
}
