// SPDX-License-Identifier: Apache-2.0
#pragma once
// A plan decides everything before anything is computed, can explain itself, and runs many times.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/executor.h"
#include "batchdot/export.h"
#include "batchdot/notation.h"
#include "batchdot/tensor.h"

namespace batchdot::inline v0 {

/// A function of each element at the store. kRelu: max(x, +0). kGelu: x (1 + erf(x / sqrt 2)) / 2.
/// kGeluTanh: x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. NaN stays NaN; the two gelus of
/// -inf are NaN. Integers: kRelu; complex numbers: none. docs/numerics.md has each rounding.
enum class Activation : std::uint8_t { kNone, kRelu, kGelu, kGeluTanh, kTanh };

/// What is done to each element before it is stored, each step one rounding:
///
///     t = alpha * sum
///     t = t + beta * out     two roundings; out is not read where beta is 0
///     t = scale * t
///     t = t + bias
///     out = activation(t)    computed in the type of the sum, then converted
struct Epilogue {
  double alpha = 1;  ///< integers: a whole number
  double beta = 0;
  /// A tensor that is broadcast over the result, e.g. one number a column: its axes carry labels of
  /// the output, in any order. It has the dtype of the result; scale of complex results is real,
  /// f32 or f64.
  struct Operand {
    Layout layout;
    Labels labels;
  };
  std::optional<Operand> scale;  ///< if set, the operand of run() after the inputs
  std::optional<Operand> bias;   ///< if set, the last operand of run()
  Activation activation = Activation::kNone;
};

struct PlanOptions {
  int threads = 0;     ///< 0: default_threads(), or fewer where there is little to do
  std::string target;  ///< a name of targets(); empty: BATCHDOT_TARGET, else the best
  std::optional<DType>
      compute_dtype;  ///< operands of different types are converted to it; else refused
};

/// One kernel, or one pairwise step, that was not taken, and why.
struct Refusal {
  std::string_view what;
  std::string_view why;
};

/// What was decided, as data. Rendered by the explain room.
struct PlanFacts {
  std::string target;
  std::string kernel;                           ///< of the last step
  std::vector<Refusal> refused;                 ///< what would have been better
  std::int64_t batch = 1, M = 1, N = 1, K = 1;  ///< of the last step, after folding
  bool swapped = false;  ///< lhs and rhs changed places in the kernel; bits are the same
  bool packs_lhs = false, packs_rhs = false;   ///< cache-sized panels, never a whole operand
  int MR = 0, NR = 0, MC = 0, KC = 0, NC = 0;  ///< tile and blocks; 0: the kernel has none
  int threads = 1;                             ///< that have work
  std::int64_t work_items = 1;
  std::size_t workspace_bytes = 0;
  std::size_t temporary_bytes = 0;  ///< of these: operands that are converted, normalised or summed
                                    ///< before the product, and products in between
  /// Of an element of the last step, if its K is cut: they are listed in the workspace, where such
  /// lists take `block_sum_bytes`, and added in order. 0: it is not.
  std::int64_t block_sums = 0;
  std::size_t block_sum_bytes = 0;
  std::vector<std::pair<int, int>> path;  ///< pairs of operands, as opt_einsum gives them
};

/// Ends a long run from outside, and lets others watch it.
struct RunControl {
  const std::atomic<bool>* stop = nullptr;          ///< set it and run() throws kInterrupted soon
  std::atomic<std::int64_t>* items_done = nullptr;  ///< counts up to PlanFacts::work_items
};

/// An immutable decision how to compute one problem. Cheap to copy, may be shared between threads.
class BATCHDOT_API Plan {
 public:
  /// A plan for operands of these layouts.
  /// \param c         its extents must be known: bind() it first where they are not.
  /// \param operands  one layout for each input; any strides, also 0 and negative.
  /// \param out       dense in the order of the output if not given.
  /// \throws Error  kFeed  extents differ from c's;  kDType;  kOverlap  out overlaps itself;
  ///                kUsage  no such target;  kOverflow;  kMemory.
  /// Cost: microseconds; allocates.
  static Plan make(const Contraction& c, std::span<const Layout> operands,
                   std::optional<Layout> out = {}, const Epilogue& epilogue = {},
                   const PlanOptions& options = {});
  static Plan make(const Contraction& c, std::span<const Layout> operands,
                   const PlanOptions& options) {
    return make(c, operands, {}, {}, options);
  }
  static Plan make(const Contraction& c, std::initializer_list<Layout> operands,
                   const PlanOptions& options = {}) {
    return make(c, std::span<const Layout>(operands.begin(), operands.size()), options);
  }
  /// Softmax along one axis. \throws Error  kRank, kAxisRange, kDType and as make.
  static Plan softmax(const Layout& operand, int axis, std::optional<Layout> out = {},
                      const PlanOptions& options = {});
  /// The Dot layer: normalisation of both operands (if asked for), then the contraction.
  static Plan dot_layer(const DotLayer& layer, std::span<const Layout> operands,
                        std::optional<Layout> out = {}, const PlanOptions& options = {});

  const Layout& output_layout() const;
  std::size_t workspace_bytes() const;
  std::size_t workspace_alignment() const { return 64; }
  const PlanFacts& facts() const;
  /// The facts as text. Implemented by the explain room.
  std::string explain() const;

  /// Computes. Allocates nothing with a workspace given.
  /// \param operands   as planned: the same dtypes, extents and strides; any memory.
  /// \param out        as output_layout(); must not overlap an operand.
  /// \param workspace  at least workspace_bytes(), aligned to workspace_alignment().
  /// \throws Error  kFeed  views that are not as planned;  kDevice;  kOverlap;  kInterrupted.
  /// Threads: one plan may run on many threads at once, each with its own workspace and out.
  void run(std::span<const TensorView> operands, const MutableTensorView& out,
           std::span<std::byte> workspace, const Executor& executor,
           const RunControl& control = {}) const;
  /// The same for memory that the caller knows to be laid out as planned, as BLAS takes it: extents
  /// and strides are not looked at, alignment and overlap are. What is left to do is little enough
  /// for the smallest products.
  /// \param operands  the addresses of the elements at index 0, 0, ...
  void run(std::span<const void* const> operands, void* out, std::span<std::byte> workspace,
           const Executor& executor, const RunControl& control = {}) const;
  void run(std::initializer_list<const void*> operands, void* out, std::span<std::byte> workspace,
           const Executor& executor, const RunControl& control = {}) const {
    run(std::span<const void* const>(operands.begin(), operands.size()), out, workspace, executor,
        control);
  }
  /// The same with a workspace of its own, on the default executor.
  void run(std::span<const TensorView> operands, const MutableTensorView& out) const;
  void run(std::initializer_list<TensorView> operands, const MutableTensorView& out) const {
    run(std::span<const TensorView>(operands.begin(), operands.size()), out);
  }
  /// The same with the caller's workspace, on the default executor.
  void run(std::span<const TensorView> operands, const MutableTensorView& out,
           std::span<std::byte> workspace) const;
  void run(std::initializer_list<TensorView> operands, const MutableTensorView& out,
           std::span<std::byte> workspace) const {
    run(std::span<const TensorView>(operands.begin(), operands.size()), out, workspace);
  }
  /// The result as a new tensor. \throws Error  kFeed  the plan adds to out (beta), or out is not
  /// dense.
  Tensor run(std::span<const TensorView> operands) const;
  Tensor run(std::initializer_list<TensorView> operands) const {
    return run(std::span<const TensorView>(operands.begin(), operands.size()));
  }

  struct Impl;  ///< the steps; src/plan/plan.h

 private:
  explicit Plan(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  friend struct PlanAccess;
  std::shared_ptr<const Impl> impl_;
};

/// Plans of one contraction with unknown extents: binds, checks the conditions, and keeps the plans
/// it has made. Threads: may be shared.
class BATCHDOT_API PlanFamily {
 public:
  explicit PlanFamily(Contraction declared, PlanOptions options = {}, std::size_t capacity = 64);
  ~PlanFamily();
  PlanFamily(PlanFamily&&) noexcept;
  PlanFamily& operator=(PlanFamily&&) noexcept;

  const Contraction& declared() const;
  /// The plan for these layouts, made at most once while it is among the last `capacity`.
  /// \throws Error  as bind() and Plan::make.
  Plan plan(std::span<const Layout> operands);
  Tensor run(std::span<const TensorView> operands);
  Tensor run(std::initializer_list<TensorView> operands) {
    return run(std::span<const TensorView>(operands.begin(), operands.size()));
  }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The instruction sets that this CPU runs, best first, as BATCHDOT_TARGET spells them; the last
/// one is "scalar".
BATCHDOT_API std::span<const std::string_view> targets();
/// The target used where a plan names none. \throws Error kUsage if BATCHDOT_TARGET is not in
/// targets().
BATCHDOT_API std::string_view default_target();

}  // namespace batchdot::inline v0
