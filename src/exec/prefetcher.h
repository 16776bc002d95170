// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory that will be read soon is asked for, a few lines at a time.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "src/kernel/kernels.h"

namespace batchdot {

/// Spreads requests for up to three regions over the tiles that are multiplied meanwhile: between
/// tiles, or within those that ask by themselves.
class Prefetcher {
 public:
  /// \param apart  bytes from one line that is asked for to the next
  explicit Prefetcher(std::int64_t apart) : apart_(apart) {}

  // `count` rows of `bytes` bytes, `stride` bytes apart.
  void add(const std::byte* base, std::int64_t count, std::int64_t bytes, std::int64_t stride) {
    if (base == nullptr || count == 0 || bytes == 0) return;
    if (stride == bytes || count == 1) {
      bytes *= count;
      count = 1;
    }
    const std::int64_t lines = (bytes + apart_ - 1) / apart_;
    regions_[regions_count_++] = {base, count, lines, stride};
    lines_ += count * lines;
    shortest_ = std::min(shortest_, lines);
  }
  // Spreads what was added over so many tiles.
  void spread(std::int64_t tiles) {
    share_ = (lines_ + tiles - 1) / std::max<std::int64_t>(1, tiles);
  }
  // Asks for what is due before one tile.
  void advance() {
    for (std::int64_t left = share_; left > 0 && at_ < regions_count_;) {
      const Region& region = regions_[at_];
      const std::int64_t run = std::min(left, region.lines - line_);
      const std::byte* line = region.base + row_ * region.stride + line_ * apart_;
      for (std::int64_t i = 0; i < run; ++i) __builtin_prefetch(line + i * apart_, 0, 2);
      left -= run;
      line_ += run;
      if (line_ < region.lines) continue;
      line_ = 0;
      if (++row_ < region.rows) continue;
      row_ = 0;
      ++at_;
    }
  }
  // True if tiles that ask `asks` times each may do it: no run of lines is shorter than what is due
  // before one tile, and all of that is asked for.
  bool may_pass(std::int64_t asks) const { return share_ <= std::min(asks, shortest_); }
  // Lets them; of `tiles` in a row so many as the run of lines lasts.
  std::int64_t pass_to(kernel::TileCall& call, std::int64_t tiles, std::int64_t asks) {
    if (is_done()) {
      call.ask = nullptr;
      call.ask_step = 0;
      return tiles;
    }
    const Region& region = regions_[at_];
    call.ask = region.base + row_ * region.stride + line_ * apart_;
    call.ask_step = (share_ * apart_ + asks - 1) / asks;
    const std::int64_t lasts = (region.lines - line_ + share_ - 1) / share_;
    const std::int64_t taken = std::min(tiles, lasts);
    line_ += taken * share_;
    if (line_ >= region.lines) {
      line_ = 0;
      if (++row_ == region.rows) {
        row_ = 0;
        ++at_;
      }
    }
    return taken;
  }
  bool is_done() const { return at_ == regions_count_; }
  void clear() { regions_count_ = at_ = 0, lines_ = row_ = line_ = share_ = 0, shortest_ = kNone; }

 private:
  struct Region {
    const std::byte* base;
    std::int64_t rows, lines, stride;
  };
  static constexpr std::int64_t kNone = std::int64_t{1} << 62;
  std::int64_t apart_;
  Region regions_[3];
  int regions_count_ = 0, at_ = 0;
  std::int64_t lines_ = 0, row_ = 0, line_ = 0, share_ = 0;
  std::int64_t shortest_ = kNone;
};

}  // namespace batchdot
