// SPDX-License-Identifier: Apache-2.0
#pragma once
// Cases as text, one a line; columns stand two or more spaces apart:
//
//     operation  options  operands  result  meaning
//
//     options   as on the command line, `-` for none; an equation is typed without a name;
//               `--dialect @old` is one case for each dialect of the line `let @old keras-1.0 ...`
//     operands  shapes; `1,2=3,4` also gives the elements, `_@7,36` or `B@7,36` feeds 7 where the
//               extent is declared unknown or named (2 if it is not said)
//     result    a shape, with its elements or without; `reported SHAPE` behind it is the Dot
//     layer's;
//               `error CODE` alone: refused when declared; behind a shape: refused when computed
//     meaning   index notation, `*` conjugates: bik,bjk*=bij; `k,k root 1e-12` or `k,k norm 1e-7`
//               behind it: both operands are normalised along k first; softmax: the axis

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/operation.h"
#include "tests/reference.h"

namespace batchdot::conformance {

struct CaseOperand {
  Shape declared;
  Extents fed;
  std::vector<double> elements;  ///< empty: random
};

struct Normalization {
  Label lhs, rhs;
  bool is_norm;  ///< the floor lies under the norm, not under the square
  long double epsilon;
};

struct Case {
  std::string where;  ///< "batch_dot.txt:12"
  Problem problem;    ///< shapes as declared
  std::vector<CaseOperand> operands;
  std::optional<Shape> shape, reported;
  std::vector<double> elements;  ///< of the result; empty: not given
  std::string error;             ///< code of a refusal, empty: none
  std::optional<reference::Meaning> meaning;
  std::optional<Normalization> normalization;
  std::optional<int> softmax_axis;
};

/// All cases of tests/conformance, files in the order of their names.
/// \throws std::runtime_error  a line that cannot be read, with its place.
std::vector<Case> read_cases();

}  // namespace batchdot::conformance
