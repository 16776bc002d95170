// SPDX-License-Identifier: Apache-2.0
#include "tools/batchdot/lines.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <ostream>

#include "tools/batchdot/report.h"

namespace batchdot::tool {

namespace {

constexpr std::size_t kReadBytes = 1 << 16;

class Lines {
 public:
  Lines(Session& session, std::string (*answer)(const Problem&))
      : session_(session), answer_(answer) {}

  void run() {
    while (read_more()) {
      std::size_t begin = 0;
      for (std::size_t end; (end = buffer_.find('\n', begin)) != std::string::npos;
           begin = end + 1) {
        finish_line(std::string_view(buffer_).substr(begin, end - begin));
      }
      buffer_.erase(0, begin);
      if (buffer_.size() > Limits::kTextBytes) {  // no more of this line is kept than its length
        dropped_ += buffer_.size();
        buffer_.clear();
      }
    }
    if (!buffer_.empty() || dropped_ > 0) finish_line(buffer_);
    flush(session_.out);
  }

 private:
  // The answers go out first: whoever waits for them may write the next line only then.
  bool read_more() {
    flush(session_.out);
    const std::size_t had = buffer_.size();
    buffer_.resize(had + kReadBytes);
    ssize_t got;
    do {
      got = ::read(session_.input, buffer_.data() + had, kReadBytes);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
      throw Error(ErrorCode::kIo,
                  std::string("standard input: cannot be read: ") + std::strerror(errno));
    }
    buffer_.resize(had + static_cast<std::size_t>(got));
    return got > 0;
  }

  void finish_line(std::string_view line) {
    ++number_;
    std::optional<Problem> problem;
    try {
      if (dropped_ > 0) {
        throw Error(ErrorCode::kLimit,
                    "problem: longer than " + std::to_string(Limits::kTextBytes) +
                        " bytes: " + std::to_string(dropped_ + line.size()) + " bytes");
      }
      problem = parse_problem(line);
      session_.out << answer_(*problem) << '\n';
    } catch (...) {
      const Error error = as_error(std::current_exception());
      session_.out << refusal_json(error, problem, number_) << '\n';
    }
    dropped_ = 0;
  }

  Session& session_;
  std::string (*answer_)(const Problem&);
  std::string buffer_;
  std::size_t dropped_ = 0;  // bytes of the line that is being read and is too long
  std::int64_t number_ = 0;
};

}  // namespace

void answer_lines(Session& session, std::string (*answer)(const Problem& problem)) {
  Lines(session, answer).run();
}

}  // namespace batchdot::tool
