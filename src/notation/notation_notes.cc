// SPDX-License-Identifier: Apache-2.0
#include "src/notation/notation_notes.h"

#include <algorithm>

#include "src/core/text.h"
#include "src/notation/batch_dot.h"
#include "src/notation/dot_layer.h"
#include "src/notation/keras_dot.h"

namespace batchdot::notation {

namespace {

using Notes = std::vector<std::string>;
using Entry = Axes::Entry;

bool is_axis(const std::optional<Entry>& entry, int axis) {
  return entry && !entry->is_nested() && std::get<std::int64_t>(entry->value) == axis;
}

std::string named_axis(const std::optional<Entry>& entry) {
  if (!entry) return "a missing axis";
  if (entry->is_nested()) return "a list of axes";
  return text("axis ", std::get<std::int64_t>(entry->value));
}

// "axis 2 of lhs is not the last (3): lhs is read transposed, its axis 2 is contracted"
std::string reading_of(std::string_view name, const OperandReading& side, int rank) {
  std::string out = named_axis(side.named);
  const bool is_last = is_axis(side.named, rank - 1);
  const bool is_negative =
      side.named && !side.named->is_nested() && std::get<std::int64_t>(side.named->value) < 0;
  out += text(" of ", name, is_last ? " is the last" : " is not the last (", "");
  if (!is_last)
    out += text(rank - 1, is_negative ? ", negative axes are compared as written)" : ")");
  return out + text(": ", name, side.transposed ? " is read transposed" : " is read as it is",
                    ", its axis ", side.contracted, " is contracted");
}

void note_matrix_product(Notes& notes, const BatchDotReading& reading, const Shape& lhs,
                         const Shape& rhs, const Dialect& dialect) {
  notes.push_back(text(dialect.name(),
                       " multiplies matrices: all axes but the last two are batch, ",
                       "and an axis only says whether it is the last."));
  if (!reading.lhs.named && !reading.rhs.named && !reading.rules->is_script) {
    notes.push_back(
        "No axes are given: the last axis of lhs is contracted with the last but one of rhs.");
  } else {
    notes.push_back(text(reading_of("lhs", reading.lhs, reading.rank), "; ",
                         reading_of("rhs", reading.rhs, reading.rank), "."));
    notes.back()[0] = notes.back()[0] == 'a' ? 'A' : notes.back()[0];
  }
  if (lhs.rank() != rhs.rank()) {
    const int appended = std::max(lhs.rank(), rhs.rank()) - std::min(lhs.rank(), rhs.rank());
    notes.push_back(text(lhs.rank() < rhs.rank() ? "lhs" : "rhs", " gets ", appended,
                         appended == 1 ? " axis" : " axes",
                         " of 1 at its end, and as many are dropped from the product."));
  }
  if (reading.rules->conjugates && (reading.lhs.transposed || reading.rhs.transposed)) {
    notes.push_back("An operand that is read transposed is conjugated if it is complex.");
  }
}

void note_elementwise(Notes& notes, const BatchDotReading& reading, const Dialect& dialect) {
  std::string over = "axes 0 and 1";
  if (reading.summed.empty()) over = "no axis";
  if (reading.summed.size() == 1) over = text("axis ", reading.summed[0]);
  notes.push_back(text(dialect.name(),
                       " multiplies two operands of rank 2 elementwise and sums the "
                       "product over ",
                       over, "."));
  if (reading.lhs.transposed) {
    notes.push_back("The two axes differ as they are written, so lhs is transposed first.");
  }
}

void note_per_sample(Notes& notes, const BatchDotReading& reading, const Dialect& dialect) {
  notes.push_back(text(dialect.name(),
                       " takes axis 0 as the batch and sums over one axis of each operand, axis ",
                       reading.lhs.contracted, " of lhs with axis ", reading.rhs.contracted,
                       " of rhs; the other axes of lhs stay, then those of rhs."));
  const Contraction& c = reading.contraction;
  const std::size_t rank = std::max(c.inputs[0].labels.size(), c.inputs[1].labels.size());
  if (rank > 3) {
    notes.push_back(
        "Up to keras-2.2.4 all axes but the last two were batch, and the result had fewer "
        "axes.");
  }
  for (const Condition& condition : c.conditions) {
    if (condition.kind == ConditionKind::kOneOrEqual) {
      notes.push_back(
          "A batch that is 1 at run time stretches to the other one, as only extents "
          "known beforehand are compared.");
    }
  }
}

// Input() puts a batch axis in front, which makes every axis count one further than the extents
// typed.
void note_hidden_batch(Notes& notes, const Shape& lhs, const Shape& rhs) {
  if (lhs.rank() < 3) return;
  Shape sample = lhs;
  sample.erase(0);
  if (!sample.is_known()) return;
  if (!lhs[0].is_known()) {
    notes.push_back(text("The axes count the batch axis 0: Input(", sample, ") adds it, ones(",
                         sample, ") does not."));
  } else if (rhs.is_known()) {
    notes.push_back(
        text("Axis 0, here ", lhs[0], ", is the batch: Input(", lhs,
             ") would put another axis in front, and the axes would count one further."));
  }
}

void note_reshape(Notes& notes, const Contraction& c, const Dialect& dialect) {
  for (const Condition& condition : c.conditions) {
    if (condition.kind != ConditionKind::kReshape) continue;
    notes.push_back(text("Where a contracted and a flattened axis are both empty, ", dialect.name(),
                         " fails when it computes: its reshape leaves zeros out."));
    return;
  }
}

void note_product(Notes& notes, const BatchDotReading& reading, const Shape& lhs, const Shape& rhs,
                  const Dialect& dialect) {
  switch (reading.path) {
    case BatchDotReading::Path::kMatrixProduct:
      note_matrix_product(notes, reading, lhs, rhs, dialect);
      break;
    case BatchDotReading::Path::kElementwise:
      note_elementwise(notes, reading, dialect);
      break;
    case BatchDotReading::Path::kPerSample:
      note_per_sample(notes, reading, dialect);
      break;
  }
  if (reading.added_axis) {
    notes.push_back(text("The result would have rank 1: ", dialect.name(), " adds an axis of 1."));
  }
  note_reshape(notes, reading.contraction, dialect);
}

}  // namespace

Notes batch_dot_notes(const Shape& lhs, const Shape& rhs, const Axes& axes,
                      const Dialect& dialect) {
  const BatchDotReading reading = read_batch_dot("batch_dot", lhs, rhs, axes, dialect);
  Notes notes;
  note_product(notes, reading, lhs, rhs, dialect);
  note_hidden_batch(notes, lhs, rhs);
  return notes;
}

Notes dot_layer_notes(const Shape& lhs, const Shape& rhs, const Axes& axes, bool normalize,
                      const Dialect& dialect) {
  const DotLayerReading reading = read_dot_layer(lhs, rhs, axes, normalize, dialect);
  const DotLayer& layer = reading.layer;
  Notes notes;
  const LayerKind kind = reading.rules->kind;
  const bool is_merge = kind != LayerKind::kDot && kind != LayerKind::kScript;
  notes.push_back(text(is_merge ? "Merge(mode='dot')" : "Dot", " of ", dialect.name(),
                       " calls batch_dot with axes ", to_string(reading.axes), "."));
  if (layer.normalize) {
    const bool is_under_root = layer.floor == DotLayer::Floor::kUnderRoot;
    notes.push_back(text("Before that lhs is divided by its norm along axis ", layer.lhs_axis,
                         ", rhs along axis ", layer.rhs_axis, "; ",
                         is_under_root ? "the sum of squares" : "the norm", " counts as at least ",
                         shortest(layer.epsilon), "."));
  }
  note_product(notes, reading.product, lhs, rhs, dialect);
  const Shape computed = result_shape(layer.contraction);
  if (!(computed == layer.reported_shape)) {
    notes.push_back(
        text("The layer reports ", layer.reported_shape,
             ", by a formula that takes one axis off each operand and the batch off rhs; "
             "what is computed is ",
             computed, "."));
  }
  note_hidden_batch(notes, lhs, rhs);
  return notes;
}

Notes dot_notes(const Shape& lhs, const Shape& rhs, const Dialect& dialect) {
  const KerasDotReading reading = read_keras_dot(lhs, rhs, dialect);
  Notes notes;
  if (reading.lhs_axis < 0) {
    notes.push_back(text(dialect.name(), " has NumPy's dot: a scalar multiplies every element."));
    return notes;
  }
  const bool is_numpy = reading.rules->form == DotForm::kNumPy;
  notes.push_back(text(dialect.name(), is_numpy ? " has NumPy's dot: " : " sums in dot over ",
                       is_numpy ? "it sums over the last axis of lhs (" : "the last axis of lhs (",
                       reading.lhs_axis, ") and the ",
                       rhs.rank() == 1 ? "only axis of rhs (" : "last but one of rhs (",
                       reading.rhs_axis, ")."));
  notes.push_back("No axis is batch: all others stay, those of lhs first.");
  note_reshape(notes, reading.contraction, dialect);
  return notes;
}

}  // namespace batchdot::notation
