// SPDX-License-Identifier: Apache-2.0
#include "src/io/row_major.h"

#include <algorithm>
#include <cstring>

#include "src/core/checked.h"

namespace batchdot {

namespace {

// `count` elements of one size, `stride_bytes` apart. The size is known to the compiler, so that
// each is one load and one store.
template <std::size_t kBytes>
void copy_run(const std::byte* in, std::ptrdiff_t stride_bytes, std::int64_t count,
              std::byte* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::memcpy(out + i * static_cast<std::int64_t>(kBytes), in + i * stride_bytes, kBytes);
  }
}

using CopyRun = void (*)(const std::byte*, std::ptrdiff_t, std::int64_t, std::byte*);

CopyRun copy_run_of(DType dtype) {
  return dtype.visit(
      [](auto record) -> CopyRun { return copy_run<sizeof(typename decltype(record)::Element)>; });
}

// The same elements in the same order with fewer axes: none of extent 1, and an axis merged with
// the one before it where a step of that one is a whole turn of this.
Layout merged(const Layout& layout) {
  Layout result;
  result.dtype = layout.dtype;
  for (std::size_t axis = 0; axis < layout.extents.size(); ++axis) {
    const std::int64_t extent = layout.extents[axis];
    const std::int64_t stride = layout.strides[axis];
    if (extent == 1) continue;
    const auto turn = checked_multiply(extent, stride);
    if (!result.extents.empty() && turn && result.strides.back() == *turn) {
      result.extents[result.extents.size() - 1] *= extent;
      result.strides[result.strides.size() - 1] = stride;
    } else {
      result.extents.push_back(extent);
      result.strides.push_back(stride);
    }
  }
  return result;
}

}  // namespace

bool is_row_major(const Layout& layout) {
  const Layout axes = merged(layout);
  return axes.extents.empty() || (axes.extents.size() == 1 && axes.strides[0] == 1);
}

void copy_row_major(const TensorView& view, std::int64_t first, std::int64_t count,
                    std::byte* out) {
  if (count <= 0) return;
  const Layout axes = merged(view.layout);
  const auto element_bytes = static_cast<std::int64_t>(axes.dtype.size_bytes());
  const auto* in = static_cast<const std::byte*>(view.data);
  if (axes.extents.empty()) {
    std::memcpy(out, in, view.dtype().size_bytes());
    return;
  }

  const std::size_t last = axes.extents.size() - 1;
  Extents index(axes.extents.size(), 0);  // of the element that is copied next
  std::int64_t offset = 0;                // its distance from the first, in elements
  for (std::size_t axis = axes.extents.size(); axis-- > 0;) {
    index[axis] = first % axes.extents[axis];
    first /= axes.extents[axis];
    offset += index[axis] * axes.strides[axis];
  }

  const CopyRun copy = copy_run_of(axes.dtype);
  for (;;) {
    const std::int64_t run = std::min(count, axes.extents[last] - index[last]);
    if (axes.strides[last] == 1) {
      std::memcpy(out, in + offset * element_bytes, static_cast<std::size_t>(run * element_bytes));
    } else {
      copy(in + offset * element_bytes, axes.strides[last] * element_bytes, run, out);
    }
    out += run * element_bytes;
    count -= run;
    if (count == 0) return;
    // On to the next run: this one ended at the end of the last axis.
    offset -= index[last] * axes.strides[last];
    index[last] = 0;
    for (std::size_t axis = last; axis-- > 0;) {
      offset += axes.strides[axis];
      if (++index[axis] < axes.extents[axis]) break;
      offset -= axes.extents[axis] * axes.strides[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace batchdot
