// SPDX-License-Identifier: Apache-2.0
#pragma once
// One table of errors for C++, the command line and JSON. docs/errors.md has a section on each.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "batchdot/export.h"

namespace batchdot::inline v0 {

/// What went wrong. `name()` of its row in error_codes() is the spelling in JSON.
enum class ErrorCode : std::uint8_t {
  kRank,
  kAxisRange,
  kNegAxis,
  kAxis0,
  kAxesType,
  kAxesLen,
  kAxesNested,
  kAxesDup,
  kDim,
  kBatch,
  kBatchDim,
  kBroadcast,
  kSqueeze,
  kEmptyReshape,
  kNotImplemented,
  kInputs,
  kCondition,
  kDType,
  kOverlap,
  kFeed,
  kDevice,
  kSyntax,
  kLabel,
  kUsage,
  kFileFormat,
  kFileKind,
  kLimit,
  kOverflow,
  kMemory,
  kIo,
  kInterrupted,
  kInternal,
};

/// One row of the table of errors.
struct ErrorCodeInfo {
  ErrorCode code;
  std::string_view name;         ///< "AXIS_RANGE"
  int exit_code;                 ///< what the command line exits with
  std::string_view python_type;  ///< the Python exception it is to be, once there is a module
  std::string_view when;         ///< one sentence
};

/// All rows, in the order of ErrorCode.
BATCHDOT_API std::span<const ErrorCodeInfo> error_codes();
/// The row of one code.
BATCHDOT_API const ErrorCodeInfo& info(ErrorCode code);

/// Where an error lies, as far as it is known; the fields of "error" in JSON.
struct ErrorPlace {
  std::optional<int> operand;        ///< 0 is lhs, 1 is rhs
  std::optional<int> axis;           ///< of `operand`, counted from 0
  std::optional<int> other_operand;  ///< what it does not fit
  std::optional<int> other_axis;
  /// Of `axis`, as a shape prints it: "20", "B", "?". Where the axis is out of range: the rank.
  /// Where the rank is wrong, `axis` is the first that is missing or too many, and this is the
  /// rank.
  std::string extent;
  std::string other_extent;  ///< of `other_axis`; where the rank is wrong: the rank that is needed
  std::string label;         ///< the label of the axis, for einsum
  std::string option;        ///< the option that is to blame, by its command-line name
  std::string file;
  std::optional<std::size_t> position;  ///< in the text that could not be read, from 0
};

/// A refused request. Thrown before any element is written.
///
/// what() is one line: `<function>: <what is wrong>: <the values>`.
class BATCHDOT_API Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message, ErrorPlace place = {});
  Error(const Error&);
  Error& operator=(const Error&);
  ~Error() override;

  const char* what() const noexcept override { return message_.c_str(); }
  ErrorCode code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const ErrorPlace& place() const noexcept { return place_; }

 private:
  ErrorCode code_;
  std::string message_;
  ErrorPlace place_;
};

/// The text as people are shown it: one line of valid UTF-8. Control characters, characters that
/// turn the direction of text and bytes that are no UTF-8 become \xNN, byte by byte.
BATCHDOT_API std::string printable(std::string_view text);

}  // namespace batchdot::inline v0
