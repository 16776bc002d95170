// SPDX-License-Identifier: Apache-2.0
#pragma once
// Writes JSON straight into a string. A library that builds a tree first costs too much where a
// hundred thousand answers leave in a second.

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "batchdot/shape.h"
#include "src/core/json_text.h"

namespace batchdot::explain_detail {

/// One JSON document without line breaks; the commas are put where they belong.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  void open_object() { open('{'); }
  void close_object() { close('}'); }
  void open_list() { open('['); }
  void close_list() { close(']'); }
  /// A member of an object; its value comes next.
  void key(std::string_view name) {
    separate();
    append_quoted(out_, name);
    out_ += ": ";
    needs_comma_ = false;
  }

  void value(std::string_view text) {
    separate();
    append_quoted(out_, text);
    needs_comma_ = true;
  }
  void value(std::int64_t number) {
    char digits[24];
    raw(std::string_view(digits, std::to_chars(digits, digits + sizeof digits, number).ptr));
  }
  void value(bool truth) { raw(truth ? "true" : "false"); }
  void null() { raw("null"); }
  /// A number where it is known, a string where it is named, else null.
  void value(const Dim& dim) {
    if (dim.is_known()) {
      value(dim.extent());
    } else if (dim.is_named()) {
      value(dim.name());
    } else {
      null();
    }
  }
  void value(const Shape& shape) {
    open_list();
    for (const Dim& dim : shape) value(dim);
    close_list();
  }
  /// Text that is JSON already.
  void raw(std::string_view json) {
    separate();
    out_ += json;
    needs_comma_ = true;
  }

 private:
  void separate() {
    if (needs_comma_) out_ += ", ";
  }
  void open(char bracket) {
    separate();
    out_ += bracket;
    needs_comma_ = false;
  }
  void close(char bracket) {
    out_ += bracket;
    needs_comma_ = true;
  }

  std::string& out_;
  bool needs_comma_ = false;
};

}  // namespace batchdot::explain_detail
