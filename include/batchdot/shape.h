// SPDX-License-Identifier: Apache-2.0
#pragma once
// Extents known or not: Dim and Shape for what is declared, Extents and Strides for what is in
// memory.

#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/export.h"
#include "batchdot/short_list.h"

namespace batchdot::inline v0 {

/// The limits of this library. docs/errors.md prints kLimits, which names all of them.
struct Limits {
  static constexpr int kRank = 64;                          ///< axes of one tensor
  static constexpr int kOperands = 64;                      ///< operands of one contraction
  static constexpr int kLabels = 4096;                      ///< labels of one contraction
  static constexpr std::size_t kTextBytes = 1 << 20;        ///< one equation, shape or JSON line
  static constexpr std::size_t kNpyHeaderBytes = 64 << 10;  ///< the header of an .npy file
};

/// A limit as data, under the name that `batchdot info` prints.
struct LimitInfo {
  std::string_view name;
  std::int64_t most;
};
inline constexpr LimitInfo kLimits[] = {
    {"axes", Limits::kRank},
    {"operands", Limits::kOperands},
    {"labels", Limits::kLabels},
    {"text_bytes", Limits::kTextBytes},
    {"npy_header_bytes", Limits::kNpyHeaderBytes},
};

/// Integers, one for each axis, without an allocation up to rank 8.
using AxisList = ShortList<std::int64_t, 8>;

using Extents = AxisList;  ///< the number of elements along each axis, all known
using Strides = AxisList;  ///< distance in elements along each axis; may be 0 or negative

/// An extent that may not be known yet: a number, a name ("B"), or nothing.
class BATCHDOT_API Dim {
 public:
  Dim() = default;  ///< unknown
  /// \throws Error  kLimit  the extent is negative.
  template <std::integral T>
  Dim(T extent) : extent_(static_cast<std::int64_t>(extent)) {
    if (extent_ < 0) refuse_negative(extent_);
  }
  /// A dim that is the same number wherever the name stands. \throws Error kSyntax: not a name
  /// (a letter or '_' first, then letters, digits, '_'; any Unicode letter; "_" alone is refused).
  Dim(std::string_view name);
  Dim(const char* name) : Dim(std::string_view(name)) {}
  Dim(const std::string& name) : Dim(std::string_view(name)) {}

  bool is_known() const { return extent_ >= 0; }
  bool is_named() const { return name_ != nullptr; }
  bool is_unknown() const { return !is_known() && !is_named(); }  ///< neither number nor name
  /// \pre is_known()
  std::int64_t extent() const { return extent_; }
  /// Empty unless is_named().
  std::string_view name() const { return name_ ? std::string_view(*name_) : std::string_view(); }

  /// The same number, the same name, or both unknown.
  friend bool operator==(const Dim& a, const Dim& b) {
    return a.extent_ == b.extent_ && a.name() == b.name();
  }

 private:
  [[noreturn]] static void refuse_negative(std::int64_t extent);

  std::int64_t extent_ = -1;                 // -1: not known
  std::shared_ptr<const std::string> name_;  // later: an expression such as 2*T
};

/// The extents of a tensor, known or not: `Shape{"B", 36, 8, {}}` prints as (B, 36, 8, ?).
class BATCHDOT_API Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<Dim> dims) : dims_(dims) {}
  explicit Shape(std::vector<Dim> dims)
      : dims_(std::make_move_iterator(dims.begin()), std::make_move_iterator(dims.end())) {}
  Shape(const Extents& extents) : dims_(extents.begin(), extents.end()) {}

  int rank() const { return static_cast<int>(dims_.size()); }
  bool empty() const { return dims_.empty(); }
  const Dim& operator[](int axis) const { return dims_[static_cast<std::size_t>(axis)]; }
  Dim& operator[](int axis) { return dims_[static_cast<std::size_t>(axis)]; }
  auto begin() const { return dims_.begin(); }
  auto end() const { return dims_.end(); }
  void push_back(Dim dim) { dims_.push_back(std::move(dim)); }
  void insert(int axis, Dim dim) { dims_.insert(dims_.begin() + axis, std::move(dim)); }
  void erase(int axis) { dims_.erase(dims_.begin() + axis); }

  /// True if every extent is a number.
  bool is_known() const;
  /// \pre is_known()
  Extents extents() const;

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  ShortList<Dim, 6> dims_;
};

/// "36", "B" or "?".
BATCHDOT_API std::string to_string(const Dim& dim);
/// "(?, 36, 24, 24)", "(5,)", "()".
BATCHDOT_API std::string to_string(const Shape& shape);
BATCHDOT_API std::string to_string(const Extents& extents);
BATCHDOT_API std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// Reads a shape as people type it: `B,36,8,24`, `_,36` or `?,36` (unknown), `(None,36,8,24)`,
/// `[36,8,24]`, `(5,)`, `()` or `scalar`.
/// \throws Error  kSyntax, with the position;  kLimit over Limits::kRank axes;  kOverflow a number
///                above 2^63 - 1.
BATCHDOT_API Shape parse_shape(std::string_view text);

/// How two dims that must fit become one. The rules differ per dialect: docs/semantics.md.
enum class UnifyRule : std::uint8_t {
  kMerge,            ///< equal; unknown takes the other's
  kBroadcast,        ///< equal, or one of them 1; unknown with 0 or 1 stays unknown (TensorFlow)
  kBroadcastKeras3,  ///< the same, but unknown with 0 gives 0
};

/// What has to hold once the unknown extents are known.
enum class ConditionKind : std::uint8_t {
  kEqual,       ///< lhs = rhs
  kOneOrEqual,  ///< lhs = rhs, or one of them is 1
  kIsOne,       ///< lhs = 1
  kDivides,     ///< `divisor` divides lhs
  kReshape,  ///< the -1 of a historical reshape can be inferred: docs/semantics.md, empty tensors
};

/// The dim that two become, and the condition that is left open, if any.
struct Unified {
  Dim dim;
  std::optional<ConditionKind> condition;
};

/// The one rule by which two dims become one.
/// \return  nothing if they cannot be the same under `rule`.
///
///     merge      n, n -> n     n, ? -> n (equal)    B, ? -> B (equal)   B, n -> n (equal)
///                ?, ? -> ?  (equal)                 B, C -> B (equal)   B, B -> B
///     broadcast  1, n -> n     ?, 1 -> ?            B, 1 -> B           B, B -> B
///                ?, n -> n (one-or-equal, n >= 2)   B, n -> n (one-or-equal, n >= 2)
///                ?, ? and B, ? and B, C -> ? (one-or-equal)
///                ?, 0 and B, 0 -> ? (one-or-equal), or 0 under kBroadcastKeras3
BATCHDOT_API std::optional<Unified> unify(const Dim& lhs, const Dim& rhs, UnifyRule rule);

}  // namespace batchdot::inline v0
