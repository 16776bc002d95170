// SPDX-License-Identifier: Apache-2.0
#include "batchdot/io.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "src/io/file_test_support.h"

namespace batchdot {
namespace {

std::string header(const std::string& descr, const std::string& shape,
                   const char* order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

std::string bytes_of(const void* data, std::size_t size) {
  return {static_cast<const char*>(data), size};
}

std::string bytes_of(const LoadedArray& array) {
  return bytes_of(array.storage.data(), array.storage.size_bytes());
}

// The elements in the order of the axes, whatever theirs in memory.
std::string row_major_bytes(const TensorView& view) {
  std::string result;
  const std::int64_t bytes = static_cast<std::int64_t>(view.dtype().size_bytes());
  for (std::int64_t i = 0; i < element_count(view.extents()); ++i) {
    std::int64_t rest = i;
    std::int64_t offset = 0;
    for (std::size_t axis = view.extents().size(); axis-- > 0;) {
      offset += rest % view.extents()[axis] * view.strides()[axis];
      rest /= view.extents()[axis];
    }
    result += bytes_of(static_cast<const char*>(view.data) + offset * bytes,
                       static_cast<std::size_t>(bytes));
  }
  return result;
}

std::string backwards(std::string bytes, std::size_t unit) {
  for (std::size_t i = 0; i + unit <= bytes.size(); i += unit) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i + unit));
  }
  return bytes;
}

// Any bytes, but of bool.
std::string some_bytes(DType dtype, std::size_t count) {
  std::mt19937 random(static_cast<unsigned>(count));
  std::string bytes(count * dtype.size_bytes(), '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(random() % (dtype == DType(Bool{}) ? 2 : 256));
  }
  return bytes;
}

TEST(ArrayEndings, AreThoseOfTheFormatsThatAreWritten) {
  const std::span<const std::string_view> endings = array_endings();
  EXPECT_EQ(std::vector(endings.begin(), endings.end()), (std::vector<std::string_view>{".npy"}));
  EXPECT_TRUE(has_array_ending("a/b.npy"));
  EXPECT_FALSE(has_array_ending("a.npy/b"));
  EXPECT_FALSE(has_array_ending("npy"));
}

TEST(ReadArray, TakesEveryTypeOrderAndVersion) {
  const TestFolder folder;
  const std::string path = folder / "a.npy";
  for_each_dtype([&](auto record) {
    const DType dtype(record);
    const std::size_t unit = dtype.size_bytes() / (record.kNpy[0] == 'c' ? 2 : 1);
    const std::string elements = some_bytes(dtype, 6);
    for (const int version : {1, 2, 3}) {
      for (const char byte_order : {'<', '>', '=', '|'}) {
        for (const bool fortran : {false, true}) {
          const std::string descr = byte_order + std::string(record.kNpy);
          const bool swapped = byte_order == '>' && unit > 1;
          put_file(path, npy(header(descr, "(2, 3)", fortran ? "True" : "False"),
                             swapped ? backwards(elements, unit) : elements, version));
          const LoadedArray array = read_array(path, BF16{});
          EXPECT_EQ(array.storage.dtype(), dtype);
          EXPECT_EQ(array.storage.extents(), Extents{6});
          EXPECT_EQ(bytes_of(array), elements) << descr;
          EXPECT_EQ(array.layout, fortran ? Layout(dtype, {2, 3}, {1, 2}) : Layout(dtype, {2, 3}));
          EXPECT_EQ(array.view().data, array.storage.data());

          const ArrayInfo info = inspect_array(path, BF16{});
          EXPECT_EQ(info.dtype, dtype);
          EXPECT_EQ(info.extents, (Extents{2, 3}));
          EXPECT_EQ(info.fortran_order, fortran);
          EXPECT_EQ(info.swapped, swapped);
          EXPECT_EQ(info.data_offset + elements.size(), file_bytes(path).size());
        }
      }
    }
  });
}

TEST(ReadArray, TakesRankZeroEmptyAndManyAxes) {
  const TestFolder folder;
  const std::string path = folder / "a.npy";
  std::string ones;
  for (int i = 0; i < 64; ++i) ones += "1, ";
  const struct {
    std::string shape, order, elements;
    Layout layout;
  } kCases[] = {
      {"()", "False", "1234", Layout(F32{}, {})},
      {"()", "True", "1234", Layout(F32{}, {})},
      {"(0,)", "False", "", Layout(F32{}, {0})},
      {"(3, 0, 9223372036854775807)", "False", "", Layout(F32{}, {3, 0, INT64_MAX})},
      {"(9223372036854775807, 3, 0)", "False", "", Layout(F32{}, {INT64_MAX, 3, 0})},
      {"(3, 0, 2)", "True", "", Layout(F32{}, {3, 0, 2}, column_major({3, 0, 2}))},
      {"(" + ones + ")", "False", "1234", Layout(F32{}, Extents(64, 1))},
  };
  for (const auto& c : kCases) {
    put_file(path, npy(header("<f4", c.shape, c.order.c_str()), c.elements));
    const LoadedArray array = read_array(path);
    EXPECT_EQ(array.layout, c.layout) << c.shape;
    EXPECT_EQ(bytes_of(array), c.elements) << c.shape;
  }
}

TEST(ReadArray, MakesTrueOfEveryByteButZero) {
  const TestFolder folder;
  put_file(folder / "a.npy", npy(header("|b1", "(5,)"), std::string("\0\1\2\x80\xff", 5)));
  EXPECT_EQ(bytes_of(read_array(folder / "a.npy")), std::string("\0\1\1\1\1", 5));
}

TEST(ReadArray, TakesTwoBytesOfNoTypeOnlyAsAskedFor) {
  const TestFolder folder;
  const std::string path = folder / "a.npy";
  put_file(path, npy(header("|V2", "(2,)"), "abcd"));
  EXPECT_EQ(read_array(path, BF16{}).storage.dtype(), DType(BF16{}));
  for (const std::optional<DType> raw_as : {std::optional<DType>(), std::optional<DType>(F16{})}) {
    const auto error = error_of([&] { read_array(path, raw_as); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::kFileFormat);
    EXPECT_EQ(error->message(),
              "read: elements are bytes of no type, descr '|V2': read as bf16 only where that is "
              "asked for: '" +
                  path + "'");
    EXPECT_EQ(error->place().option, "dtype");
    EXPECT_EQ(error->place().file, path);
  }
  put_file(path, npy(header("<f2", "(2,)"), "abcd"));
  EXPECT_EQ(read_array(path, BF16{}).storage.dtype(), DType(F16{})) << "a type that is told stays";
}

TEST(ReadArray, RefusesWhatIsNoArrayItKnows) {
  const TestFolder folder;
  const std::string path = folder / "a.npy";
  const std::string good = npy(header("<f4", "(2,)"), "12345678");
  std::string version_4 = good;
  version_4[6] = 4;
  std::string version_1_1 = good;
  version_1_1[7] = 1;
  const std::string types = ", known are f4 f8 c8 c16 f2 V2 i1 i4 i8 b1";
  const struct {
    std::string bytes, what;
    ErrorCode code = ErrorCode::kFileFormat;
  } kCases[] = {
      {"", "is empty"},
      {"\x93NUMP", "does not begin as an array file, known are .npy"},
      {"PK\3\4 a zip file", "does not begin as an array file, known are .npy"},
      {good.substr(0, 9), "ends inside its header, at byte 9"},
      {good.substr(0, 40), "ends inside its header, at byte 40"},
      {npy("", "", 2).substr(0, 11), "ends inside its header, at byte 11"},
      {version_4, "version 4.0 of .npy, known are 1.0, 2.0, 3.0"},
      {version_1_1, "version 1.1 of .npy, known are 1.0, 2.0, 3.0"},
      {good.substr(0, good.size() - 1), "is cut short: (2,) of f32 are 8 bytes, there are 7"},
      {good + "x", "goes on after its elements: (2,) of f32 are 8 bytes, there are 9"},
      {npy(header("<f4", "(0,)"), "x"),
       "goes on after its elements: (0,) of f32 are 0 bytes, there are 1"},
      {npy(header("|O", "(1,)"), "\x80\x04."),
       "holds Python objects, which are never read: descr '|O'"},
      {npy(header("<U4", "(1,)"), "1234567812345678"),
       "no element type of ours: descr '<U4'" + types},
      {npy(header("<u4", "(1,)"), "1234"), "no element type of ours: descr '<u4'" + types},
      {npy(header("f", "(1,)"), "1234"), "no element type of ours: descr 'f'" + types},
      {npy(header("", "(1,)"), "1234"), "no element type of ours: descr ''" + types},
      {npy(header("<", "(1,)"), "1234"), "no element type of ours: descr '<'" + types},
      {npy(header("<<f4", "(1,)"), "1234"), "no element type of ours: descr '<<f4'" + types},
      {npy(header("<f44", "(1,)"), "1234"), "no element type of ours: descr '<f44'" + types},
      {npy(header("|V3", "(1,)"), "123"), "no element type of ours: descr '|V3'" + types},
      {npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "1234"),
       "no element type of ours: descr '[('a', '<f4')]'" + types},
      {npy(header("<f4", "(3"), ""), "header: expected an integer at byte 54 of it"},
      {npy(header("<f4", "(4611686018427387904, 2, 2)"), ""),
       "more than 2^63 - 1 bytes: extents (4611686018427387904, 2, 2) of f32",
       ErrorCode::kOverflow},
      {npy(header("<c16", "(1152921504606846976,)"), ""),
       "more than 2^63 - 1 bytes: extents (1152921504606846976,) of complex128",
       ErrorCode::kOverflow},
      {npy(header("<f4", "(1099511627776, 65536)"), "1234"),  // 2^58 bytes are never asked for
       "is cut short: (1099511627776, 65536) of f32 are 288230376151711744 bytes, there are 4"},
      {npy(std::string(65537, ' '), "", 2), "a header of 65537 bytes, over 65536",
       ErrorCode::kLimit},
      {std::string("\x93NUMPY\2\0\xff\xff\xff\xff", 12), "a header of 4294967295 bytes, over 65536",
       ErrorCode::kLimit},
  };
  for (const auto& c : kCases) {
    put_file(path, c.bytes);
    for (const bool whole : {false, true}) {
      const auto error = error_of([&] {
        if (whole) {
          read_array(path);
        } else {
          inspect_array(path);
        }
      });
      ASSERT_TRUE(error) << c.what;
      EXPECT_EQ(error->code(), c.code);
      EXPECT_EQ(error->message(), "read: " + c.what + ": '" + path + "'");
      EXPECT_EQ(error->place().file, path);
    }
  }
  std::string long_header = header("<f4", "(2,)");
  long_header.insert(0, 65536 - long_header.size(), ' ');
  put_file(path, npy(long_header, "12345678", 3));
  EXPECT_EQ(bytes_of(read_array(path)), "12345678") << "a header of 64 KiB is read";
}

// Whatever is done to a good file, it is read or refused; never read past its end.
TEST(ReadArray, SurvivesMutations) {
  const MemoryFile file;
  const std::string path = file.path();
  const std::string good = npy(header("<i4", "(2, 3)", "True"), some_bytes(I32{}, 6));
  std::mt19937 random(7);
  int read = 0;
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = good;
    for (unsigned edits = static_cast<unsigned>(1 + random() % 3); edits > 0; --edits) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 4);
          break;
        case 2:
          bytes.insert(at, 1, bytes[random() % bytes.size()]);
          break;
        default:
          bytes[at] = "(){}'\",:L\\0129<>|"[random() % 17];
      }
    }
    put_file(path, bytes);
    try {
      const LoadedArray array = read_array(path, BF16{});
      EXPECT_EQ(array.storage.size(), element_count(array.layout.extents));
      ++read;
    } catch (const Error& error) {
      const ErrorCode code = error.code();
      EXPECT_TRUE(code == ErrorCode::kFileFormat || code == ErrorCode::kLimit ||
                  code == ErrorCode::kOverflow)
          << error.what();
      EXPECT_EQ(error.message().find('\n'), std::string::npos);
      ++refused;
    }
  }
  EXPECT_GT(read, 100);
  EXPECT_GT(refused, 1000);
}

TEST(WriteArray, WritesAnyViewInRowMajorOrder) {
  const TestFolder folder;
  const std::string path = folder / "a.npy";
  for_each_dtype([&](auto record) {
    const DType dtype(record);
    const std::string memory = some_bytes(dtype, 24);
    const char* const data = memory.data();
    const char* const last = data + 23 * dtype.size_bytes();
    const TensorView kViews[] = {
        {data, Layout(dtype, {2, 3, 4})},
        {data, Layout(dtype, {4, 3, 2}, {1, 4, 12})},  // the transpose
        {data, Layout(dtype, {3, 2, 4}, {4, 12, 1})},  // two axes swapped
        {data, Layout(dtype, {2, 3, 2}, {12, 4, 2})},  // every second
        {last, Layout(dtype, {24}, {-1})},             // backwards
        {data, Layout(dtype, {5, 3}, {0, 1})},         // a row five times
        {data, Layout(dtype, {})},
        {data, Layout(dtype, {2, 0, 4})},
        {nullptr, Layout(dtype, {0})},
        {data, Layout(dtype, Extents(64, 1), Strides(64, 99))},
    };
    for (const TensorView& view : kViews) {
      write_array(path, view);
      const std::string bytes = file_bytes(path);
      const ArrayInfo info = inspect_array(path, BF16{});
      EXPECT_EQ(info.dtype, dtype);
      EXPECT_EQ(info.extents, view.extents());
      EXPECT_FALSE(info.fortran_order);
      EXPECT_FALSE(info.swapped);
      EXPECT_EQ(info.data_offset % 64, 0u);
      EXPECT_EQ(bytes.substr(info.data_offset), row_major_bytes(view));
      const LoadedArray again = read_array(path, BF16{});
      EXPECT_EQ(bytes_of(again), row_major_bytes(view));
      const bool one_byte = dtype.size_bytes() == 1 || dtype == DType(BF16{});
      EXPECT_NE(bytes.find((one_byte ? "'|" : "'<") + std::string(record.kNpy) + "'"),
                std::string::npos);
    }
  });
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a.npy"});
}

// Longer than the buffer that it goes through.
TEST(WriteArray, StreamsALargeView) {
  const TestFolder folder;
  const std::string path = folder / "a.npy";
  const std::int64_t rows = 700;
  const std::int64_t columns = 901;
  std::vector<float> memory(static_cast<std::size_t>(rows * columns));
  std::iota(memory.begin(), memory.end(), 0.0F);
  write_array(path, TensorView(memory.data(), {columns, rows}, {1, columns}));
  const LoadedArray array = read_array(path);
  const auto elements = array.storage.elements<float>();
  ASSERT_EQ(elements.size(), memory.size());
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    ASSERT_EQ(elements[static_cast<std::size_t>(i)],
              memory[static_cast<std::size_t>(i % rows * columns + i / rows)]);
  }
}

TEST(WriteArray, MayReplaceTheFileThatItWasReadFrom) {
  const TestFolder folder;
  const std::string path = folder / "a.npy";
  put_file(path, npy(header(">i4", "(2, 3)", "True"), some_bytes(I32{}, 6)));
  const LoadedArray array = read_array(path);
  write_array(path, array.view());
  const LoadedArray again = read_array(path);
  EXPECT_EQ(row_major_bytes(again.view()), row_major_bytes(array.view()));
  EXPECT_EQ(again.layout, Layout(I32{}, {2, 3}));
}

TEST(WriteArray, RefusesWhatItCannotWrite) {
  const TestFolder folder;
  std::filesystem::create_directory(folder / "folder");
  std::filesystem::create_directory(folder / "folder.npy");
  const float data[4] = {};
  const TensorView good(data, {2, 2});
  TensorView elsewhere = good;
  elsewhere.device = Device::kCuda;
  const std::string a = folder / "a.npy";
  const struct {
    std::string path;
    TensorView array;
    ErrorCode code;
    const char* what;
  } kCases[] = {
      {folder / "folder", good, ErrorCode::kFileKind, "is a folder"},
      {folder / "folder.npy", good, ErrorCode::kFileKind, "is a folder"},
      {"/dev/null", good, ErrorCode::kFileKind, "is a device"},
      {folder / "a.txt", good, ErrorCode::kFileFormat,
       "the name's ending is of no format, known are .npy"},
      {folder / "nowhere/a.npy", good, ErrorCode::kIo,
       "cannot make a file in its folder: No such file or directory"},
      {a, elsewhere, ErrorCode::kDevice, "the array's memory cannot be read by the CPU"},
      {a, TensorView(nullptr, Layout(F32{}, {2})), ErrorCode::kFeed, "the array has no memory"},
      {a, TensorView(data, {2}, {1, 1}), ErrorCode::kRank,
       "the array has 1 extents, but 2 strides"},
      {a, TensorView(data, {2, -1}, {1, 1}), ErrorCode::kLimit, "a negative extent: axis 1 has -1"},
      {a, TensorView(data, Extents(65, 1)), ErrorCode::kLimit, "more than 64 axes: 65"},
      {a, TensorView(data, {INT64_MAX}, {0}), ErrorCode::kOverflow,
       "more than 2^63 - 1 bytes: (9223372036854775807,) of f32"},
  };
  for (const auto& c : kCases) {
    const auto error = error_of([&] { write_array(c.path, c.array); });
    ASSERT_TRUE(error) << c.what;
    EXPECT_EQ(error->code(), c.code);
    EXPECT_EQ(error->message(), "write: " + std::string(c.what) + ": '" + c.path + "'");
    EXPECT_EQ(error->place().file, c.path);
  }
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"folder", "folder.npy"}));
}

}  // namespace
}  // namespace batchdot
