// SPDX-License-Identifier: Apache-2.0
#include "src/io/npy_header.h"

#include <gtest/gtest.h>

#include "src/io/file_test_support.h"

namespace batchdot {
namespace {

std::string repeated(const std::string& part, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += part;
  return result;
}

TEST(NpyHeader, ReadsWhatPythonWouldRead) {
  const struct {
    std::string text, descr;
    bool fortran_order;
    Extents extents;
  } kCases[] = {
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }    \n", "<f4", false, {3, 4}},
      {"{'descr': '|i1', 'fortran_order': True, 'shape': (), }", "|i1", true, {}},
      {"{'descr':'>c16','fortran_order':False,'shape':(5,)}", ">c16", false, {5}},
      {"{\"shape\": (0, 7), \"descr\": \"<f8\", \"fortran_order\": False}", "<f8", false, {0, 7}},
      {" \t\n{ 'shape' : ( 2 , 3 , ) , 'fortran_order' : True , 'descr' : '<f2' , } \n ",
       "<f2",
       true,
       {2, 3}},
      {"{'descr': '<i8', 'fortran_order': False, 'shape': (3L, 4l), }", "<i8", false, {3, 4}},
      {"{u'descr': u'<i8', 'fortran_order': False, 'shape': (9223372036854775807,)}",
       "<i8",
       false,
       {9223372036854775807}},
      {R"({'d\x65scr': "\074\u0066\U00000034", 'fortran_order': False, 'shape': ()})",
       "<f4",
       false,
       {}},
      {R"({'descr': '\'\"\\\a\b\f\n\r\t\v\q', 'fortran_order': False, 'shape': ()})",
       "'\"\\\a\b\f\n\r\t\v\\q",
       false,
       {}},
      {"{'descr': '<\\\nf4', 'fortran_order': False, 'shape': ()}", "<f4", false, {}},
      {"{'descr': [('a, b', '<f4', (2,)), (\"]\", 'O')], 'fortran_order': False, 'shape': ()}",
       "[('a, b', '<f4', (2,)), (\"]\", 'O')]",
       false,
       {}},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (" + repeated("1,", 64) + ")}", "<f4",
       false, Extents(64, 1)},
  };
  for (const auto& c : kCases) {
    const NpyHeader header = parse_npy_header(c.text, "x.npy");
    EXPECT_EQ(header.descr, c.descr) << c.text;
    EXPECT_EQ(header.fortran_order, c.fortran_order) << c.text;
    EXPECT_EQ(header.extents, c.extents) << c.text;
  }
}

TEST(NpyHeader, RefusesEverythingElse) {
  const std::string start = "{'descr': '<f4', 'fortran_order': False, 'shape': ";
  const struct {
    std::string text;
    std::size_t position;
    const char* what;
    ErrorCode code = ErrorCode::kFileFormat;
  } kCases[] = {
      {"", 0, "expected '{'"},
      {"[]", 0, "expected '{'"},
      {"{}", 2, "no key 'descr'"},
      {"{,}", 1, "expected a key, a string"},
      {"{1: 2}", 1, "expected a key, a string"},
      {"{'descr' '<f4'}", 9, "expected ':'"},
      {"{'descr': 4}", 10, "expected the descr, a string"},
      {"{'descr': b'<f4'}", 10, "expected the descr, a string"},
      {"{'descr': '<f4'", 15, "expected '}'"},
      {"{'descr': '<f4' 'shape': ()}", 16, "expected '}'"},
      {"{'descr': '<f4", 10, "a string without an end"},
      {"{'descr': '<f4\\", 14, "a string without an end"},
      {"{'descr': '<f\n4'}", 13, "a line end in a string"},
      {std::string("{'descr': '<f\0'}", 16), 13, "a NUL in a string"},
      {"{'descr': '<f4', 'descr': '<f4'}", 17, "key 'descr' stands twice"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (), 'Shape': ()}", 54,
       "unknown key 'Shape'"},
      {"{'descr': '\\x4'}", 11, "an escape of no character"},
      {"{'descr': '\\ud800'}", 11, "an escape of no character"},
      {"{'descr': '\\U00110000'}", 11, "an escape of no character"},
      {"{'descr': '\\N{DIGIT FOUR}'}", 11, "a character by its name"},
      {"{'descr': [('a', '<f4')", 23, "ends inside the descr"},
      {"{'descr': [(]", 13, "ends inside the descr"},
      {"{'fortran_order': 0}", 18, "expected True or False"},
      {"{'fortran_order': true}", 18, "expected True or False"},
      {"{'fortran_order': Falsehood}", 23, "expected '}'"},
      {start + "3}", 50, "expected '(', a tuple"},
      {start + "[3, 4]}", 50, "expected '(', a tuple"},
      {start + "(3)}", 51, "expected a tuple, as in (3,)"},
      {start + "(,)}", 51, "expected an integer"},
      {start + "(3 4)}", 53, "expected ')'"},
      {start + "(3,,4)}", 53, "expected an integer"},
      {start + "(3, -1)}", 54, "a negative extent"},
      {start + "(3, +1)}", 54, "expected an integer"},
      {start + "(3, 1.0)}", 55, "expected ')'"},
      {start + "(3, 0x4)}", 55, "expected ')'"},
      {start + "(3, 1_0)}", 55, "expected ')'"},
      {start + "(3, 04)}", 54, "an integer that begins with 0"},
      {start + "(3, True)}", 54, "expected an integer"},
      {start + "(3, 4LL)}", 56, "expected ')'"},
      {start + "(3, 4", 55, "expected ')'"},
      {start + "(3, 4)", 56, "expected '}'"},
      {start + "(3, 4)} #", 58, "something after the '}'"},
      {start + "(3, 4)}{", 57, "something after the '}'"},
      {std::string(start + "(3, 4)}") + '\0', 57, "something after the '}'"},
      {"{'descr': '<f4', 'shape': (3, 4)}", 33, "no key 'fortran_order'"},
      {start + "(9223372036854775808,)}", 51, "an extent above 2^63 - 1", ErrorCode::kOverflow},
      {start + "(" + repeated("9", 400) + ",)}", 51, "an extent above 2^63 - 1",
       ErrorCode::kOverflow},
      {start + "(" + repeated("1,", 65) + ")}", 179, "more than 64 axes", ErrorCode::kLimit},
  };
  for (const auto& c : kCases) {
    const auto error = error_of([&] { parse_npy_header(c.text, "x.npy"); });
    if (!error) {
      ADD_FAILURE() << c.text;
      continue;
    }
    EXPECT_EQ(error->code(), c.code) << c.text;
    EXPECT_EQ(error->message(), "read: header: " + std::string(c.what) + " at byte " +
                                    std::to_string(c.position) + " of it: 'x.npy'")
        << c.text;
    EXPECT_EQ(error->place().position, c.position);
    EXPECT_EQ(error->place().file, "x.npy");
  }
}

TEST(NpyHeader, IsPrintedAsNumPyPrintsIt) {
  const struct {
    NpyHeader header;
    std::string text;
  } kCases[] = {
      {{"<f4", false, {}}, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }"},
      {{"|b1", false, {5}}, "{'descr': '|b1', 'fortran_order': False, 'shape': (5,), }"},
      {{"<c16", true, {5, 0}}, "{'descr': '<c16', 'fortran_order': True, 'shape': (5, 0), }"},
      {{"<i8", false, {1, 2, 3}}, "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2, 3), }"},
  };
  for (const auto& c : kCases) {
    const std::string printed = print_npy_header(c.header, 10);
    EXPECT_EQ(printed.substr(0, c.text.size()), c.text);
    EXPECT_EQ(printed.find_last_not_of(' '), printed.size() - 1);
    EXPECT_EQ(printed.back(), '\n');
  }
  for (std::size_t digits = 1, extent = 1; digits < 19; ++digits, extent *= 10) {
    Extents extents(digits * 3, static_cast<std::int64_t>(extent));
    const std::string printed = print_npy_header({"<f4", false, extents}, 10);
    EXPECT_EQ((printed.size() + 10) % 64, 0u);
    EXPECT_LT(printed.size() - printed.find('}'), 66u);
    EXPECT_EQ(parse_npy_header(printed, "x.npy").extents, extents);
  }
}

}  // namespace
}  // namespace batchdot
