// SPDX-License-Identifier: Apache-2.0
#include "batchdot/tensor.h"

#include <cstdlib>
#include <new>

#include "src/core/checked.h"
#include "src/core/text.h"

namespace batchdot::inline v0 {

namespace {
constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector
}

Strides row_major(const Extents& extents) {
  checked_product("strides", extents);
  Strides strides(extents.size(), 1);
  std::int64_t stride = 1;
  for (std::size_t axis = extents.size(); axis-- > 0;) {
    strides[axis] = stride;
    // With a 0 elsewhere the product may not fit; nothing is ever addressed then.
    stride = checked_multiply(stride, extents[axis]).value_or(0);
  }
  return strides;
}

Strides column_major(const Extents& extents) {
  checked_product("strides", extents);
  Strides strides(extents.size(), 1);
  std::int64_t stride = 1;
  for (std::size_t axis = 0; axis < extents.size(); ++axis) {
    strides[axis] = stride;
    stride = checked_multiply(stride, extents[axis]).value_or(0);
  }
  return strides;
}

std::int64_t element_count(const Extents& extents) { return checked_product("tensor", extents); }

void Tensor::Free::operator()(std::byte* memory) const noexcept { std::free(memory); }

Tensor Tensor::uninitialized(DType dtype, Extents extents) {
  if (extents.size() > Limits::kRank) {
    throw Error(ErrorCode::kLimit,
                text("tensor: more than ", Limits::kRank, " axes: ", extents.size()));
  }
  for (const std::int64_t extent : extents) {
    if (extent < 0) throw Error(ErrorCode::kLimit, text("tensor: negative extent: ", extent));
  }
  Tensor result;
  result.size_ = element_count(extents);
  const auto bytes = checked_multiply(result.size_, static_cast<std::int64_t>(dtype.size_bytes()));
  const auto padded = bytes ? checked_add(*bytes, kAlignment) : bytes;
  if (!padded) {
    throw Error(ErrorCode::kOverflow,
                text("tensor: more than 2^63 - 1 bytes: ", extents, " of ", dtype.name()));
  }
  const std::size_t whole_lines = static_cast<std::size_t>(*padded) / kAlignment * kAlignment;
  result.memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, whole_lines)));
  if (result.memory_ == nullptr) {
    throw Error(ErrorCode::kMemory,
                text("tensor: no memory for ", *bytes, " bytes: ", extents, " of ", dtype.name()));
  }
  result.layout_ = Layout(dtype, std::move(extents));
  return result;
}

Tensor::Tensor(DType dtype, Extents extents) : Tensor(uninitialized(dtype, std::move(extents))) {
  if (size_ > 0) std::memset(memory_.get(), 0, size_bytes());
}

Tensor::Tensor(const Tensor& other) { *this = other; }

Tensor& Tensor::operator=(const Tensor& other) {
  if (this == &other) return *this;
  if (other.memory_ == nullptr) return *this = Tensor();
  Tensor copy = uninitialized(other.dtype(), other.extents());
  if (size_t bytes = other.size_bytes(); bytes > 0) {
    std::memcpy(copy.memory_.get(), other.memory_.get(), bytes);
  }
  return *this = std::move(copy);
}

void Tensor::check_type(DType asked) const {
  if (asked == dtype()) return;
  throw Error(ErrorCode::kDType,
              text("tensor: its elements are ", dtype().name(), ", asked for ", asked.name()));
}

void Tensor::fill_from(const void* elements, std::size_t count) {
  if (count != static_cast<std::size_t>(size_)) {
    throw Error(ErrorCode::kFeed, text("tensor: ", count, " elements for extents ", extents(),
                                       ", which take ", size_));
  }
  if (count > 0) std::memcpy(memory_.get(), elements, size_bytes());
}

}  // namespace batchdot::inline v0
