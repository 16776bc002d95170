// SPDX-License-Identifier: Apache-2.0
#pragma once
// The list of operations: what a user calls by name. The command line, --lines, tests and docs walk
// it. Options are data.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/error.h"
#include "batchdot/explain.h"
#include "batchdot/export.h"
#include "batchdot/notation.h"
#include "batchdot/plan.h"

namespace batchdot::inline v0 {

enum class OptionKind : std::uint8_t { kFlag, kInt, kIntList, kAxes, kText, kDialect, kDType };
using OptionValue = std::variant<bool, std::int64_t, std::vector<std::int64_t>, std::string, Axes>;

/// An option of an operation, as data.
struct OptionInfo {
  std::string_view name;  ///< "lhs-batch"; JSON spells it with '_'
  OptionKind kind;
  std::string_view placeholder;  ///< "A,B"
  std::string_view help;         ///< one line
  bool positional = false;       ///< einsum's equation: typed without its name
};

/// One problem: an operation, its options, the shapes of its operands.
struct Problem {
  std::string operation;
  std::map<std::string, OptionValue, std::less<>> options;  ///< by OptionInfo::name
  std::vector<Shape> shapes;
};

/// What an operation makes of shapes.
struct Inference {
  Shape shape;                             ///< of what is computed
  std::optional<Shape> reported_shape;     ///< dot_layer: of what that release reports
  std::optional<Contraction> contraction;  ///< none for softmax
  std::optional<DotLayer> layer;           ///< dot_layer
  std::optional<int> softmax_axis;         ///< softmax
};

/// One operation.
struct Operation {
  std::string_view name;
  std::string_view summary;
  std::span<const OptionInfo> options;
  int min_operands, max_operands;
  Inference (*infer)(const Problem& problem);
  /// Why it is so, in sentences, from the code that decides; called for explanations only.
  std::vector<std::string> (*notes)(const Problem& problem, const Inference& inference);
  /// What another number of operands is refused with.
  ErrorCode wrong_number = ErrorCode::kUsage;
};

/// Reads an option's value as people type it: `2`, `-1`, `2,1`, `[[2],[1]]`, `((2,),(1,))`, `f32`.
/// \throws Error  kSyntax, with the position;  kOverflow  a number beyond 64 bits.
BATCHDOT_API OptionValue parse_option(const OptionInfo& option, std::string_view text);
/// The value as parse_option() reads it.
BATCHDOT_API std::string to_string(const OptionValue& value);
/// The name that a mistyped word may stand for, capitals aside, as ": did you mean 'x'?": one that
/// it begins, else the nearest; empty if none is near.
BATCHDOT_API std::string did_you_mean(std::string_view word,
                                      std::span<const std::string_view> names);

/// All operations of this build.
BATCHDOT_API std::span<const Operation> operations();
/// \throws Error  kUsage  no such operation; the message lists them.
BATCHDOT_API const Operation& find_operation(std::string_view name);

/// The shape of the result, and what it is made of.
/// \throws Error  kUsage  an option the operation does not have, a missing one, number of operands;
/// and as the notation.
BATCHDOT_API Inference infer(const Problem& problem);
/// True if two answers are one computation: the shape, the labels but for their names, the order of
/// the sum; of complex numbers the conjugates too, of a normalizing Dot layer what it divides by.
BATCHDOT_API bool is_same_computation(const Inference& a, const Inference& b, bool is_complex);
/// A computation in short, for people: "abc,acd->abd", "abc,acd->abd, lhs conjugated".
BATCHDOT_API std::string computation_of(const Inference& inference, bool is_complex);

/// The same call as a user of that dialect wrote it: keras-0.3 took a pair of axes as nested lists,
/// all later ones as two ints.
BATCHDOT_API Problem in_dialect(Problem problem, std::string_view dialect);

/// A plan for a problem whose extents are those of the layouts.
/// \throws Error  as infer and Plan::make.
BATCHDOT_API Plan make_plan(const Problem& problem, std::span<const Layout> operands,
                            const PlanOptions& options = {});

/// Refuses what the element types of the operands alone make make_plan() refuse, whatever the
/// extents are, known or not. \throws Error  as infer;  kDType;  kNotImplemented.
BATCHDOT_API void check_dtypes(const Problem& problem, std::span<const DType> operands);

/// Roles, reasons, equivalents, and where all extents are known the plan and its cost.
/// \param layouts  of the operands if they are known (files); else dense ones of `dtype` are
/// assumed.
BATCHDOT_API Explanation explain(const Problem& problem, DType dtype = F32{},
                                 std::span<const Layout> layouts = {},
                                 const PlanOptions& options = {});

/// A single change to a refused problem that makes it fit.
struct Fix {
  std::string text;  ///< "swap axes 1 and 2 of rhs: 8,5,7"
  Problem problem;   ///< runs without an error
};
/// Tries single changes (another axis, two axes swapped, transpose, an axis of 1 put in or dropped,
/// another dialect) through infer(); never gives one that does not fit.
/// \param succeeds  asked of what infer() takes, with `context`, where more is needed (dtypes of
/// files, a plan); null: nothing is.
BATCHDOT_API std::optional<Fix> find_fix(const Problem& problem, const Error& error,
                                         bool (*succeeds)(const Problem& changed,
                                                          const void* context) = nullptr,
                                         const void* context = nullptr);

/// Reads a problem in the form of `batchdot shape --lines`.
/// \throws Error  kSyntax with the position; kUsage; kAxesType; kLimit.
BATCHDOT_API Problem parse_problem(std::string_view json);
/// The problem in that form, on one line.
BATCHDOT_API std::string to_json(const Problem& problem);
/// A word as one types it for a shell: as it is, in quotes, or, where it holds what does not print,
/// in the $'...' of bash, zsh and ksh.
BATCHDOT_API std::string shell_word(std::string_view word);
/// The problem as one would type it: `batch_dot 2,8,5 2,5,7 --axes 2,1`.
/// Where a word is given for an operand (a file), it stands in place of the shape.
BATCHDOT_API std::string to_command(const Problem& problem,
                                    std::span<const std::string> operands = {});

}  // namespace batchdot::inline v0
