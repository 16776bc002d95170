// SPDX-License-Identifier: Apache-2.0
#pragma once
// One record for each element type, walked by files, command line and tests. What a new type needs
// besides its record, above all its arithmetic, is a row of the table in CONTRIBUTING.md.

#include <complex>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace batchdot::inline v0 {

/// An IEEE 754 binary16 number, as its bits.
struct Half {
  std::uint16_t bits;
  friend bool operator==(Half, Half) = default;
};

/// The upper half of an IEEE 754 binary32 number, as its bits.
struct BFloat16 {
  std::uint16_t bits;
  friend bool operator==(BFloat16, BFloat16) = default;
};

struct F32 {
  using Element = float;
  using Accumulator = float;  ///< what a sum over K is kept in
  using Result = F32;         ///< the dtype of a product of two such operands
  static constexpr std::string_view kName = "f32";
  static constexpr std::string_view kLongName = "float32";
  static constexpr std::string_view kNpy = "f4";  ///< kind and bytes in an .npy header
  static constexpr bool kComputes = true;         ///< false: for storage only
};
struct F64 {
  using Element = double;
  using Accumulator = double;
  using Result = F64;
  static constexpr std::string_view kName = "f64";
  static constexpr std::string_view kLongName = "float64";
  static constexpr std::string_view kNpy = "f8";
  static constexpr bool kComputes = true;
};
struct C64 {
  using Element = std::complex<float>;
  using Accumulator = std::complex<float>;
  using Result = C64;
  static constexpr std::string_view kName = "complex64";
  static constexpr std::string_view kLongName = "complex64";
  static constexpr std::string_view kNpy = "c8";
  static constexpr bool kComputes = true;
};
struct C128 {
  using Element = std::complex<double>;
  using Accumulator = std::complex<double>;
  using Result = C128;
  static constexpr std::string_view kName = "complex128";
  static constexpr std::string_view kLongName = "complex128";
  static constexpr std::string_view kNpy = "c16";
  static constexpr bool kComputes = true;
};
struct F16 {
  using Element = Half;
  using Accumulator = float;
  using Result = F16;
  static constexpr std::string_view kName = "f16";
  static constexpr std::string_view kLongName = "float16";
  static constexpr std::string_view kNpy = "f2";
  static constexpr bool kComputes = true;
};
struct BF16 {
  using Element = BFloat16;
  using Accumulator = float;  ///< in an order and a mode of its own: docs/numerics.md
  using Result = BF16;
  static constexpr std::string_view kName = "bf16";
  static constexpr std::string_view kLongName = "bfloat16";
  static constexpr std::string_view kNpy = "V2";  ///< read as bf16 only where it is asked for
  static constexpr bool kComputes = true;
};
struct I32 {
  using Element = std::int32_t;
  using Accumulator = std::int32_t;  ///< computed in the unsigned type: exact modulo 2^32
  using Result = I32;
  static constexpr std::string_view kName = "i32";
  static constexpr std::string_view kLongName = "int32";
  static constexpr std::string_view kNpy = "i4";
  static constexpr bool kComputes = true;
};
struct I8 {
  using Element = std::int8_t;
  using Accumulator = std::int32_t;
  using Result = I32;
  static constexpr std::string_view kName = "i8";
  static constexpr std::string_view kLongName = "int8";
  static constexpr std::string_view kNpy = "i1";
  static constexpr bool kComputes = true;
};
struct I64 {
  using Element = std::int64_t;
  using Accumulator = std::int64_t;  ///< computed in the unsigned type: exact modulo 2^64
  using Result = I64;
  static constexpr std::string_view kName = "i64";
  static constexpr std::string_view kLongName = "int64";
  static constexpr std::string_view kNpy = "i8";
  static constexpr bool kComputes = true;
};
struct Bool {
  using Element = bool;
  using Accumulator = bool;
  using Result = Bool;
  static constexpr std::string_view kName = "bool";
  static constexpr std::string_view kLongName = "bool";
  static constexpr std::string_view kNpy = "b1";
  static constexpr bool kComputes = false;
};

using DTypes = std::tuple<F32, F64, C64, C128, F16, BF16, I8, I32, I64, Bool>;

/// Calls `visitor(record)` for every dtype in this build.
template <class Visitor>
constexpr void for_each_dtype(Visitor&& visitor) {
  std::apply([&](auto... record) { (visitor(record), ...); }, DTypes{});
}

namespace detail {
template <class Record>
constexpr std::uint8_t index_in_dtypes() {
  std::uint8_t found = 0;
  std::uint8_t index = 0;
  for_each_dtype([&](auto record) {
    if (std::is_same_v<decltype(record), Record>) found = index;
    ++index;
  });
  return found;
}

template <class T, class Element>
constexpr bool is_element() {
  using Plain = std::remove_cv_t<T>;
  constexpr bool kSameInteger = std::is_integral_v<Plain> && std::is_integral_v<Element> &&
                                std::is_signed_v<Plain> && std::is_signed_v<Element> &&
                                !std::is_same_v<Plain, char> && sizeof(Plain) == sizeof(Element);
  return std::is_same_v<Plain, Element> || kSameInteger;
}

/// The position of the dtype whose element is T, or the size of DTypes.
template <class T>
constexpr std::uint8_t index_of_element() {
  std::uint8_t found = std::tuple_size_v<DTypes>;
  std::uint8_t index = 0;
  for_each_dtype([&](auto record) {
    if (is_element<T, typename decltype(record)::Element>()) found = index;
    ++index;
  });
  return found;
}
}  // namespace detail

/// A C++ type that is the element of a dtype.
template <class T>
concept ElementType =
    !std::is_void_v<T> && detail::index_of_element<T>() < std::tuple_size_v<DTypes>;

/// An element type as a value: a position in DTypes.
class DType {
 public:
  constexpr DType() = default;  ///< f32
  /// The dtype of a record: `DType(F64{})`.
  template <class Record>
  requires requires { Record::kName; }
  constexpr DType(Record) : index_(detail::index_in_dtypes<Record>()) {}

  /// The dtype whose element is T: `DType::of<float>()`. Signed integers count by their size.
  template <ElementType T>
  static constexpr DType of() {
    DType result;
    result.index_ = detail::index_of_element<T>();
    return result;
  }

  /// The position in DTypes, for tables.
  constexpr std::size_t index() const { return index_; }

  /// Calls `visitor` with this dtype's record and returns what it returns: the one door from the
  /// value to the type.
  template <std::size_t I = 0, class Visitor>
  constexpr decltype(auto) visit(Visitor&& visitor) const {
    if constexpr (I + 1 == kCount) {
      return std::forward<Visitor>(visitor)(std::tuple_element_t<I, DTypes>{});
    } else {
      if (index_ == I) return std::forward<Visitor>(visitor)(std::tuple_element_t<I, DTypes>{});
      return visit<I + 1>(std::forward<Visitor>(visitor));
    }
  }

  constexpr std::string_view name() const {
    return visit([](auto record) { return std::string_view(record.kName); });
  }
  constexpr bool is_complex() const { return *this == DType(C64{}) || *this == DType(C128{}); }
  constexpr std::size_t size_bytes() const {
    return visit([](auto record) { return sizeof(typename decltype(record)::Element); });
  }
  /// The dtype of a product of two operands of this dtype: i8 gives i32, every other itself.
  constexpr DType result() const {
    return visit([](auto record) { return DType(typename decltype(record)::Result{}); });
  }
  /// False for bool, which is stored but not computed with.
  constexpr bool computes() const {
    return visit([](auto record) { return bool(record.kComputes); });
  }
  /// By kName or kLongName ("f32", "float32"); nothing for any other text.
  static constexpr std::optional<DType> parse(std::string_view text) {
    std::optional<DType> result;
    for_each_dtype([&](auto record) {
      if (text == record.kName || text == record.kLongName) result = DType(record);
    });
    return result;
  }

  friend constexpr bool operator==(DType, DType) = default;

 private:
  static constexpr std::uint8_t kCount = std::tuple_size_v<DTypes>;

  std::uint8_t index_ = 0;
};

}  // namespace batchdot::inline v0
