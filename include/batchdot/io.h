// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading and writing arrays. Formats are a list; .npy is the first.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "batchdot/export.h"
#include "batchdot/tensor.h"

namespace batchdot::inline v0 {

/// What a file says about itself, before its elements are read.
struct ArrayInfo {
  DType dtype;
  Extents extents;
  bool fortran_order = false;
  bool swapped = false;         ///< other byte order than this machine's
  std::size_t data_offset = 0;  ///< in bytes
};

/// An array read from a file: the elements in the file's own order, native byte order.
struct LoadedArray {
  Tensor storage;  ///< rank 1, all elements as they lie in the file
  Layout layout;   ///< the array: Fortran order is strides, not a copy
  TensorView view() const { return TensorView(storage.data(), layout); }
};

/// The endings of the names of files that are written, one for each format: ".npy". What is read is
/// told by its first bytes.
BATCHDOT_API std::span<const std::string_view> array_endings();
/// True if the name has one of them.
BATCHDOT_API bool has_array_ending(std::string_view path);

/// Reads the header alone. \param raw_as  what two opaque bytes (`|V2`) are read as: bf16, or
/// refused. \throws Error  kIo, kFileKind, kFileFormat, kLimit.
BATCHDOT_API ArrayInfo inspect_array(const std::string& path, std::optional<DType> raw_as = {});
/// Reads an array. The size is checked against the file before anything is allocated.
/// \throws Error  kIo, kFileKind, kFileFormat, kLimit, kOverflow, kMemory.
BATCHDOT_API LoadedArray read_array(const std::string& path, std::optional<DType> raw_as = {});
/// Writes an array whole or not at all: to a temporary file in the same folder, synced, renamed.
/// \throws Error  kIo, kFileKind;  kMemory.
BATCHDOT_API void write_array(const std::string& path, const TensorView& array);

}  // namespace batchdot::inline v0
