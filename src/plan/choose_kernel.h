// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the choices of the forms share: choose_kernel.cc has dots, vector and tiles, choose_tiny.cc
// has tiny.

#include <cstdint>
#include <string_view>
#include <vector>

#include "src/plan/plan.h"

namespace batchdot {

/// A result of wide panels that is larger than this goes past the caches; the others stand in
/// choose_kernel.cc.
inline constexpr std::int64_t kWideFarBytes = 16 << 20;
/// Nothing is asked for in advance if all operands and the result take less: they may lie in L2.
inline constexpr double kNearTotal = 1 << 20;

/// Bytes of an element in a panel.
std::int64_t element_bytes(const ContractStep& step);
bool is_one_stride(const FoldedAxes& axes, Side side);
/// An operand whose lines run through the items of the batch.
bool is_along_batch(const Folded& f, Side side);
/// If the results of several items are stored together, in lines that each of them has one element
/// of.
bool out_lies_in_groups(const ContractStep& step);
/// Rows of a panel of rhs are so wide that many of them do not stay in L1.
bool is_wide(const ContractStep& step);
/// Why the result may not hold sums: same type, unit stride along N, no epilogue; empty: it may.
std::string_view why_result_holds_no_sums(const ContractStep& step);
/// Bytes of the result, each position of M and N counted once, by the size of an element in a
/// panel: narrow ones count for as much as they are computed in.
double result_bytes(const ContractStep& step);
/// If results that groups store go past the caches: vectors have to be lines, and elements what
/// they are transposed of.
bool groups_stream(const ContractStep& step);
/// Bytes of all operands and the result, each position of M, N and K counted once, by the same
/// size: of i8 four times as many as lie in memory, of f16 twice as many.
double total_bytes(const ContractStep& step);

/// Why no tiny step; empty: it may be one.
std::string_view tiny_refuses(const ContractStep& step);
void set_up_tiny(ContractStep& step, int tasks, std::vector<Refusal>& refused);

}  // namespace batchdot
