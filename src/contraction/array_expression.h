// SPDX-License-Identifier: Apache-2.0
#pragma once
// An array in the words of another library, while axes are indexed, put in and permuted.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/contraction.h"
#include "src/core/text.h"

namespace batchdot {

/// How a library spells what is done to one array: before, between array and argument, after.
struct Library {
  std::string_view name;
  std::string_view einsum;
  std::string_view conj;
  std::string_view permute, permute_end;  // permute + array + ", " + tuple + permute_end
  std::string_view swap, swap_end;        // the last two axes
  std::string_view sum, sum_axes;         // sum + array + sum_axes + tuple + ")"
};
inline constexpr Library kNumpy = {"numpy",        "np.einsum", "np.conj(", "np.transpose(", ")",
                                   "np.swapaxes(", ", -1, -2)", "np.sum(",  ", axis="};
inline constexpr Library kTensorflow = {"tensorflow",
                                        "tf.einsum",
                                        "tf.math.conj(",
                                        "tf.transpose(",
                                        ")",
                                        "tf.linalg.matrix_transpose(",
                                        ")",
                                        "tf.reduce_sum(",
                                        ", axis="};
inline constexpr Library kPytorch = {"pytorch", "torch.einsum",     "torch.conj(", "torch.permute(",
                                     ")",       "torch.transpose(", ", -1, -2)",   "torch.sum(",
                                     ", dim="};
inline constexpr Library kJax = {"jax",           "jnp.einsum", "jnp.conj(", "jnp.transpose(", ")",
                                 "jnp.swapaxes(", ", -1, -2)",  "jnp.sum(",  ", axis="};

/// An array on its way through an expression: its code, and the label of each of its axes.
struct Term {
  std::string code;
  Labels labels;
  int edits = 0;  // what was done to it
};

/// "(0,)", "(2, 1)": a Python tuple.
template <class Numbers>
std::string tuple(const Numbers& numbers) {
  return text("(", joined(numbers, ", "), numbers.size() == 1 ? ",)" : ")");
}

/// An index such as [:, None, 0]: axes with a label of `drop` are indexed away, and where the array
/// lacks a label of `wanted` an axis of 1 is put in.
void reindex(Term& term, const Labels& drop, const Labels& wanted);

/// How labels differ from those that are wanted.
enum class Order : std::uint8_t { kSame, kLastTwoSwapped, kOther };
Order order_of(const Labels& labels, const Labels& wanted);

/// Puts the axes into the order of `wanted`, which holds the same labels.
void permute(const Library& library, Term& term, const Labels& wanted);

}  // namespace batchdot
