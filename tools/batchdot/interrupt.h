// SPDX-License-Identifier: Apache-2.0
#pragma once
// Ctrl-C: ends the tool at once, unless a verb asks to be told so that it can leave nothing behind.

#include <atomic>
#include <string>

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

/// While one is alive, SIGINT ends the process as end_on_interrupt() says, with these last words on
/// stdout and stderr: for what leaves nothing behind and may not be slowed down by looking at a
/// flag.
class LastWords {
 public:
  LastWords(std::string out, std::string err);
  ~LastWords();
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;

  void write() const;  ///< async-signal-safe

 private:
  std::string out_, err_;
};

}  // namespace batchdot::tool
