// SPDX-License-Identifier: Apache-2.0
#pragma once
// Ctrl-C: ends the tool at once, unless a verb asks to be told so that it can leave nothing behind.

#include <atomic>

namespace batchdot::tool {

/// Ends the process with exit code 130 on SIGINT, as long as no InterruptWatch is alive.
void end_on_interrupt();

/// While one is alive, SIGINT only sets its flag.
class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  const std::atomic<bool>& stop() const;
};

}  // namespace batchdot::tool
