// SPDX-License-Identifier: Apache-2.0
#include "src/contraction/array_expression.h"

#include <algorithm>
#include <utility>

#include "src/contraction/labels.h"

namespace batchdot {

void reindex(Term& term, const Labels& drop, const Labels& wanted) {
  std::vector<std::string> items;
  Labels labels;
  std::size_t next = 0;
  const auto take_axis = [&] {
    const bool goes = holds(drop, term.labels[next]);
    items.push_back(goes ? "0" : ":");
    if (!goes) labels.push_back(term.labels[next]);
    ++next;
  };
  for (const Label label : wanted) {
    while (next < term.labels.size() && holds(drop, term.labels[next])) take_axis();
    if (next < term.labels.size() && term.labels[next] == label) {
      take_axis();
    } else {
      items.push_back("None");
      labels.push_back(label);
    }
  }
  while (next < term.labels.size()) take_axis();
  std::size_t last = items.size();
  while (last > 0 && items[last - 1] == ":") --last;
  std::size_t first = 0;
  while (first < items.size() && items[first] == ":") ++first;
  if (last == 0) return;
  if (last == items.size() && first >= 2) {
    items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(first));
    items.insert(items.begin(), "...");
  } else {
    items.resize(last);
  }
  term.code += text("[", joined(items, ", "), "]");
  term.labels = std::move(labels);
  ++term.edits;
}

Order order_of(const Labels& labels, const Labels& wanted) {
  if (labels == wanted) return Order::kSame;
  if (labels.size() < 2) return Order::kOther;
  Labels swapped = labels;
  std::swap(swapped[swapped.size() - 1], swapped[swapped.size() - 2]);
  return swapped == wanted ? Order::kLastTwoSwapped : Order::kOther;
}

void permute(const Library& library, Term& term, const Labels& wanted) {
  const Order order = order_of(term.labels, wanted);
  if (order == Order::kSame) return;
  if (order == Order::kLastTwoSwapped) {
    term.code = text(library.swap, term.code, library.swap_end);
  } else {
    std::vector<std::size_t> axes;
    for (const Label label : wanted) {
      axes.push_back(static_cast<std::size_t>(
          std::find(term.labels.begin(), term.labels.end(), label) - term.labels.begin()));
    }
    term.code = text(library.permute, term.code, ", ", tuple(axes), library.permute_end);
  }
  term.labels = wanted;
  ++term.edits;
}

}  // namespace batchdot
