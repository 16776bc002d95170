// SPDX-License-Identifier: Apache-2.0
// Dot-product attention on query, key and value of a real model: two batch_dots around a softmax,
// explained, computed, checked against what the model itself computed, and drawn. Then the question
// that batchdot began with: which shape does batch_dot give, and why?

#include <batchdot/batchdot.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <limits>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "heat_map.h"

namespace bd = batchdot;

namespace {

constexpr std::string_view kOldKeras = "keras-2.2";
constexpr std::string_view kNewKeras = "keras-3";

struct Options {
  std::string data = ATTENTION_DATA;
  int head = 2;  ///< drawn, counted from 1; 0 is the mean. 2 looks for nouns: README.md
};

Options parse_options(std::span<char* const> arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string_view name = arguments[i];
    if ((name != "--data" && name != "--head") || i + 1 == arguments.size()) {
      throw std::invalid_argument(
          "usage: attention_example [--data FOLDER] [--head 1..12 | --head mean]");
    }
    const std::string_view value = arguments[i + 1];
    if (name == "--data") {
      options.data = value;
    } else if (value == "mean") {
      options.head = 0;
    } else {
      const auto [end, error] =
          std::from_chars(value.data(), value.data() + value.size(), options.head);
      if (error != std::errc() || end != value.data() + value.size() || options.head < 1) {
        throw std::invalid_argument("--head: neither a number from 1 nor 'mean': " +
                                    std::string(value));
      }
    }
  }
  return options;
}

// ---- the data

// An array of the data folder: (1, heads, tokens, depth), float32, in whatever order the file has.
class Heads {
 public:
  explicit Heads(const std::string& path) : array_(bd::read_array(path)) {
    const bd::Layout& layout = array_.layout;
    if (layout.dtype != bd::F32{} || layout.extents.size() != 4 || layout.extents[0] != 1) {
      throw std::runtime_error(path + ": not f32 (1, heads, tokens, depth) but " +
                               std::string(layout.dtype.name()) + " " +
                               bd::to_string(layout.extents));
    }
  }
  bd::TensorView view() const { return array_.view(); }
  const bd::Layout& layout() const { return array_.layout; }
  const bd::Extents& extents() const { return array_.layout.extents; }
  float at(std::int64_t head, std::int64_t token, std::int64_t d) const {
    const bd::Strides& strides = array_.layout.strides;
    return static_cast<const float*>(
        array_.storage.data())[head * strides[1] + token * strides[2] + d * strides[3]];
  }

 private:
  bd::LoadedArray array_;
};

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  if (lines.empty()) throw std::runtime_error(path + ": missing or empty");
  return lines;
}

struct Layer {
  std::string sentence;
  std::vector<std::string> tokens;
  Heads query, key, value, context;
};

Layer read_layer(const std::string& folder) {
  Layer layer{read_lines(folder + "/sentence.txt").front(),
              read_lines(folder + "/tokens.txt"),
              Heads(folder + "/query.npy"),
              Heads(folder + "/key.npy"),
              Heads(folder + "/value.npy"),
              Heads(folder + "/context.npy")};
  for (const Heads* array : {&layer.key, &layer.value, &layer.context}) {
    if (!(array->extents() == layer.query.extents())) {
      throw std::runtime_error(
          "query, key, value and context differ in shape: " + bd::to_string(layer.query.extents()) +
          " and " + bd::to_string(array->extents()));
    }
  }
  const std::int64_t tokens = layer.query.extents()[2];
  if (tokens != static_cast<std::int64_t>(layer.tokens.size()) || tokens > 256) {
    throw std::runtime_error("tokens.txt has " + std::to_string(layer.tokens.size()) +
                             " tokens, the arrays " + std::to_string(tokens) +
                             "; they must agree and be at most 256");
  }
  return layer;
}

// ---- computation

// `text` with each line moved to the right.
std::string indent(const std::string& text) {
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    result += (line.empty() ? "" : "  " + line) + "\n";
  }
  return result;
}

// `text` as lines of at most 100 columns; all but the first begin with `indentation` spaces.
std::string wrap(const std::string& text, std::size_t indentation) {
  std::istringstream words(text);
  std::string result;
  std::size_t column = indentation;
  for (std::string word; words >> word;) {
    if (!result.empty() && column + 1 + word.size() > 100) {
      result += '\n' + std::string(indentation, ' ');
      column = indentation;
    } else if (!result.empty()) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
  }
  return result;
}

// A call of batch_dot as data, for explain().
bd::Problem batch_dot_problem(std::vector<bd::Shape> shapes, const bd::Axes& axes,
                              std::string_view dialect) {
  return {"batch_dot", {{"axes", axes}, {"dialect", std::string(dialect)}}, std::move(shapes)};
}

struct Attention {
  bd::Tensor weights;  ///< (1, heads, tokens, keys)
  bd::Tensor context;  ///< (1, heads, tokens, depth)
};

Attention attend(const Layer& layer, std::ostream& out) {
  const bd::Dialect keras(kOldKeras);
  const bd::Extents& extents = layer.query.extents();
  const double scale = 1 / std::sqrt(static_cast<double>(extents[3]));

  out << "1. Scores: each query with each key, over the depth.\n"
      << "   batch_dot(query, key, axes=[3, 3]) in " << kOldKeras << "\n\n";
  const std::array operands = {layer.query.layout(), layer.key.layout()};
  out << indent(bd::to_text(bd::explain(
      batch_dot_problem({layer.query.extents(), layer.key.extents()}, {3, 3}, kOldKeras), bd::F32{},
      operands)));
  // The scale is applied to each score as it is stored, so scaling costs no pass of its own.
  const bd::Contraction contraction = bd::batch_dot(bd::Shape(layer.query.extents()),
                                                    bd::Shape(layer.key.extents()), {3, 3}, keras);
  const bd::Plan plan =
      bd::Plan::make(contraction, operands, {}, bd::Epilogue{.alpha = scale, .bias = {}});
  bd::Tensor scores(bd::F32{}, plan.output_layout().extents);
  plan.run({layer.query.view(), layer.key.view()}, scores.mutable_view());

  out << "\n2. Weights: scores / sqrt(" << extents[3] << "), softmax over the keys.\n"
      << "   softmax(scores, axis=-1) gives " << bd::to_string(scores.extents()) << "\n\n";
  bd::Tensor weights = bd::softmax(scores, -1);

  out << "3. Context: for each query the mean of the values under its weights.\n"
      << "   batch_dot(weights, value, axes=[3, 2]) in " << kOldKeras << "\n\n";
  out << indent(bd::to_text(
      bd::explain(batch_dot_problem({weights.extents(), layer.value.extents()}, {3, 2}, kOldKeras),
                  bd::F32{}, std::array{weights.layout(), layer.value.layout()})));
  bd::Tensor context = bd::batch_dot(weights, layer.value.view(), {3, 2}, keras);
  return {std::move(weights), std::move(context)};
}

// ---- the check

// How far the context of one query may be from the exact one, for each place of the depth: what the
// roundings of float32 can do, u = 2^-24 each, to first order, with T tokens.
//
//     e[key]   of the scaled score: (depth + 2) u scale sum |q||k|, for the sum, the value of the
//              scale, and the scaling; then u |t - max t| for the subtraction and 4 u for exp,
//              which is good to 2 ulp. So much, relatively, is exp(t - max t) off; their sum: max
//              e, and (T - 1) u for its additions; u for the division.
//     bound    sum over keys of weight |v| (e[key] + max e + (2 T + 1) u): T for the sum over the
//              keys, 1 for the rounding of the context in the file.
//
// Source: Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section 3.1.
std::vector<double> bounds(const Layer& layer, std::int64_t head, std::int64_t query) {
  constexpr double u = 0x1p-24;
  const auto tokens = layer.tokens.size();
  const std::int64_t depth = layer.query.extents()[3];
  const double scale = 1 / std::sqrt(static_cast<double>(depth));
  std::vector<double> t(tokens), e(tokens);
  for (std::size_t key = 0; key < tokens; ++key) {
    for (std::int64_t d = 0; d < depth; ++d) {
      const double product =
          scale * layer.query.at(head, query, d) * layer.key.at(head, static_cast<int>(key), d);
      t[key] += product;
      e[key] += static_cast<double>(depth + 2) * u * std::abs(product);
    }
  }
  const double highest = *std::max_element(t.begin(), t.end());
  double sum = 0;
  for (std::size_t key = 0; key < tokens; ++key) {
    e[key] += u * (highest - t[key]) + 4 * u;
    sum += std::exp(t[key] - highest);
  }
  const double worst = *std::max_element(e.begin(), e.end());
  // The smallest normal number, for underflow.
  std::vector<double> result(static_cast<std::size_t>(depth), std::numeric_limits<float>::min());
  for (std::size_t key = 0; key < tokens; ++key) {
    const double weight = std::exp(t[key] - highest) / sum;
    const double relative = e[key] + worst + static_cast<double>(2 * tokens + 1) * u;
    for (std::int64_t d = 0; d < depth; ++d) {
      result[static_cast<std::size_t>(d)] +=
          1.01 * relative * weight *  // 1.01: the terms of second order
          std::abs(layer.value.at(head, static_cast<int>(key), d));
    }
  }
  return result;
}

// True if every element of the context is within its bound of the model's.
bool check(const Layer& layer, const Attention& attention, std::ostream& out) {
  const bd::Extents& extents = layer.context.extents();
  const std::int64_t heads = extents[1], tokens = extents[2], depth = extents[3];
  const std::span<const float> context = attention.context.elements<float>();
  double largest = 0, closest = 0;
  std::int64_t wrong = 0;
  std::ostringstream first_wrong;
  for (std::int64_t head = 0; head < heads; ++head) {
    for (std::int64_t token = 0; token < tokens; ++token) {
      const std::vector<double> allowed = bounds(layer, head, token);
      for (std::int64_t d = 0; d < depth; ++d) {
        const double bound = allowed[static_cast<std::size_t>(d)];
        const float ours = context[static_cast<std::size_t>((head * tokens + token) * depth + d)];
        const float theirs = layer.context.at(head, token, d);
        const double difference = std::abs(double{ours} - theirs);
        largest = std::max(largest, difference);
        closest = std::max(closest, difference / bound);
        if (difference <= bound) continue;  // a NaN is wrong, too
        if (wrong++ == 0) {
          first_wrong << "head " << head + 1 << ", token " << token << " ("
                      << layer.tokens[static_cast<std::size_t>(token)] << "), depth " << d << ": "
                      << ours << " here, " << theirs << " in the model, " << bound << " allowed";
        }
      }
    }
  }
  out << "\n4. Check against the model's own attention output, " << context.size()
      << " elements.\n";
  if (wrong > 0) {
    out << "   WRONG: " << wrong << " elements are further off than rounding can explain.\n"
        << "   The first: " << first_wrong.str() << "\n";
    return false;
  }
  out << std::setprecision(2)
      << "   Right: no element is further off than float32 rounding can explain. "
      << "Largest difference\n   " << largest << "; the element closest to its own bound is at "
      << 100 * closest << " % of it.\n";
  return true;
}

// ---- the drawing

void draw(const Layer& layer, const Attention& attention, int head, std::ostream& out) {
  const auto heads = static_cast<std::size_t>(attention.weights.extents()[1]);
  const std::size_t tokens = layer.tokens.size();
  std::span<const float> weights = attention.weights.elements<float>();
  out << "\n5. Which word attends to which, ";
  if (head == 0) {
    out << "mean over " << heads << " heads.\n\n";
  } else {
    out << "head " << head << " of " << heads << ".\n\n";
    weights =
        weights.subspan(static_cast<std::size_t>(head - 1) * tokens * tokens, tokens * tokens);
  }
  const std::vector<Word> words = join_pieces(layer.tokens);
  draw_heat_map(words, word_weights(weights, tokens, words), out);
}

// ---- the question

// "axis 2 (8)": which axis of lhs is summed over.
std::string summed_axis(const bd::Explanation& explanation) {
  const auto& axes = explanation.operands.front();
  for (std::size_t axis = 0; axis < axes.size(); ++axis) {
    if (axes[axis].role == "contracting") {
      return "axis " + std::to_string(axis) + " (" + bd::to_string(axes[axis].extent) + ")";
    }
  }
  return "nothing";
}

// One line for each pair of axes, old Keras beside new; then which lines are the same contraction.
void compare_dialects(const bd::Shape& shape, int first_axis, std::ostream& out) {
  std::string same;
  out << "   axes    " << pad(std::string(kOldKeras), 18) << pad("sums over", 16)
      << pad(std::string(kNewKeras), 22) << "sums over\n";
  std::array<std::string, 2> previous;  // equations of the line above
  for (int axis = first_axis; axis < shape.rank(); ++axis) {
    const bd::Axes axes{axis, axis};
    out << "   " << pad(bd::to_string(axes), 8);
    for (std::size_t i = 0; i < 2; ++i) {
      const std::string_view dialect = i == 0 ? kOldKeras : kNewKeras;
      const bd::Explanation explanation =
          bd::explain(batch_dot_problem({shape, shape}, axes, dialect));
      out << pad(bd::to_string(explanation.shape), i == 0 ? 18 : 22)
          << pad(summed_axis(explanation), i == 0 ? 16 : 0);
      if (explanation.equation == previous[i]) {
        same += "   In " + std::string(dialect) + " axes " + bd::to_string(axes) +
                " give the very same product as the line above: " + explanation.equation + "\n";
      }
      previous[i] = explanation.equation;
    }
    out << '\n';
  }
  out << same;
}

// Why each axis of the result is there.
void give_reasons(const bd::Shape& shape, int axis, std::string_view dialect, std::ostream& out) {
  const bd::Explanation explanation =
      bd::explain(batch_dot_problem({shape, shape}, {axis, axis}, dialect));
  out << "\n   " << dialect << ", axes " << bd::to_string(bd::Axes{axis, axis}) << ": "
      << bd::to_string(explanation.shape) << ", which is einsum " << explanation.equation << "\n";
  for (const bd::OutputAxisFact& fact : explanation.output) {
    out << "     " << pad(bd::to_string(fact.extent), 4) << wrap(fact.why, 9) << "\n";
  }
  for (const std::string& note : explanation.notes) out << "     " << wrap(note, 5) << "\n";
}

void answer_the_question(std::ostream& out) {
  const bd::Shape ones = {36, 8, 24};
  bd::Shape input = ones;
  input.insert(0, bd::Dim());  // what Input() does

  out << "\nThe question that batchdot began with: which shape does batch_dot give?\n\n"
      << "q = k = Input(" << bd::to_string(ones)
      << "). Input puts a batch axis of unknown extent in front:\n"
      << "the tensors are " << bd::to_string(input) << ".\n\n";
  compare_dialects(input, 1, out);
  for (const std::string_view dialect : {kOldKeras, kNewKeras}) {
    give_reasons(input, 2, dialect, out);
  }

  out << "\nq = k = ones(" << bd::to_string(ones) << "). Nothing is hidden here: the rank is "
      << ones.rank()
      << ", the first axis is the batch, and what\nwas axis 2 of Input's tensor is axis 1.\n\n";
  compare_dialects(ones, 1, out);
}

int run(std::span<char* const> arguments, std::ostream& out) {
  const Options options = parse_options(arguments);
  const Layer layer = read_layer(options.data);
  if (options.head > layer.query.extents()[1]) {
    throw std::invalid_argument("--head: there are " + std::to_string(layer.query.extents()[1]) +
                                " heads: " + std::to_string(options.head));
  }
  out << "Attention: \"" << layer.sentence << "\"\n\n"
      << "Query, key and value of a layer of a real model, " << bd::to_string(layer.query.extents())
      << " each:\n(batch, heads, tokens, depth).\n\n";
  const Attention attention = attend(layer, out);
  const bool right = check(layer, attention, out);
  draw(layer, attention, options.head, out);
  answer_the_question(out);
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = run(std::span(argv, static_cast<std::size_t>(argc)).subspan(1), std::cout);
    std::cout.flush();
    if (!std::cout) throw std::runtime_error("cannot write to standard output");
    return code;
  } catch (const bd::Error& error) {
    std::cout.flush();
    std::cerr << "attention_example: " << error.what() << '\n';
    return bd::info(error.code()).exit_code;
  } catch (const std::exception& error) {
    std::cout.flush();
    std::cerr << "attention_example: " << error.what() << '\n';
    return 1;
  }
}
