// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy, versions 1.0, 2.0 and 3.0:
//
//     0      6      8        10 or 12      data_offset
//     magic  x.y    length   header text   elements to the end of the file
//            bytes  u16/u32 little endian
//
// Source: NumPy Enhancement Proposal 1; version 3 is 2 with UTF-8 in the header.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "src/core/checked.h"
#include "src/core/text.h"
#include "src/core/utf8.h"
#include "src/io/formats.h"
#include "src/io/npy_header.h"
#include "src/io/row_major.h"

namespace batchdot {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagic = "\x93NUMPY"sv;
constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr bool kBigEndian = std::endian::native == std::endian::big;

[[noreturn]] void refuse(const InputFile& file, const std::string& what,
                         ErrorCode code = ErrorCode::kFileFormat) {
  throw file_error(code, "read", what, file.path());
}

// Bytes that are swapped as one where the byte order differs: the two parts of a complex number are
// two.
std::size_t swapped_unit(DType dtype) {
  return dtype.visit([](auto record) {
    return sizeof(typename decltype(record)::Element) / (record.kNpy[0] == 'c' ? 2 : 1);
  });
}

template <class Unsigned, Unsigned (*swap)(Unsigned)>
void swap_each(std::span<std::byte> bytes) {
  for (std::size_t i = 0; i + sizeof(Unsigned) <= bytes.size(); i += sizeof(Unsigned)) {
    Unsigned unit;
    std::memcpy(&unit, &bytes[i], sizeof unit);
    unit = swap(unit);
    std::memcpy(&bytes[i], &unit, sizeof unit);
  }
}

std::uint16_t swap16(std::uint16_t x) { return __builtin_bswap16(x); }
std::uint32_t swap32(std::uint32_t x) { return __builtin_bswap32(x); }
std::uint64_t swap64(std::uint64_t x) { return __builtin_bswap64(x); }

void swap_bytes(DType dtype, std::span<std::byte> bytes) {
  switch (swapped_unit(dtype)) {
    case 2:
      return swap_each<std::uint16_t, swap16>(bytes);
    case 4:
      return swap_each<std::uint32_t, swap32>(bytes);
    case 8:
      return swap_each<std::uint64_t, swap64>(bytes);
    default:
      return;
  }
}

// What a descr such as "<f4" stands for: the byte order, then a record's kNpy.
void read_descr(const InputFile& file, const std::string& descr, std::optional<DType> raw_as,
                ArrayInfo& info) {
  const bool has_order = !descr.empty() && "<>=|"sv.find(descr[0]) != std::string_view::npos;
  const std::string_view kind = std::string_view(descr).substr(has_order ? 1 : 0);
  std::optional<DType> dtype;
  std::string_view raw_name;
  std::string known;
  for_each_dtype([&](auto record) {
    known += text(known.empty() ? "" : " ", record.kNpy);
    if (kind != record.kNpy) return;
    const bool is_raw = record.kNpy[0] == 'V';
    if (is_raw) raw_name = record.kName;
    if (!is_raw || raw_as == DType(record)) dtype = DType(record);
  });
  if (!dtype && !raw_name.empty()) {
    ErrorPlace place;
    place.file = file.path();
    place.option = "dtype";
    throw Error(ErrorCode::kFileFormat,
                text("read: elements are bytes of no type, descr ", quoted(descr), ": read as ",
                     raw_name, " only where that is asked for: ", quoted_path(file.path())),
                std::move(place));
  }
  if (!dtype && kind.substr(0, 1) == "O") {
    refuse(file, text("holds Python objects, which are never read: descr ", quoted(descr)));
  }
  if (!dtype) {
    refuse(file, text("no element type of ours: descr ", quoted(descr), ", known are ", known));
  }
  info.dtype = *dtype;
  info.swapped = has_order && descr[0] == (kBigEndian ? '<' : '>') && swapped_unit(*dtype) > 1;
}

std::int64_t bytes_of_elements(const InputFile& file, const ArrayInfo& info) {
  auto bytes = std::optional(static_cast<std::int64_t>(info.dtype.size_bytes()));
  for (const std::int64_t extent : info.extents) {
    if (extent == 0) return 0;
  }
  for (const std::int64_t extent : info.extents) {
    bytes = checked_multiply(*bytes, extent);
    if (!bytes) {
      refuse(file,
             text("more than 2^63 - 1 bytes: extents ", info.extents, " of ", info.dtype.name()),
             ErrorCode::kOverflow);
    }
  }
  return *bytes;
}

ArrayInfo inspect(const InputFile& file, std::optional<DType> raw_as) {
  const auto file_bytes = file.size_bytes();
  std::array<unsigned char, 12> start = {};
  const auto start_bytes = std::min<std::uint64_t>(file_bytes, start.size());
  file.read(0, std::as_writable_bytes(std::span(start)).first(start_bytes));
  if (start_bytes < 10) refuse(file, text("ends inside its header, at byte ", start_bytes));
  const int major = start[6];
  if (major < 1 || major > 3 || start[7] != 0) {
    refuse(file, text("version ", major, ".", int{start[7]}, " of .npy, known are 1.0, 2.0, 3.0"));
  }
  const std::size_t text_offset = major == 1 ? 10 : 12;
  std::size_t text_bytes = start[8] + (std::size_t{start[9]} << 8);
  if (major > 1) text_bytes += (std::size_t{start[10]} << 16) + (std::size_t{start[11]} << 24);
  if (text_bytes > Limits::kNpyHeaderBytes) {
    refuse(file, text("a header of ", text_bytes, " bytes, over ", Limits::kNpyHeaderBytes),
           ErrorCode::kLimit);
  }
  if (start_bytes < text_offset || file_bytes - text_offset < text_bytes) {
    refuse(file, text("ends inside its header, at byte ", file_bytes));
  }

  std::string header_text(text_bytes, '\0');
  file.read(text_offset, std::as_writable_bytes(std::span(header_text)));
  const NpyHeader header = parse_npy_header(header_text, file.path());
  ArrayInfo info;
  read_descr(file, header.descr, raw_as, info);
  info.extents = header.extents;
  info.fortran_order = header.fortran_order;
  info.data_offset = text_offset + text_bytes;
  const auto wanted = static_cast<std::uint64_t>(bytes_of_elements(file, info));
  const std::uint64_t there = file_bytes - info.data_offset;
  if (wanted != there) {
    refuse(file,
           text(there < wanted ? "is cut short" : "goes on after its elements", ": ", info.extents,
                " of ", info.dtype.name(), " are ", wanted, " bytes, there are ", there));
  }
  return info;
}

LoadedArray read(const InputFile& file, std::optional<DType> raw_as) {
  const ArrayInfo info = inspect(file, raw_as);
  const std::int64_t count =
      bytes_of_elements(file, info) / static_cast<std::int64_t>(info.dtype.size_bytes());
  LoadedArray array;
  try {
    array.storage = Tensor::uninitialized(info.dtype, {count});
    array.layout = info.fortran_order ? Layout(info.dtype, info.extents, column_major(info.extents))
                                      : Layout(info.dtype, info.extents);
  } catch (const Error& error) {
    refuse(file, error.message(), error.code());
  }
  if (count == 0) return array;
  const std::span bytes(static_cast<std::byte*>(array.storage.data()), array.storage.size_bytes());
  file.read(info.data_offset, bytes);
  if (info.swapped) swap_bytes(info.dtype, bytes);
  if (info.dtype == DType(Bool{})) {  // to NumPy every byte but 0 is true, to C++ only 1
    for (std::byte& byte : bytes) byte = byte == std::byte{0} ? std::byte{0} : std::byte{1};
  }
  return array;
}

void write(OutputFile& file, const TensorView& array) {
  constexpr char kVersion[] = {1, 0};
  constexpr std::size_t kStartBytes = kMagic.size() + 4;
  NpyHeader header;
  header.descr = array.dtype().visit([](auto record) {
    const bool has_order = swapped_unit(DType(record)) > 1 && record.kNpy[0] != 'V';
    return text(has_order ? '<' : '|', record.kNpy);
  });
  header.extents = array.extents();
  const std::string header_text = print_npy_header(header, kStartBytes);
  std::string start(kMagic);
  start.append(kVersion, 2);
  start += static_cast<char>(header_text.size() & 0xFF);
  start += static_cast<char>(header_text.size() >> 8);  // 64 axes of 20 digits fit
  start += header_text;
  file.write(std::as_bytes(std::span(start)));

  const std::int64_t count = element_count(array.extents());
  const std::size_t element_bytes = array.dtype().size_bytes();
  if (is_row_major(array.layout) && !kBigEndian) {
    file.write({static_cast<const std::byte*>(array.data),
                static_cast<std::size_t>(count) * element_bytes});
    return;
  }
  const auto piece = std::min(count, static_cast<std::int64_t>(kBufferBytes / element_bytes));
  std::vector<std::byte> buffer(static_cast<std::size_t>(piece) * element_bytes);
  for (std::int64_t first = 0; first < count; first += piece) {
    const std::int64_t now = std::min(piece, count - first);
    const std::span bytes(buffer.data(), static_cast<std::size_t>(now) * element_bytes);
    copy_row_major(array, first, now, bytes.data());
    if (kBigEndian) swap_bytes(array.dtype(), bytes);
    file.write(bytes);
  }
}

}  // namespace

const Format kNpyFormat = {".npy", kMagic, inspect, read, write};

}  // namespace batchdot
