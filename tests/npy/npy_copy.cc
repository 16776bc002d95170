// SPDX-License-Identifier: Apache-2.0
// Reads arrays and writes them again, for a judge to compare. Each line of the input is
//
//     VIEW DTYPE IN OUT
//
// VIEW: same, transposed (all axes) or reversed (along the first axis); DTYPE: what `|V2` is read
// as, or none. For each an answer: the dtype and extents, or the code of the refusal.

#include <iostream>
#include <sstream>
#include <string>

#include "batchdot/batchdot.h"

namespace bd = batchdot;

namespace {

bd::TensorView seen(const std::string& how, bd::TensorView view) {
  bd::Extents& extents = view.layout.extents;
  bd::Strides& strides = view.layout.strides;
  if (how == "transposed") {
    for (std::size_t low = 0, high = extents.size(); low + 1 < high; ++low) {
      --high;
      std::swap(extents[low], extents[high]);
      std::swap(strides[low], strides[high]);
    }
  } else if (how == "reversed" && !extents.empty() && bd::element_count(extents) > 0) {
    const auto bytes = static_cast<std::int64_t>(view.dtype().size_bytes());
    view.data = static_cast<const char*>(view.data) + (extents[0] - 1) * strides[0] * bytes;
    strides[0] = -strides[0];
  }
  return view;
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string how, dtype, in, out;
    words >> how >> dtype >> in >> out;
    try {
      const bd::LoadedArray array = bd::read_array(in, bd::DType::parse(dtype));
      bd::write_array(out, seen(how, array.view()));
      std::cout << array.layout.dtype.name() << ' ' << bd::to_string(array.layout.extents) << '\n';
    } catch (const bd::Error& error) {
      std::cout << "error " << bd::info(error.code()).name << '\n';
    }
  }
}
