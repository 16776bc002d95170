// SPDX-License-Identifier: Apache-2.0
#include "batchdot/shape.h"

#include <ostream>

#include "src/core/checked.h"
#include "src/core/text.h"
#include "src/core/utf8.h"

namespace batchdot::inline v0 {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The bytes of the character at `at` if it may stand in a name, else 0.
std::size_t name_bytes(std::string_view text, std::size_t at, bool is_first) {
  if (at >= text.size()) return 0;
  if (text[at] == '_' || (!is_first && is_digit(text[at]))) return 1;
  const std::optional<Utf8Character> character = decode_utf8(text, at);
  return character && is_letter(character->code_point) ? character->bytes : 0;
}

// Reads one shape; keeps the position for the error.
class ShapeReader {
 public:
  explicit ShapeReader(std::string_view text) : text_(text) {}

  Shape read() {
    if (text_.size() > Limits::kTextBytes) {
      throw Error(ErrorCode::kLimit, text("shape: text is longer than ", Limits::kTextBytes,
                                          " bytes: ", text_.size(), " bytes"));
    }
    skip_spaces();
    if (text_.substr(at_) == "scalar") return {};
    const char open = peek();
    const char close = open == '(' ? ')' : open == '[' ? ']' : '\0';
    if (close != '\0') ++at_;
    Shape shape;
    skip_spaces();
    if (at_end() && close == '\0') fail("is empty; type \"scalar\" or \"()\" for rank 0");
    while (peek() != close || at_end()) {
      shape.push_back(read_dim());
      if (shape.rank() > Limits::kRank) {
        throw Error(ErrorCode::kLimit,
                    text("shape: more than ", Limits::kRank, " axes: ", quoted(text_)));
      }
      skip_spaces();
      if (at_end() && close == '\0') return shape;
      if (peek() == ',') {
        ++at_;
        skip_spaces();
        if (at_end() && close == '\0') return shape;  // "5," is (5,)
        continue;
      }
      if (close == '\0') fail("expected ','");
      if (peek() != close) fail(text("expected ',' or '", close, "'"));
    }
    ++at_;
    skip_spaces();
    if (!at_end()) fail("has text after its end");
    return shape;
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  void skip_spaces() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  [[noreturn]] void fail(std::string_view why) const {
    ErrorPlace place;
    place.position = at_;
    throw Error(ErrorCode::kSyntax,
                text("shape: ", why, " at position ", at_, ": ", quoted(text_, at_)), place);
  }

  Dim read_dim() {
    const std::size_t begin = at_;
    if (peek() == '?') {
      ++at_;
      return {};
    }
    if (peek() == '-') fail("an extent is not negative ('_' is an unknown one)");
    if (is_digit(peek())) {
      std::int64_t extent = 0;
      for (; is_digit(peek()); ++at_) {
        const auto shifted = checked_multiply(extent, 10);
        const auto next =
            shifted ? checked_add(*shifted, peek() - '0') : std::optional<std::int64_t>();
        if (!next) {
          throw Error(ErrorCode::kOverflow, text("shape: an extent is above 2^63 - 1 at position ",
                                                 begin, ": ", quoted(text_, begin)));
        }
        extent = *next;
      }
      if (name_bytes(text_, at_, false) > 0 || peek() == '.') fail("expected ','");
      return Dim(extent);
    }
    if (name_bytes(text_, at_, true) == 0) {
      fail(at_end() ? "ends where an extent should stand" : "expected a number, a name or '_'");
    }
    while (const std::size_t bytes = name_bytes(text_, at_, false)) at_ += bytes;
    const std::string_view name = text_.substr(begin, at_ - begin);
    if (name == "_" || name == "None" || name == "null") return {};
    return Dim(name);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Dim::Dim(std::string_view name) {
  std::size_t at = 0;
  while (const std::size_t bytes = name_bytes(name, at, at == 0)) at += bytes;
  if (name.empty() || name == "_" || at < name.size()) {
    throw Error(
        ErrorCode::kSyntax,
        text("shape: a dim's name is a letter or '_', then letters, digits, '_': ", quoted(name)));
  }
  name_ = std::make_shared<const std::string>(name);
}

void Dim::refuse_negative(std::int64_t extent) {
  throw Error(ErrorCode::kLimit, text("shape: an extent is not negative: ", extent));
}

bool Shape::is_known() const {
  for (const Dim& dim : dims_) {
    if (!dim.is_known()) return false;
  }
  return true;
}

Extents Shape::extents() const {
  Extents result;
  for (const Dim& dim : dims_) {
    BATCHDOT_ASSERT(dim.is_known());
    result.push_back(dim.extent());
  }
  return result;
}

std::string to_string(const Dim& dim) {
  if (dim.is_known()) return text(dim.extent());
  return dim.is_named() ? std::string(dim.name()) : "?";
}

std::string to_string(const Shape& shape) {
  std::string out = "(";
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (axis > 0) out += ", ";
    out += to_string(shape[axis]);
  }
  if (shape.rank() == 1) out += ',';
  return out + ")";
}

// Strides are such a list too, and may be negative: they are no dims.
std::string to_string(const Extents& extents) {
  std::string out = "(";
  for (std::size_t axis = 0; axis < extents.size(); ++axis) {
    if (axis > 0) out += ", ";
    out += text(extents[axis]);
  }
  if (extents.size() == 1) out += ',';
  return out + ")";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << to_string(shape); }

Shape parse_shape(std::string_view text) { return ShapeReader(text).read(); }

std::optional<Unified> unify(const Dim& lhs, const Dim& rhs, UnifyRule rule) {
  if (lhs.is_known() && rhs.is_known()) {
    if (lhs == rhs) return Unified{lhs, {}};
    if (rule == UnifyRule::kMerge) return std::nullopt;
    if (lhs.extent() == 1) return Unified{rhs, {}};
    if (rhs.extent() == 1) return Unified{lhs, {}};
    return std::nullopt;
  }
  if (lhs.is_named() && lhs == rhs) return Unified{lhs, {}};
  if (rule == UnifyRule::kMerge) {
    if (lhs.is_known() || rhs.is_unknown()) return Unified{lhs, ConditionKind::kEqual};
    if (rhs.is_known() || lhs.is_unknown()) return Unified{rhs, ConditionKind::kEqual};
    return Unified{lhs, ConditionKind::kEqual};  // two names
  }
  if (!lhs.is_known() && !rhs.is_known()) return Unified{Dim(), ConditionKind::kOneOrEqual};
  const Dim& known = lhs.is_known() ? lhs : rhs;
  const Dim& open = lhs.is_known() ? rhs : lhs;
  if (known.extent() == 1) return Unified{open, {}};
  if (known.extent() == 0 && rule == UnifyRule::kBroadcast) {
    return Unified{Dim(), ConditionKind::kOneOrEqual};
  }
  return Unified{known, ConditionKind::kOneOrEqual};
}

}  // namespace batchdot::inline v0
