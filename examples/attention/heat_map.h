// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which word attends to which, as shades on a terminal.

#include <cstddef>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

/// A word of the sentence: the tokens [begin, end) that it was split into.
struct Word {
  std::string text;
  std::size_t begin, end;
};

/// Puts words together again: "row", "##boat" is rowboat.
std::vector<Word> join_pieces(const std::vector<std::string>& tokens);

/// How much each word attends to each, rows adding up to 1. To a word goes what goes to any of its
/// pieces: their sum. From a word comes the mean of what its pieces do, and of the heads.
///
/// \param weights  (heads, tokens, keys), dense: the heads to take the mean of.
std::vector<std::vector<double>> word_weights(std::span<const float> weights, std::size_t tokens,
                                              const std::vector<Word>& words);

/// One line a word: the word, one shade for each word that it may attend to, the strongest of them.
/// Unicode blocks, or ASCII where the locale is not UTF-8; colour on a terminal alone, and never
/// with NO_COLOR.
void draw_heat_map(const std::vector<Word>& words, const std::vector<std::vector<double>>& weights,
                   std::ostream& out);

/// `text` with spaces up to that many columns.
std::string pad(std::string text, std::size_t columns);
