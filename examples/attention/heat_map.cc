// SPDX-License-Identifier: Apache-2.0
#include "heat_map.h"

#include <langinfo.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <numeric>
#include <ostream>
#include <string_view>

namespace {

struct Shade {
  double from;  ///< the least weight that it stands for
  std::string_view block, ascii, colour;
};
constexpr Shade kShades[] = {{0, "·", ".", "90"},
                             {0.05, "░", "-", "34"},
                             {0.15, "▒", "+", "36"},
                             {0.30, "▓", "#", "33"},
                             {0.50, "█", "@", "31"}};

// What the terminal can show.
struct Screen {
  bool utf8, colour;
};

Screen find_screen() {
  std::setlocale(LC_CTYPE, "");
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return {std::string_view(nl_langinfo(CODESET)) == "UTF-8",
          isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0') &&
              terminal != nullptr && std::string_view(terminal) != "dumb"};
}

// Two characters of one shade.
std::string cell(const Shade& shade, const Screen& screen) {
  const std::string mark(screen.utf8 ? shade.block : shade.ascii);
  return screen.colour ? "\033[" + std::string(shade.colour) + "m" + mark + mark + "\033[0m"
                       : mark + mark;
}

bool begins_character(char byte) { return (byte & 0xC0) != 0x80; }

// The number of characters in UTF-8 text.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

// The head of a column: the first two characters of "fisherman", and of what is in "[CLS]".
std::string shorten(std::string_view word) {
  if (word.size() > 1 && word.front() == '[') word.remove_prefix(1);
  std::size_t bytes = 0;
  for (int characters = 0; bytes < word.size(); ++bytes) {
    if (begins_character(word[bytes]) && characters++ == 2) break;
  }
  return std::string(word.substr(0, bytes));
}

// "rowboat 38 %, [CLS] 35 %": the strongest, and the second if it has a tenth.
std::string strongest(const std::vector<Word>& words, const std::vector<double>& weights) {
  std::vector<std::size_t> order(words.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return weights[i] > weights[j]; });
  std::string result;
  for (std::size_t rank = 0; rank < std::min<std::size_t>(order.size(), 2); ++rank) {
    const double weight = weights[order[rank]];
    if (rank > 0 && weight < 0.1) break;
    result += (rank > 0 ? ", " : "") + words[order[rank]].text + ' ' +
              std::to_string(std::lround(100 * weight)) + " %";
  }
  return result;
}

}  // namespace

std::string pad(std::string text, std::size_t columns) {
  text.append(columns - std::min(columns, width(text)), ' ');
  return text;
}

std::vector<Word> join_pieces(const std::vector<std::string>& tokens) {
  std::vector<Word> words;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].starts_with("##") && !words.empty()) {
      words.back().text += tokens[i].substr(2);
      words.back().end = i + 1;
    } else {
      words.push_back({tokens[i], i, i + 1});
    }
  }
  return words;
}

std::vector<std::vector<double>> word_weights(std::span<const float> weights, std::size_t tokens,
                                              const std::vector<Word>& words) {
  const std::size_t rows = weights.size() / tokens;  // (heads, tokens) in one
  std::vector<std::vector<double>> result(words.size(), std::vector<double>(words.size()));
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Word& from = words[i];
    const double count = static_cast<double>(rows / tokens * (from.end - from.begin));
    for (std::size_t j = 0; j < words.size(); ++j) {
      for (std::size_t row = 0; row < rows; ++row) {
        if (row % tokens < from.begin || row % tokens >= from.end) continue;
        for (std::size_t key = words[j].begin; key < words[j].end; ++key) {
          result[i][j] += weights[row * tokens + key] / count;
        }
      }
    }
  }
  return result;
}

void draw_heat_map(const std::vector<Word>& words, const std::vector<std::vector<double>>& weights,
                   std::ostream& out) {
  const Screen screen = find_screen();
  std::size_t columns = 0;
  for (const Word& word : words) columns = std::max(columns, width(word.text));

  out << "   " << pad("", columns);
  for (const Word& word : words) out << ' ' << pad(shorten(word.text), 2);
  out << "  most\n";
  for (std::size_t i = 0; i < words.size(); ++i) {
    out << "   " << pad(words[i].text, columns);
    for (const double weight : weights[i]) {
      const Shade* shade = std::end(kShades) - 1;
      while (weight < shade->from) --shade;
      out << ' ' << cell(*shade, screen);
    }
    out << "  " << strongest(words, weights[i]) << '\n';
  }
  out << '\n';
  for (const Shade& shade : kShades) {
    out << "   " << cell(shade, screen)
        << (shade.from > 0 ? " from " + std::to_string(std::lround(100 * shade.from)) + " %"
                           : " less");
  }
  out << '\n';
}
