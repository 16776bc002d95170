// SPDX-License-Identifier: Apache-2.0
#pragma once
// The notations: each turns what people write into a Contraction. The same names on tensors
// compute.

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/export.h"
#include "batchdot/shape.h"
#include "batchdot/tensor.h"

namespace batchdot::inline v0 {

/// Axes as a caller wrote them; what they mean is the dialect's business.
///
///     {}             none given: the dialect's default
///     2              one int, for both operands
///     {2, 1}         lhs, rhs
///     {{2}, {1}}     nested lists, as keras-0.3 took them and later ones refuse
class BATCHDOT_API Axes {
 public:
  /// One entry of a list of axes: an int, or a list of ints.
  struct Entry {
    std::variant<std::int64_t, std::vector<std::int64_t>> value;
    template <std::integral T>
    Entry(T axis) : value(static_cast<std::int64_t>(axis)) {}
    Entry(std::initializer_list<std::int64_t> axes)
        : value(std::vector<std::int64_t>(axes.begin(), axes.end())) {}
    Entry(std::vector<std::int64_t> axes) : value(std::move(axes)) {}
    bool is_nested() const { return value.index() == 1; }
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  Axes() = default;
  template <std::integral T>
  Axes(T axis) : single_(static_cast<std::int64_t>(axis)) {}
  Axes(std::initializer_list<Entry> entries) : list_(entries) {}
  explicit Axes(std::vector<Entry> entries) : list_(std::move(entries)) {}

  bool is_none() const { return !single_ && !list_; }
  /// The one int, if one was given.
  const std::optional<std::int64_t>& single() const { return single_; }
  /// The list, if a list was given.
  const std::optional<std::vector<Entry>>& list() const { return list_; }
  friend bool operator==(const Axes&, const Axes&) = default;

 private:
  std::optional<std::int64_t> single_;
  std::optional<std::vector<Entry>> list_;
};
/// "none", "2", "[2, 1]", "[[2], [1]]".
BATCHDOT_API std::string to_string(const Axes& axes);

/// A release of Keras (or of a relative) whose rules are asked for, by name: `keras-2.2`,
/// `keras-2.1.4`, `tf.keras-1`, `tf.keras-2`, `keras-2.2-tf1.14`, `tfjs`; the default is `keras-3`.
class BATCHDOT_API Dialect {
 public:
  enum class Product : std::uint8_t { kKeras, kTfKeras, kTfjs };

  Dialect();  ///< keras-3
  /// \throws Error  kUsage  no such dialect; the message lists them.
  explicit Dialect(std::string_view name);

  const std::string& name() const { return name_; }
  Product product() const { return product_; }
  /// Keras's own release as major * 10000 + minor * 100 + patch, the last one for a short name; 0
  /// for tfjs. tf.keras-1 and tf.keras-2 give 1 and 2 as major.
  int version() const { return version_; }
  /// True where Keras 2.2 runs on TensorFlow 1.14 or 1.15, whose matmul broadcasts.
  bool tensorflow_broadcasts() const { return tensorflow_broadcasts_; }

  /// The dialects that `batchdot dialects` shows, oldest first.
  static std::span<const std::string_view> names();
  friend bool operator==(const Dialect&, const Dialect&) = default;

 private:
  std::string name_;
  Product product_ = Product::kKeras;
  int version_ = 0;
  bool tensorflow_broadcasts_ = false;
};

/// Keras batch_dot on the TensorFlow backend, in the rules of `dialect`.
///
///     keras-2.2.5 and later (family B): axis 0 is the batch, one axis of each operand is summed
///     over
///         out[b, i..., j...] = sum_k lhs[b, i..., k at axes.lhs] * rhs[b, j..., k at axes.rhs]
///     before (family A): a matrix product over the last two axes, all others are batch
///         out[b..., i, j] = sum_k lhs[b..., i, k or k, i] * rhs[b..., k, j or j, k]
///
/// \throws Error  kRank, kAxisRange, kAxis0, kAxesType, kAxesLen, kAxesNested, kBatch, kBatchDim,
/// kDim,
///                kBroadcast, kSqueeze, kNotImplemented as that dialect refuses: docs/semantics.md.
/// Cost: microseconds; allocates a few hundred bytes.
/// Source: keras, backend/tensorflow_backend.py and layers/merging/dot.py, each release.
BATCHDOT_API Contraction batch_dot(const Shape& lhs, const Shape& rhs, const Axes& axes = {},
                                   const Dialect& dialect = {});

/// The Dot layer: batch_dot behind its own checks, after an L2 normalisation if asked for.
struct DotLayer {
  Contraction contraction;
  Shape reported_shape;  ///< what that release says the shape is (compute_output_shape)
  bool normalize = false;
  int lhs_axis = 0, rhs_axis = 0;  ///< normalised along these
  /// out = x / sqrt(max(sum x^2, epsilon)) for kUnderRoot, x / max(sqrt(sum x^2), epsilon) for
  /// kNorm.
  enum class Floor : std::uint8_t { kUnderRoot, kNorm } floor = Floor::kUnderRoot;
  double epsilon = 1e-12;
};
/// \throws Error as batch_dot, and kInputs, kAxesType, kAxesLen, kDim from the layer's own checks.
BATCHDOT_API DotLayer dot_layer(const Shape& lhs, const Shape& rhs, const Axes& axes,
                                bool normalize = false, const Dialect& dialect = {});

/// Keras K.dot: not batched.
///
///     out[i..., j..., n] = sum_k lhs[i..., k] * rhs[j..., k, n]
///
/// \throws Error  kRank, kDim.   Source: keras backend dot; keras.ops.dot for keras-3.
BATCHDOT_API Contraction dot(const Shape& lhs, const Shape& rhs, const Dialect& dialect = {});

struct MatmulFlags {
  bool transpose_lhs = false, transpose_rhs = false;  ///< swap the last two axes
  bool adjoint_lhs = false, adjoint_rhs = false;      ///< swap them and conjugate
};
/// NumPy's and TensorFlow's matmul: leading axes broadcast, vectors are promoted.
///
///     out[b..., i, j] = sum_k lhs[b..., i, k] * rhs[b..., k, j]
///
/// \throws Error  kRank a scalar, or a flag on a vector;  kDim;  kBroadcast;  kUsage transpose and
/// adjoint
///                of the same operand.
BATCHDOT_API Contraction matmul(const Shape& lhs, const Shape& rhs, const MatmulFlags& flags = {});

/// NumPy's tensordot: the axes are paired in the order given; the free axes of lhs, then of rhs
/// remain. \throws Error  kAxesLen, kAxesDup, kAxisRange, kDim.
BATCHDOT_API Contraction tensordot(const Shape& lhs, const Shape& rhs,
                                   std::span<const std::int64_t> lhs_axes,
                                   std::span<const std::int64_t> rhs_axes);
/// The last `count` axes of lhs with the first `count` of rhs. \throws Error kAxesLen, kDim.
BATCHDOT_API Contraction tensordot(const Shape& lhs, const Shape& rhs, int count);

/// The axes of XLA's DotGeneral, all counted from 0.
struct DotDimensionNumbers {
  std::vector<std::int64_t> lhs_batch, rhs_batch, lhs_contract, rhs_contract;
};
/// XLA's dot_general: result = batch axes, lhs free axes, rhs free axes.
/// \throws Error  kAxesLen, kAxesDup, kNegAxis, kAxisRange, kBatch, kDim.
/// Source: StableHLO specification, dot_general.
BATCHDOT_API Contraction dot_general(const Shape& lhs, const Shape& rhs,
                                     const DotDimensionNumbers& numbers);

/// einsum of any number of operands: `bij,bjk->bik`, `bij,bjk=bik`, `bij,bjk→bik`, `...ij,...jk`
/// (implicit output: letters that stand once, in alphabetical order), repeated letters (diagonals).
/// Any Unicode letter is a label; size 1 broadcasts under `...` only. \throws Error  kSyntax,
/// kLabel, kUsage (number of operands), kRank, kDim, kBroadcast.
BATCHDOT_API Contraction einsum(std::string_view equation, std::span<const Shape> operands);
inline Contraction einsum(std::string_view equation, std::initializer_list<Shape> operands) {
  return einsum(equation, std::span<const Shape>(operands.begin(), operands.size()));
}

/// Computes a contraction: plans and runs it on the default threads.
/// \throws Error  kFeed, kCondition, kDType, kDevice, kMemory.
/// Cost: plans anew each call; keep a Plan where that counts.
BATCHDOT_API Tensor evaluate(const Contraction& c, std::span<const TensorView> operands);

/// The same notations on tensors: computed at once. \throws Error as above, and as evaluate.
BATCHDOT_API Tensor batch_dot(const TensorView& lhs, const TensorView& rhs, const Axes& axes = {},
                              const Dialect& dialect = {});
BATCHDOT_API Tensor dot_layer(const TensorView& lhs, const TensorView& rhs, const Axes& axes,
                              bool normalize = false, const Dialect& dialect = {});
BATCHDOT_API Tensor dot(const TensorView& lhs, const TensorView& rhs, const Dialect& dialect = {});
BATCHDOT_API Tensor matmul(const TensorView& lhs, const TensorView& rhs,
                           const MatmulFlags& flags = {});
BATCHDOT_API Tensor tensordot(const TensorView& lhs, const TensorView& rhs,
                              std::span<const std::int64_t> lhs_axes,
                              std::span<const std::int64_t> rhs_axes);
BATCHDOT_API Tensor tensordot(const TensorView& lhs, const TensorView& rhs, int count);
BATCHDOT_API Tensor dot_general(const TensorView& lhs, const TensorView& rhs,
                                const DotDimensionNumbers& numbers);
BATCHDOT_API Tensor einsum(std::string_view equation, std::span<const TensorView> operands);
inline Tensor einsum(std::string_view equation, std::initializer_list<TensorView> operands) {
  return einsum(equation, std::span<const TensorView>(operands.begin(), operands.size()));
}
/// exp(x) / sum exp(x) along one axis, by the definition of docs/numerics.md.
/// \throws Error  kRank a scalar;  kAxisRange;  kDType not a real floating type.
BATCHDOT_API Tensor softmax(const TensorView& operand, int axis = -1);

}  // namespace batchdot::inline v0
