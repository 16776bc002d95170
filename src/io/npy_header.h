// SPDX-License-Identifier: Apache-2.0
#pragma once
// The text in an .npy file that says what its elements are: a Python dict, as NumPy prints it.

#include <string>
#include <string_view>

#include "batchdot/shape.h"

namespace batchdot {

/// What the header says, its words not yet judged.
struct NpyHeader {
  std::string descr;  ///< "<f4"
  bool fortran_order = false;
  Extents extents;
};

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`: the three keys in any
/// order, once each, nothing else; strings in either quotes with Python's escapes; integers also
/// with the L of Python 2. \param path  names the file in errors. \throws Error  kFileFormat, with
/// the position in `header`;  kLimit over Limits::kRank axes;
///                kOverflow an extent above 2^63 - 1.
NpyHeader parse_npy_header(std::string_view header, const std::string& path);

/// The header for a new file, padded so that it ends at a multiple of 64 bytes when it stands after
/// `bytes_before` others.
std::string print_npy_header(const NpyHeader& header, std::size_t bytes_before);

}  // namespace batchdot
