// SPDX-License-Identifier: Apache-2.0
#include "tools/batchdot/interrupt.h"

#include <unistd.h>

#include <csignal>
#include <string_view>
#include <utility>

#include "batchdot/error.h"

namespace batchdot::tool {

namespace {

std::atomic<bool> is_watched = false;
std::atomic<bool> is_stopped = false;
std::atomic<const LastWords*> last_words = nullptr;
static_assert(std::atomic<bool>::is_always_lock_free &&
                  std::atomic<const LastWords*>::is_always_lock_free,
              "a signal handler may touch them");
int exit_code = 130;

void on_interrupt(int) {
  if (is_watched.load()) {
    is_stopped.store(true);
  } else {
    if (const LastWords* const words = last_words.exchange(nullptr)) words->write();
    ::_exit(exit_code);
  }
}

void write_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;  // who does not read it does not miss it
    text.remove_prefix(static_cast<std::size_t>(written));
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

LastWords::LastWords(std::string out, std::string err)
    : out_(std::move(out)), err_(std::move(err)) {
  last_words.store(this);
}
LastWords::~LastWords() { last_words.store(nullptr); }

void LastWords::write() const {
  write_whole(STDOUT_FILENO, out_);
  write_whole(STDERR_FILENO, err_);
}

}  // namespace batchdot::tool
