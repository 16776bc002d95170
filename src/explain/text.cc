// SPDX-License-Identifier: Apache-2.0
// Explanations and plans as text for a terminal of 100 columns.
//
//     contraction  out[b,i,k] = sum_j lhs[b,i,j] * rhs[b,j,k]
//     roles        batch {b=32}  contracting {j=64}  lhs_free {i=128}  rhs_free {k=256}

#include "src/core/text.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "batchdot/dtype.h"
#include "batchdot/explain.h"

namespace batchdot::inline v0 {

namespace {

constexpr std::size_t kColumns = 100;
constexpr std::size_t kTitleColumns = 13;

// Characters, not bytes: a label may be any Unicode letter.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  }));
}

std::string padded(std::string_view text, std::size_t wanted) {
  std::string out(text);
  if (const std::size_t has = columns(text); has < wanted) out.append(wanted - has, ' ');
  return out;
}

// Lines of "title        first row" and below it the rows without a title.
class Page {
 public:
  /// One row as it is, however long: code that is to be copied.
  void code(std::string_view title, std::string_view text) {
    std::string line = begin(title);
    line += text;
    finish(line);
  }
  /// One row. Wraps between words; what does not fit stands `indent` columns further in.
  void row(std::string_view title, std::string_view text, std::size_t indent = 0) {
    std::string line = begin(title);
    std::size_t used = kTitleColumns;
    bool is_fresh = true;
    while (!text.empty()) {
      const std::size_t space = text.find(' ', text.find_first_not_of(' '));
      const std::string_view word = text.substr(0, space);  // with the spaces before it
      if (!is_fresh && used + columns(word) > kColumns) {
        finish(line);
        used = kTitleColumns + indent;
        line.assign(used, ' ');
        is_fresh = true;
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        continue;
      }
      line += word;
      used += columns(word);
      is_fresh = false;
      text.remove_prefix(word.size());
    }
    finish(line);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string begin(std::string_view title) {
    std::string line = padded(title == title_ ? std::string_view() : title, kTitleColumns);
    title_ = title;
    return line;
  }
  void finish(std::string& line) {
    line.erase(line.find_last_not_of(' ') + 1);
    out_ += line;
    out_ += '\n';
  }

  std::string out_;
  std::string title_;
};

// Three significant digits, decimal steps of a thousand: "7.34 MB", "134 Mflop", "96 bytes".
std::string quantity(double amount, std::string_view unit, std::string_view unit_of_one) {
  constexpr const char* kPrefixes[] = {"", "k", "M", "G", "T", "P", "E"};
  std::size_t step = 0;
  while (amount >= 999.5 && step + 1 < std::size(kPrefixes)) {
    amount /= 1000;
    ++step;
  }
  char digits[32];
  const auto [end, failure] =
      std::to_chars(digits, digits + sizeof digits, amount, std::chars_format::general, 3);
  return text(std::string_view(digits, static_cast<std::size_t>(end - digits)), " ",
              kPrefixes[step], step == 0 ? unit_of_one : unit);
}
std::string flops_text(double amount) { return quantity(amount, "flop", "flop"); }
std::string bytes_text(double amount) {
  return quantity(amount, "B", amount == 1 ? "byte" : "bytes");
}

// "lhs[b,i,j]", "conj(rhs[b,j,k])", "operand_2[i]"
std::string factor(const Explanation& explanation, std::size_t operand) {
  std::vector<std::string> labels;
  for (const OperandAxisFact& axis : explanation.operands[operand]) labels.push_back(axis.label);
  std::string out =
      operand_name(static_cast<int>(operand), static_cast<int>(explanation.operands.size()));
  std::replace(out.begin(), out.end(), ' ', '_');
  out += text("[", joined(labels, ","), "]");
  if (operand < explanation.conjugate.size() && explanation.conjugate[operand]) {
    out = text("conj(", out, ")");
  }
  return out;
}

// "out[b,i,k] = sum_j lhs[b,i,j] * rhs[b,j,k]"
std::string formula(const Explanation& explanation) {
  std::vector<std::string> labels;
  for (const OutputAxisFact& axis : explanation.output) labels.push_back(axis.label);
  std::string out = text("out[", joined(labels, ","), "] = ");
  const std::vector<std::string>& summed = explanation.summed_order;
  if (summed.size() == 1) out += text("sum_", summed[0], " ");
  if (summed.size() > 1) out += text("sum_{", joined(summed, ","), "} ");
  std::vector<std::string> factors;
  for (std::size_t i = 0; i < explanation.operands.size(); ++i) {
    factors.push_back(factor(explanation, i));
  }
  return out + joined(factors, " * ");
}

// "batch {b=32}  contracting {j=64}"
std::string roles_text(const Explanation& explanation) {
  constexpr Role kRoles[] = {Role::kBatch,   Role::kContracting, Role::kLhsFree,
                             Role::kRhsFree, Role::kLhsSummed,   Role::kRhsSummed};
  // The extent of a summed label is the number among those of its axes that is not stretched; else
  // the first name.
  std::map<std::string_view, const Dim*> extents;
  const auto note = [&](std::string_view label, const Dim& extent) {
    const Dim*& known = extents.try_emplace(label, &extent).first->second;
    const bool is_open = !known->is_known() && (!known->is_named() || extent.is_known());
    if (is_open || *known == Dim(1)) known = &extent;
  };
  for (const OutputAxisFact& axis : explanation.output) note(axis.label, axis.extent);
  for (const auto& axes : explanation.operands) {
    for (const OperandAxisFact& axis : axes) {
      const bool is_output =
          std::any_of(explanation.output.begin(), explanation.output.end(),
                      [&](const OutputAxisFact& output) { return output.label == axis.label; });
      if (!is_output) note(axis.label, axis.extent);
    }
  }
  std::vector<std::string> groups;
  for (const Role role : kRoles) {
    std::vector<std::string> members;
    const auto add = [&](const std::string& label, const std::string& its_role) {
      if (its_role != name(role)) return;
      std::string member = text(label, "=", *extents.at(label));
      if (std::find(members.begin(), members.end(), member) == members.end()) {
        members.push_back(std::move(member));
      }
    };
    for (const OutputAxisFact& axis : explanation.output) add(axis.label, axis.role);
    for (const std::string& label : explanation.summed_order) {
      for (const auto& axes : explanation.operands) {
        for (const OperandAxisFact& axis : axes) {
          if (axis.label == label) add(axis.label, axis.role);
        }
      }
    }
    if (!members.empty()) groups.push_back(text(name(role), " {", joined(members, ", "), "}"));
  }
  return joined(groups, "  ");
}

// Of more than two operands the roles belong to steps, so each operand gets a row.
void write_roles_by_operand(Page& page, const Explanation& explanation) {
  const int count = static_cast<int>(explanation.operands.size());
  for (int i = 0; i < count; ++i) {
    std::vector<std::string> axes;
    for (const OperandAxisFact& axis : explanation.operands[static_cast<std::size_t>(i)]) {
      axes.push_back(text(axis.label, "=", axis.extent, " ", axis.role));
    }
    page.row("roles",
             text(operand_name(i, count), ": ", axes.empty() ? "no axis" : joined(axes, ", ")), 2);
  }
}

void write_output(Page& page, const Explanation& explanation) {
  std::size_t widest = 0;
  for (const OutputAxisFact& axis : explanation.output) {
    widest = std::max(widest, columns(text(axis.label, "=", axis.extent)));
  }
  int number = 0;
  for (const OutputAxisFact& axis : explanation.output) {
    const std::string head =
        text("axis ", number++, "  ", padded(text(axis.label, "=", axis.extent), widest), "  ");
    page.row("output", head + axis.why, columns(head));
  }
  if (explanation.output.empty()) page.row("output", "one number: no axis is left");
}

void write_equivalents(Page& page, const Explanation& explanation) {
  std::size_t widest = 0;
  for (const EquivalentFact& fact : explanation.equivalents) {
    widest = std::max(widest, columns(fact.library) + 2);
  }
  std::string_view before;
  for (const EquivalentFact& fact : explanation.equivalents) {
    const std::string_view library = fact.library == before ? std::string_view() : fact.library;
    before = fact.library;
    page.code("the same", padded(library, widest) + fact.code);
  }
}

// One row for each answer, with the dialects that give it.
void write_dialects(Page& page, const Explanation& explanation) {
  struct Group {
    std::string answer;
    std::vector<std::string> dialects;
    bool differs;
  };
  std::vector<Group> groups;
  for (const DialectFact& fact : explanation.dialects) {
    if (fact.dialect == explanation.dialect) continue;
    std::string answer = fact.shape ? to_string(*fact.shape) : text("refused: ", fact.error_code);
    if (!fact.computation.empty()) answer += " = " + fact.computation;
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
      return group.answer == answer && group.differs == fact.differs;
    });
    if (same == groups.end()) {
      groups.push_back({answer, {fact.dialect}, fact.differs});
    } else {
      same->dialects.push_back(fact.dialect);
    }
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return !a.differs && b.differs; });
  std::size_t widest = 0;
  for (const Group& group : groups) widest = std::max(widest, columns(group.answer) + 2);
  for (const Group& group : groups) {
    page.row("dialects",
             text(padded(group.answer, widest), group.differs ? "in " : "also in ",
                  joined(group.dialects, ", ")),
             widest);
  }
}

// Nothing where a product of extents does not fit into 63 bits.
std::optional<double> result_bytes(const Explanation& explanation) {
  const std::optional<DType> dtype = DType::parse(explanation.result_dtype);
  if (!dtype || !explanation.shape.is_known()) return std::nullopt;
  double bytes = static_cast<double>(dtype->size_bytes());
  for (const Dim& dim : explanation.shape) bytes *= static_cast<double>(dim.extent());
  return bytes;
}

void write_cost(Page& page, const Explanation& explanation) {
  std::vector<std::string> parts;
  if (explanation.flops) parts.push_back(flops_text(static_cast<double>(*explanation.flops)));
  if (explanation.bytes) {
    parts.push_back(bytes_text(static_cast<double>(*explanation.bytes)) + " touched");
  }
  if (const std::optional<double> bytes = result_bytes(explanation)) {
    parts.push_back(text("result ", bytes_text(*bytes), " of ", explanation.result_dtype));
  }
  if (explanation.flops && explanation.bytes && *explanation.bytes > 0) {
    parts.push_back(
        quantity(static_cast<double>(*explanation.flops) / static_cast<double>(*explanation.bytes),
                 "flop/byte", "flop/byte"));
  }
  if (!parts.empty()) page.row("work", joined(parts, ", "));
}

void write_plan(Page& page, const PlanFacts& facts) {
  std::string fold = text(facts.batch, " x (M=", facts.M, ", N=", facts.N, ", K=", facts.K, ")");
  if (facts.block_sums > 0) {
    fold += text("; K is cut, its ", facts.block_sums, " block sums are added in order");
  }
  if (facts.packs_lhs || facts.packs_rhs) {
    fold += text("; packs panels of ", facts.packs_lhs ? "lhs" : "",
                 facts.packs_lhs && facts.packs_rhs ? " and " : "", facts.packs_rhs ? "rhs" : "");
    if (facts.temporary_bytes == 0) fold += ", never a whole operand";
  } else if (facts.temporary_bytes == 0) {
    fold += "; no operand is copied";
  }
  if (facts.swapped) fold += "; lhs and rhs change places, bits are the same";
  page.row("fold", fold, 2);
  std::vector<std::string> refusals;
  for (const Refusal& refusal : facts.refused) {
    refusals.push_back(text(refusal.what, ": ", refusal.why));
  }
  std::string kernel = facts.kernel;
  if (!refusals.empty()) kernel += text(" (refused: ", joined(refusals, "; "), ")");
  page.row("kernel", text(kernel, ", target ", facts.target), 2);
  if (facts.MR > 0) {
    std::string blocking = text("MR NR = ", facts.MR, " ", facts.NR);
    if (facts.MC > 0) {
      blocking += text("   MC KC NC = ", facts.MC, " ", facts.KC, " ", facts.NC);
    }
    page.row("blocking", blocking);
  }
  page.row("threads", text(facts.threads, ", over ", facts.work_items,
                           facts.work_items == 1 ? " work item" : " work items"));
  std::string workspace = bytes_text(static_cast<double>(facts.workspace_bytes));
  if (facts.block_sum_bytes != 0) {
    workspace += text(", of these ", bytes_text(static_cast<double>(facts.block_sum_bytes)),
                      " for block sums");
  }
  if (facts.temporary_bytes != 0) {
    workspace += text(", of these ", bytes_text(static_cast<double>(facts.temporary_bytes)),
                      " for operands that are converted, normalised or summed first, and for "
                      "products in between");
  }
  page.row("workspace", workspace);
  if (facts.path.size() > 1) {
    std::vector<std::string> pairs;
    for (const auto& [first, second] : facts.path) {
      pairs.push_back(text("(", first, ", ", second, ")"));
    }
    page.row("path", joined(pairs, " "), 2);
  }
}

}  // namespace

std::string to_text(const PlanFacts& facts) {
  Page page;
  write_plan(page, facts);
  return page.take();
}

std::string to_text(const Explanation& explanation) {
  Page page;
  std::string operation = explanation.operation;
  if (!explanation.dialect.empty()) operation += text(" in the dialect ", explanation.dialect);
  if (!operation.empty()) page.row("operation", operation);
  std::vector<std::string> operands;
  const int count = static_cast<int>(explanation.operand_shapes.size());
  for (int i = 0; i < count; ++i) {
    operands.push_back(
        text(operand_name(i, count), " ", explanation.operand_shapes[static_cast<std::size_t>(i)]));
  }
  if (!operands.empty()) page.row("operands", joined(operands, ", "));
  page.row("shape", to_string(explanation.shape));
  if (explanation.reported_shape && *explanation.reported_shape != explanation.shape) {
    page.row("reported", text(*explanation.reported_shape, ", which is not what is computed"));
  } else if (explanation.reported_shape) {
    page.row("reported", to_string(*explanation.reported_shape));
  }
  if (!explanation.operands.empty()) {
    page.row("contraction", formula(explanation), 4);
    if (explanation.operands.size() <= 2) {
      page.row("roles", roles_text(explanation), 2);
    } else {
      write_roles_by_operand(page, explanation);
    }
    write_output(page, explanation);
  }
  for (const ConditionFact& fact : explanation.conditions) page.row("conditions", fact.text, 2);
  for (const std::string& note : explanation.notes) page.row("notes", note, 2);
  write_equivalents(page, explanation);
  write_dialects(page, explanation);
  write_cost(page, explanation);
  if (explanation.plan) write_plan(page, *explanation.plan);
  return page.take();
}

std::string Plan::explain() const { return to_text(facts()); }

}  // namespace batchdot::inline v0
