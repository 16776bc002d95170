// SPDX-License-Identifier: Apache-2.0
#include "batchdot/io.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <new>

#include "src/core/checked.h"
#include "src/core/text.h"
#include "src/io/formats.h"

namespace batchdot::inline v0 {

namespace {

// To add a format: write its record and name it here.
constexpr const Format* kFormats[] = {&kNpyFormat};

std::string known_extensions() {
  std::string known;
  for (const std::string_view ending : array_endings()) {
    known += text(known.empty() ? "" : ", ", ending);
  }
  return known;
}

const Format& format_to_read(const InputFile& file) {
  if (file.size_bytes() == 0) {
    throw file_error(ErrorCode::kFileFormat, "read", "is empty", file.path());
  }
  for (const Format* format : kFormats) {
    if (file.size_bytes() < format->magic.size()) continue;
    std::string start(format->magic.size(), '\0');
    file.read(0, std::as_writable_bytes(std::span(start)));
    if (start == format->magic) return *format;
  }
  throw file_error(ErrorCode::kFileFormat, "read",
                   text("does not begin as an array file, known are ", known_extensions()),
                   file.path());
}

const Format& format_to_write(const std::string& path) {
  for (const Format* format : kFormats) {
    if (path.ends_with(format->extension)) return *format;
  }
  throw file_error(ErrorCode::kFileFormat, "write",
                   text("the name's ending is of no format, known are ", known_extensions()), path);
}

void check(const TensorView& array, const std::string& path) {
  const auto refuse = [&](ErrorCode code, const std::string& what) {
    throw file_error(code, "write", what, path);
  };
  if (array.device != Device::kCpu) {
    refuse(ErrorCode::kDevice, "the array's memory cannot be read by the CPU");
  }
  if (array.extents().size() > Limits::kRank) {
    refuse(ErrorCode::kLimit, text("more than ", Limits::kRank, " axes: ", array.extents().size()));
  }
  if (array.strides().size() != array.extents().size()) {
    refuse(ErrorCode::kRank, text("the array has ", array.extents().size(), " extents, but ",
                                  array.strides().size(), " strides"));
  }
  for (std::size_t axis = 0; axis < array.extents().size(); ++axis) {
    const std::int64_t extent = array.extents()[axis];
    if (extent < 0)
      refuse(ErrorCode::kLimit, text("a negative extent: axis ", axis, " has ", extent));
  }
  const std::int64_t count = checked_product("write", array.extents());
  if (!checked_multiply(count, static_cast<std::int64_t>(array.dtype().size_bytes()))) {
    refuse(ErrorCode::kOverflow,
           text("more than 2^63 - 1 bytes: ", array.extents(), " of ", array.dtype().name()));
  }
  if (count > 0 && array.data == nullptr) refuse(ErrorCode::kFeed, "the array has no memory");
}

// Calls, and makes an Error of a failed allocation.
template <class Call>
auto within_memory(const char* function, const std::string& path, Call call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    throw file_error(ErrorCode::kMemory, function, "no memory", path);
  }
}

}  // namespace

std::span<const std::string_view> array_endings() {
  static const auto endings = [] {
    std::array<std::string_view, std::size(kFormats)> all;
    std::transform(std::begin(kFormats), std::end(kFormats), all.begin(),
                   [](const Format* format) { return format->extension; });
    return all;
  }();
  return endings;
}

bool has_array_ending(std::string_view path) {
  const std::span<const std::string_view> endings = array_endings();
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view ending) { return path.ends_with(ending); });
}

ArrayInfo inspect_array(const std::string& path, std::optional<DType> raw_as) {
  return within_memory("read", path, [&] {
    const InputFile file(path);
    return format_to_read(file).inspect(file, raw_as);
  });
}

LoadedArray read_array(const std::string& path, std::optional<DType> raw_as) {
  return within_memory("read", path, [&] {
    const InputFile file(path);
    return format_to_read(file).read(file, raw_as);
  });
}

void write_array(const std::string& path, const TensorView& array) {
  within_memory("write", path, [&] {
    check(array, path);
    OutputFile file(path);  // first what is there: a folder needs no ending
    format_to_write(path).write(file, array);
    file.commit();
  });
}

}  // namespace batchdot::inline v0
