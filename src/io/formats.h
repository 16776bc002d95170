// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a file format is: to add one, write its functions and name it in the list in io.cc.

#include <optional>
#include <string_view>

#include "batchdot/io.h"
#include "src/io/safe_file.h"

namespace batchdot {

/// A file format. A file is read by its first bytes, whatever its name, and written by its ending.
struct Format {
  std::string_view extension;  ///< ".npy"
  std::string_view magic;      ///< the first bytes of every such file
  ArrayInfo (*inspect)(const InputFile& file, std::optional<DType> raw_as);
  LoadedArray (*read)(const InputFile& file, std::optional<DType> raw_as);
  void (*write)(OutputFile& file, const TensorView& array);
};

extern const Format kNpyFormat;  ///< npy.cc

}  // namespace batchdot
