// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory between two pages that nobody may touch: one step outside ends the program.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <new>

namespace batchdot {

/// `bytes` that end right before a forbidden page, or begin right behind one.
class Guarded {
 public:
  enum class At { kEnd, kBegin };

  explicit Guarded(std::size_t bytes, At at = At::kEnd) : bytes_(bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t middle = (bytes + page - 1) / page * page;
    mapped_ = middle + 2 * page;
    memory_ = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    auto* first = static_cast<std::byte*>(memory_) + page;
    if (middle > 0 && mprotect(first, middle, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    data_ = at == At::kEnd ? first + (middle - bytes) : first;
  }
  ~Guarded() { munmap(memory_, mapped_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return bytes_; }
  /// From now on writing is forbidden too.
  void forbid_writing() const {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    if (mapped_ > 2 * page) {
      mprotect(static_cast<std::byte*>(memory_) + page, mapped_ - 2 * page, PROT_READ);
    }
  }

 private:
  std::size_t bytes_, mapped_;
  void* memory_;
  std::byte* data_;
};

}  // namespace batchdot
