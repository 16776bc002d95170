// SPDX-License-Identifier: Apache-2.0
#pragma once
// A list that allocates only when it grows long: what has one entry for each axis is mostly short.

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <span>
#include <utility>

namespace batchdot::inline v0 {

/// std::vector's interface as far as it is used here; up to `N` elements lie in the list itself.
template <class T, std::size_t N>
class ShortList {
 public:
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using const_reference = const T&;
  using iterator = T*;
  using const_iterator = const T*;

  ShortList() = default;
  ShortList(std::initializer_list<T> values) { assign(values.begin(), values.end()); }
  explicit ShortList(std::span<const T> values) { assign(values.begin(), values.end()); }
  template <std::input_iterator Iterator>
  ShortList(Iterator first, Iterator last) {
    assign(first, last);
  }
  ShortList(std::size_t size, const T& value) { resize(size, value); }
  ShortList(const ShortList& other) { assign(other.begin(), other.end()); }
  ShortList(ShortList&& other) noexcept { take(other); }
  ~ShortList() = default;
  ShortList& operator=(const ShortList& other) {
    if (this != &other) assign(other.begin(), other.end());
    return *this;
  }
  ShortList& operator=(ShortList&& other) noexcept {
    if (this != &other) take(other);
    return *this;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t capacity() const { return capacity_; }
  T* data() { return heap_ ? heap_.get() : inline_; }
  const T* data() const { return heap_ ? heap_.get() : inline_; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  auto rbegin() { return std::reverse_iterator(end()); }
  auto rend() { return std::reverse_iterator(begin()); }
  auto rbegin() const { return std::reverse_iterator(end()); }
  auto rend() const { return std::reverse_iterator(begin()); }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }
  T& front() { return data()[0]; }
  const T& front() const { return data()[0]; }
  T& back() { return data()[size_ - 1]; }
  const T& back() const { return data()[size_ - 1]; }

  void reserve(std::size_t wanted) {
    if (wanted <= capacity_) return;
    const std::size_t capacity = std::max(wanted, 2 * capacity_);
    auto grown = std::make_unique<T[]>(capacity);
    std::move(begin(), end(), grown.get());
    heap_ = std::move(grown);
    capacity_ = capacity;
  }
  void clear() { resize(0); }
  void resize(std::size_t size) { resize(size, T()); }
  void resize(std::size_t size, const T& value) {
    const T copy = value;  // it may lie in this list
    reserve(size);
    for (std::size_t i = size_; i < size; ++i) data()[i] = copy;
    for (std::size_t i = size; i < size_; ++i) data()[i] = T();  // lets go of what it held
    size_ = size;
  }
  void assign(std::size_t size, const T& value) {
    const T copy = value;
    clear();
    resize(size, copy);
  }
  template <std::input_iterator Iterator>
  void assign(Iterator first, Iterator last) {
    clear();
    reserve(static_cast<std::size_t>(std::distance(first, last)));
    for (; first != last; ++first) data()[size_++] = *first;
  }
  void push_back(T value) {
    reserve(size_ + 1);
    data()[size_++] = std::move(value);
  }
  template <class... Parts>
  T& emplace_back(Parts&&... parts) {
    push_back(T(std::forward<Parts>(parts)...));
    return back();
  }
  void pop_back() { resize(size_ - 1); }
  T* insert(const T* at, T value) {
    const std::ptrdiff_t position = at - begin();
    push_back(std::move(value));
    std::rotate(begin() + position, end() - 1, end());
    return begin() + position;
  }
  /// \pre [first, last) is no part of this list.
  template <std::input_iterator Iterator>
  T* insert(const T* at, Iterator first, Iterator last) {
    const std::ptrdiff_t position = at - begin();
    const auto before = static_cast<std::ptrdiff_t>(size_);
    for (; first != last; ++first) push_back(*first);
    std::rotate(begin() + position, begin() + before, end());
    return begin() + position;
  }
  T* erase(const T* at) { return erase(at, at + 1); }
  T* erase(const T* first, const T* last) {
    T* const to = begin() + (first - begin());
    T* const kept_end = std::move(begin() + (last - begin()), end(), to);
    resize(static_cast<std::size_t>(kept_end - begin()));
    return to;
  }

  friend bool operator==(const ShortList& a, const ShortList& b) {
    return a.size_ == b.size_ && std::equal(a.begin(), a.end(), b.begin());
  }

 private:
  void take(ShortList& other) noexcept {
    heap_ = std::move(other.heap_);
    if (!heap_) std::move(other.inline_, other.inline_ + N, inline_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, N);
  }

  std::size_t size_ = 0;
  std::size_t capacity_ = N;
  T inline_[N] = {};
  std::unique_ptr<T[]> heap_;
};

}  // namespace batchdot::inline v0
