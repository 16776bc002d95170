// SPDX-License-Identifier: Apache-2.0
#pragma once
// What dot_layer decides, as data: the layer, the batch_dot behind it and why.

#include <optional>
#include <string>

#include "batchdot/notation.h"
#include "src/notation/batch_dot.h"

namespace batchdot::notation {

/// Which layer a range of releases has.
enum class LayerKind : std::uint8_t {
  kMergeOfRanges,  ///< Merge(mode='dot') of 0.3: an int is a range of axes, the result is reshaped
  kMergeUnresolved,  ///< Merge(mode='dot') of 1.0.0 to 1.0.7: a negative int reaches batch_dot as
                     ///< it is
  kMerge,            ///< Merge(mode='dot') of 1.0.8 to 1.2.2
  kDot,              ///< Dot
  kScript,           ///< Dot of tfjs
};

/// One row of the table of dot_layer.
struct DotLayerRules {
  Releases releases;
  LayerKind kind;
  std::optional<int> default_axis;  ///< where the functional form has one
  bool reports_formula;             ///< compute_output_shape, else the shape of the tensor
};

/// dot_layer decided.
struct DotLayerReading {
  const DotLayerRules* rules = nullptr;
  DotLayer layer;
  Axes axes;  ///< as they reach batch_dot
  BatchDotReading product;
};

/// \throws Error  as dot_layer.
DotLayerReading read_dot_layer(const Shape& lhs, const Shape& rhs, const Axes& axes, bool normalize,
                               const Dialect& dialect);

}  // namespace batchdot::notation
