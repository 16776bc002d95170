// SPDX-License-Identifier: Apache-2.0
#pragma once
// TensorView borrows, Tensor owns. Strides count elements and may be zero or negative.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "batchdot/dtype.h"
#include "batchdot/error.h"
#include "batchdot/export.h"
#include "batchdot/shape.h"

namespace batchdot::inline v0 {

/// Where the memory of a view lies. Only the CPU can be read today; the rest is refused (DEVICE).
enum class Device : std::uint8_t { kCpu, kCuda, kOther };

/// Strides of a dense array whose last axis is the fastest.
/// \throws Error  kOverflow  more than 2^63 - 1 elements.
BATCHDOT_API Strides row_major(const Extents& extents);
/// Strides of a dense array whose first axis is the fastest. \throws Error as row_major.
BATCHDOT_API Strides column_major(const Extents& extents);
/// The number of elements. \throws Error  kOverflow  above 2^63 - 1.
BATCHDOT_API std::int64_t element_count(const Extents& extents);

/// dtype, extents and strides: all of a view but its memory. What a plan is made for.
struct Layout {
  DType dtype;
  Extents extents;
  Strides strides;

  Layout() = default;
  Layout(DType dtype_, Extents extents_)
      : dtype(dtype_), extents(std::move(extents_)), strides(row_major(extents)) {}
  Layout(DType dtype_, Extents extents_, Strides strides_)
      : dtype(dtype_), extents(std::move(extents_)), strides(std::move(strides_)) {}
  friend bool operator==(const Layout&, const Layout&) = default;
};

namespace detail {

// Anything that a view can be made over without this library knowing its type.
template <class T>
concept HasRowsAndColumns = requires(const T& t) {
  { t.data() } -> std::convertible_to<const void*>;
  { t.rows() } -> std::convertible_to<std::int64_t>;
  { t.cols() } -> std::convertible_to<std::int64_t>;
  { t.rowStride() } -> std::convertible_to<std::int64_t>;
  { t.colStride() } -> std::convertible_to<std::int64_t>;
};  // Eigen's matrices and maps
template <class T>
concept HasExtentsAndStrides = requires(const T& t) {
  { t.rank() } -> std::convertible_to<std::size_t>;
  { t.extent(std::size_t{}) } -> std::convertible_to<std::int64_t>;
  { t.stride(std::size_t{}) } -> std::convertible_to<std::int64_t>;
  requires requires { t.data_handle(); } || requires {
    t.data();
  };
};  // mdspan and its like

template <HasExtentsAndStrides Array>
auto* first_element(Array& array) {
  if constexpr (requires { array.data_handle(); }) {
    return array.data_handle();
  } else {
    return array.data();
  }
}

template <HasExtentsAndStrides Array>
std::pair<Extents, Strides> extents_and_strides(const Array& array) {
  std::pair<Extents, Strides> result;
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(array.rank()); ++axis) {
    result.first.push_back(static_cast<std::int64_t>(array.extent(axis)));
    result.second.push_back(static_cast<std::int64_t>(array.stride(axis)));
  }
  return result;
}

}  // namespace detail

/// Borrowed memory that may be written: the result of a run.
struct MutableTensorView {
  void* data = nullptr;
  Layout layout;
  Device device = Device::kCpu;

  MutableTensorView() = default;
  MutableTensorView(void* data_, Layout layout_, Device device_ = Device::kCpu)
      : data(data_), layout(std::move(layout_)), device(device_) {}
  template <class T>
  requires(!std::is_void_v<T> && !std::is_const_v<T>) MutableTensorView(T* data_, Extents extents)
      : data(data_), layout(DType::of<T>(), std::move(extents)) {}
  template <class T>
  requires(!std::is_void_v<T> && !std::is_const_v<T>)
      MutableTensorView(T* data_, Extents extents, Strides strides)
      : data(data_), layout(DType::of<T>(), std::move(extents), std::move(strides)) {}
  template <ElementType T, std::size_t N>
  requires(!std::is_const_v<T>) explicit MutableTensorView(std::span<T, N> vector)
      : MutableTensorView(vector.data(), Extents{static_cast<std::int64_t>(vector.size())}) {}
  template <detail::HasRowsAndColumns Matrix>
  explicit MutableTensorView(Matrix& matrix)
      : MutableTensorView(matrix.data(), Extents{matrix.rows(), matrix.cols()},
                          Strides{matrix.rowStride(), matrix.colStride()}) {}
  template <detail::HasExtentsAndStrides Array>
  explicit MutableTensorView(Array& array) : data(detail::first_element(array)) {
    auto [extents, strides] = detail::extents_and_strides(array);
    using T = std::remove_pointer_t<decltype(detail::first_element(array))>;
    layout = Layout(DType::of<T>(), std::move(extents), std::move(strides));
  }
};

/// Borrowed memory that is only read: an operand. Never copied.
///
///     float a[6];
///     TensorView(a, {2, 3})             2 x 3, dense, last axis fastest
///     TensorView(a, {3, 2}, {1, 3})     its transpose, the same memory
///     TensorView(a, {4, 3}, {0, 1})     row 0 four times
struct TensorView {
  const void* data = nullptr;
  Layout layout;
  Device device = Device::kCpu;

  TensorView() = default;
  TensorView(const void* data_, Layout layout_, Device device_ = Device::kCpu)
      : data(data_), layout(std::move(layout_)), device(device_) {}
  TensorView(const MutableTensorView& view)
      : data(view.data), layout(view.layout), device(view.device) {}
  template <class T>
  requires(!std::is_void_v<T>) TensorView(const T* data_, Extents extents)
      : data(data_), layout(DType::of<T>(), std::move(extents)) {}
  template <class T>
  requires(!std::is_void_v<T>) TensorView(const T* data_, Extents extents, Strides strides)
      : data(data_), layout(DType::of<T>(), std::move(extents), std::move(strides)) {}
  template <ElementType T, std::size_t N>
  explicit TensorView(std::span<T, N> vector)
      : TensorView(vector.data(), Extents{static_cast<std::int64_t>(vector.size())}) {}
  template <detail::HasRowsAndColumns Matrix>
  explicit TensorView(const Matrix& matrix)
      : TensorView(matrix.data(), Extents{matrix.rows(), matrix.cols()},
                   Strides{matrix.rowStride(), matrix.colStride()}) {}
  template <detail::HasExtentsAndStrides Array>
  explicit TensorView(const Array& array) : data(detail::first_element(array)) {
    auto [extents, strides] = detail::extents_and_strides(array);
    using T = std::remove_cv_t<std::remove_pointer_t<decltype(detail::first_element(array))>>;
    layout = Layout(DType::of<T>(), std::move(extents), std::move(strides));
  }

  DType dtype() const { return layout.dtype; }
  const Extents& extents() const { return layout.extents; }
  const Strides& strides() const { return layout.strides; }
};

/// A dense array that owns its memory, aligned to 64 bytes, last axis fastest.
class BATCHDOT_API Tensor {
 public:
  Tensor() = default;  ///< rank 0 with no memory; only good to be assigned to
  /// All elements zero.
  /// \throws Error  kLimit, kOverflow, kMemory.
  Tensor(DType dtype, Extents extents);
  Tensor(const Tensor& other);
  Tensor(Tensor&& other) noexcept = default;
  Tensor& operator=(const Tensor& other);
  Tensor& operator=(Tensor&& other) noexcept = default;

  /// Elements not set: for a result that is about to be written whole.
  static Tensor uninitialized(DType dtype, Extents extents);
  /// A copy of the elements, last axis fastest. \throws Error kFeed if their number is not that of
  /// the extents.
  template <class T>
  static Tensor from(std::span<const T> elements, Extents extents) {
    Tensor result(DType::of<T>(), std::move(extents));
    result.fill_from(elements.data(), elements.size());
    return result;
  }
  template <class T>
  static Tensor from(std::initializer_list<T> elements, Extents extents) {
    return from(std::span<const T>(elements.begin(), elements.size()), std::move(extents));
  }

  DType dtype() const { return layout_.dtype; }
  int rank() const { return static_cast<int>(layout_.extents.size()); }
  const Extents& extents() const { return layout_.extents; }
  const Layout& layout() const { return layout_; }
  std::int64_t size() const { return size_; }  ///< in elements
  std::size_t size_bytes() const { return static_cast<std::size_t>(size_) * dtype().size_bytes(); }
  void* data() { return memory_.get(); }
  const void* data() const { return memory_.get(); }

  /// The elements as T. \throws Error kDType if T is not the element of dtype().
  template <class T>
  std::span<T> elements() {
    check_type(DType::of<T>());
    return {static_cast<T*>(data()), static_cast<std::size_t>(size_)};
  }
  template <class T>
  std::span<const T> elements() const {
    check_type(DType::of<T>());
    return {static_cast<const T*>(data()), static_cast<std::size_t>(size_)};
  }

  operator TensorView() const { return TensorView(data(), layout_); }
  TensorView view() const { return *this; }
  operator MutableTensorView() { return MutableTensorView(data(), layout_); }
  MutableTensorView mutable_view() { return MutableTensorView(data(), layout_); }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };
  void check_type(DType asked) const;
  void fill_from(const void* elements, std::size_t count);

  Layout layout_;
  std::int64_t size_ = 0;
  std::unique_ptr<std::byte[], Free> memory_;
};

}  // namespace batchdot::inline v0
