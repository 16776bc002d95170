// SPDX-License-Identifier: Apache-2.0
#include "tools/batchdot/interrupt.h"

#include <unistd.h>

#include <csignal>

#include "batchdot/error.h"

namespace batchdot::tool {

namespace {

std::atomic<bool> is_watched = false;
std::atomic<bool> is_stopped = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch it");
int exit_code = 130;

void on_interrupt(int) {
  if (is_watched.load()) {
    is_stopped.store(true);
  } else {
    ::_exit(exit_code);
  }
}

}  // namespace

void end_on_interrupt() {
  exit_code = info(ErrorCode::kInterrupted).exit_code;
  struct sigaction before {};
  if (::sigaction(SIGINT, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  ::sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
}

InterruptWatch::InterruptWatch() {
  is_stopped.store(false);
  is_watched.store(true);
}
InterruptWatch::~InterruptWatch() { is_watched.store(false); }

const std::atomic<bool>& InterruptWatch::stop() const { return is_stopped; }

}  // namespace batchdot::tool
