// SPDX-License-Identifier: Apache-2.0
// Steps that are no product: softmax and norms along an axis, copies and conversions.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "src/exec/loops.h"
#include "src/exec/walk.h"
#include "src/kernel/convert.h"
#include "src/kernel/float_mode.h"
#include "src/kernel/reference.h"

namespace batchdot {

namespace {

// Reads a row into contiguous Real, whatever its stride and dtype.
template <class Real>
void read_row(const RowwiseStep& step, const std::byte* in, std::int64_t offset, Real* row) {
  step.in_dtype.visit([&](auto record) {
    using Element = typename decltype(record)::Element;
    if constexpr (!kernel::kIsComplex<Element>) {
      const Element* from = reinterpret_cast<const Element*>(in) + offset;
      for (std::int64_t j = 0; j < step.axis.extent; ++j) {
        row[j] = kernel::convert<Real>(from[j * step.axis.lhs]);
      }
    }
  });
}

template <class Real>
void write_row(const RowwiseStep& step, const Real* row, std::byte* out, std::int64_t offset) {
  step.out_dtype.visit([&](auto record) {
    using Element = typename decltype(record)::Element;
    if constexpr (!kernel::kIsComplex<Element>) {
      Element* to = reinterpret_cast<Element*>(out) + offset;
      for (std::int64_t j = 0; j < step.axis.extent; ++j) {
        to[j * step.axis.out] = kernel::convert<Element>(row[j]);
      }
    }
  });
}

// x / sqrt(max(sum x^2, epsilon)) or x / max(sqrt(sum x^2), epsilon); the sum in the order of a dot
// product of the row with itself.
template <class Real>
void normalize(const RowwiseStep& step, Real* row) {
  const std::int64_t count = step.axis.extent;
  kernel::TileCall call{};
  Real sum{};
  call.K = count;
  call.a = row;
  call.a_k = 1;
  call.b = row;
  call.b_k = 1;
  call.sum = &sum;
  call.columns = 1;
  call.first = true;
  kernel::reference_tile<Real, 1, 1>(call);
  const Real epsilon = static_cast<Real>(step.epsilon);
  const Real norm = step.floor == DotLayer::Floor::kUnderRoot
                        ? std::sqrt(kernel::maximum(sum, epsilon))
                        : kernel::maximum(std::sqrt(sum), epsilon);
  for (std::int64_t j = 0; j < count; ++j) row[j] = row[j] / norm;
}

template <class Real>
void run_rows(const RowwiseStep& step, const TaskContext& task, std::int64_t first,
              std::int64_t last) {
  const std::byte* in = address_of(step.in, step.in_dtype, task);
  std::byte* out = address_of(step.out, step.out_dtype, task);
  Real* row = reinterpret_cast<Real*>(task.scratch);
  Odometer at(step.rows, first);
  for (std::int64_t item = first; item < last; ++item, at.next()) {
    {
      const kernel::FloatModeGuard mode(kernel::FloatMode::kDefault);
      read_row(step, in, at.lhs, row);
      if (step.kind == RowwiseStep::Kind::kNormalize) {
        normalize(step, row);
      } else if constexpr (std::is_same_v<Real, float>) {
        step.kernels->softmax_f32(row, step.axis.extent, row);
      } else {
        step.kernels->softmax_f64(row, step.axis.extent, row);
      }
      write_row(step, row, out, at.out);
    }
    if (finish_item(*task.control)) return;
  }
}

// One run of a copy: `count` elements. Strides count elements. One small function for each pair of
// types: with the loops around it in each they took half a minute to compile.
using CopyRun = void (*)(const std::byte* from_bytes, std::int64_t from_stride, std::byte* to_bytes,
                         std::int64_t to_stride, std::int64_t count);
template <class From, class To>
void copy_run(const std::byte* from_bytes, std::int64_t from_stride, std::byte* to_bytes,
              std::int64_t to_stride, std::int64_t count) {
  const From* from = reinterpret_cast<const From*>(from_bytes);
  To* to = reinterpret_cast<To*>(to_bytes);
  if constexpr (std::is_same_v<From, To>) {
    if (from_stride == 1 && to_stride == 1) {
      std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(To));
      return;
    }
  }
  for (std::int64_t i = 0; i < count; ++i) {
    to[i * to_stride] = kernel::convert<To>(from[i * from_stride]);
  }
}

CopyRun copy_between(DType in, DType out) {
  return in.visit([&](auto in_record) {
    return out.visit([&](auto out_record) -> CopyRun {
      return copy_run<typename decltype(in_record)::Element,
                      typename decltype(out_record)::Element>;
    });
  });
}

}  // namespace

void run_items(const RowwiseStep& step, const TaskContext& task, std::int64_t first,
               std::int64_t last) {
  if (first >= last) return;
  if (step.in_dtype == DType(F64{})) {
    run_rows<double>(step, task, first, last);
  } else {
    run_rows<float>(step, task, first, last);
  }
}

// An item is one position of the outer axis.
void run_items(const CopyStep& step, const TaskContext& task, std::int64_t first,
               std::int64_t last) {
  const std::byte* in = address_of(step.in, step.in_dtype, task);
  std::byte* out = address_of(step.out, step.out_dtype, task);
  const std::int64_t runs = count_of(step.middle);
  const CopyRun copy = copy_between(step.in_dtype, step.out_dtype);
  const std::int64_t in_bytes = element_bytes(step.in_dtype);
  const std::int64_t out_bytes = element_bytes(step.out_dtype);
  const kernel::FloatModeGuard mode(kernel::FloatMode::kDefault);
  for (std::int64_t item = first; item < last; ++item) {
    const std::int64_t count =
        step.total == 0 ? step.inner.extent
                        : std::min(step.inner.extent, step.total - item * step.inner.extent);
    Odometer at(step.middle, 0);
    for (std::int64_t run = 0; run < runs; ++run, at.next()) {
      copy(in + (item * step.outer.lhs + at.lhs) * in_bytes, step.inner.lhs,
           out + (item * step.outer.out + at.out) * out_bytes, step.inner.out, count);
    }
    if (finish_item(*task.control)) return;
  }
}

}  // namespace batchdot
