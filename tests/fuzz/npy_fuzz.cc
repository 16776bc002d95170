// SPDX-License-Identifier: Apache-2.0
// Any bytes as an .npy file: read whole, or refused in one line; what its header says is printed
// and read again.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "batchdot/io.h"
#include "src/core/utf8.h"
#include "src/io/npy_header.h"

namespace batchdot {
namespace {

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "npy_fuzz: %s\n", what);
  std::abort();
}

// A file in memory that holds these bytes; its path.
std::string path_of(std::string_view bytes) {
  static const int descriptor = memfd_create("npy_fuzz", MFD_CLOEXEC);
  expect(
      descriptor >= 0 && ftruncate(descriptor, 0) == 0 &&
          pwrite(descriptor, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
      "no file in memory");
  return "/proc/self/fd/" + std::to_string(descriptor);
}

void check_error(const Error& error, std::size_t input_bytes) {
  const ErrorCode code = error.code();
  expect(
      code == ErrorCode::kFileFormat || code == ErrorCode::kLimit || code == ErrorCode::kOverflow,
      error.what());
  expect(error.place().position.value_or(0) <= input_bytes, "a position past the end");
  expect(!error.place().file.empty(), "an error without a file");
  const std::string& message = error.message();
  expect(message.find('\n') == std::string::npos, "a message of two lines");
  for (std::size_t at = 0; at < message.size();) {
    const auto character = decode_utf8(message, at);
    expect(character.has_value(), "a message is no UTF-8");
    at += character->bytes;
  }
}

void check_array(const LoadedArray& array, const ArrayInfo& info, std::size_t input_bytes) {
  expect(array.layout.extents == info.extents, "two readings of one header");
  expect(array.storage.size() == element_count(info.extents),
         "not as many elements as extents say");
  expect(array.storage.size_bytes() + info.data_offset == input_bytes, "not the whole file");
  unsigned sum = 0;
  const auto* bytes = static_cast<const unsigned char*>(array.storage.data());
  for (std::size_t i = 0; i < array.storage.size_bytes(); ++i) sum += bytes[i];
  if (info.dtype == DType(Bool{})) {
    expect(sum <= array.storage.size_bytes(), "a bool that is neither 0 nor 1");
  }
  const NpyHeader header = {"<f4", info.fortran_order, info.extents};
  const NpyHeader again = parse_npy_header(print_npy_header(header, 10), "printed");
  expect(again.descr == header.descr && again.fortran_order == header.fortran_order &&
             again.extents == header.extents,
         "a header is read otherwise than it was printed");
}

void fuzz(std::string_view input) {
  const std::string path = path_of(input);
  const bool raw = input.size() % 2 == 0;
  const std::optional<DType> raw_as = raw ? std::optional<DType>(BF16{}) : std::nullopt;
  try {
    check_array(read_array(path, raw_as), inspect_array(path, raw_as), input.size());
  } catch (const Error& error) {
    check_error(error, input.size());
  }
}

}  // namespace
}  // namespace batchdot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  batchdot::fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
