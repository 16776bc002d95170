// SPDX-License-Identifier: Apache-2.0
// Explanations, shapes and errors as JSON.

#include <cstddef>

#include "batchdot/explain.h"
#include "src/explain/json_writer.h"

namespace batchdot {

inline namespace v0 {

namespace {

using explain_detail::JsonWriter;

// An extent that stands in an error as a shape prints it: "20", "B" or "?".
void write_extent(JsonWriter& json, std::string_view extent) {
  if (extent == "?") return json.null();
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(extent.data(), extent.data() + extent.size(), number);
  if (failure == std::errc{} && end == extent.data() + extent.size()) return json.value(number);
  json.value(extent);
}

void write_axis(JsonWriter& json, AxisRef ref) {
  json.open_object();
  json.key("operand");
  json.value(std::int64_t{ref.operand});
  json.key("axis");
  json.value(std::int64_t{ref.axis});
  json.close_object();
}

void write_member(JsonWriter& json, std::string_view key, std::int64_t number) {
  json.key(key);
  json.value(number);
}
void write_member(JsonWriter& json, std::string_view key, std::string_view text) {
  json.key(key);
  json.value(text);
}
void write_member(JsonWriter& json, std::string_view key, const std::vector<std::string>& texts) {
  json.key(key);
  json.open_list();
  for (const std::string& text : texts) json.value(std::string_view(text));
  json.close_list();
}
void write_member(JsonWriter& json, std::string_view key, std::optional<std::int64_t> number) {
  json.key(key);
  if (number) {
    json.value(*number);
  } else {
    json.null();
  }
}

std::string_view name_of(ConditionKind kind) {
  switch (kind) {
    case ConditionKind::kEqual:
      return "equal";
    case ConditionKind::kOneOrEqual:
      return "one_or_equal";
    case ConditionKind::kIsOne:
      return "is_one";
    case ConditionKind::kDivides:
      return "divides";
    case ConditionKind::kReshape:
      break;
  }
  return "reshape";
}

void write_operands(JsonWriter& json, const Explanation& explanation) {
  json.key("operands");
  json.open_list();
  for (const std::vector<OperandAxisFact>& axes : explanation.operands) {
    json.open_list();
    for (const OperandAxisFact& axis : axes) {
      json.open_object();
      write_member(json, "label", axis.label);
      write_member(json, "role", axis.role);
      json.key("extent");
      json.value(axis.extent);
      json.close_object();
    }
    json.close_list();
  }
  json.close_list();
}

void write_output(JsonWriter& json, const Explanation& explanation) {
  json.key("output");
  json.open_list();
  for (const OutputAxisFact& axis : explanation.output) {
    json.open_object();
    write_member(json, "label", axis.label);
    write_member(json, "role", axis.role);
    json.key("extent");
    json.value(axis.extent);
    json.key("from");
    json.open_list();
    for (const AxisRef ref : axis.from) write_axis(json, ref);
    json.close_list();
    write_member(json, "why", axis.why);
    json.close_object();
  }
  json.close_list();
}

void write_conditions(JsonWriter& json, const Explanation& explanation) {
  json.key("conditions");
  json.open_list();
  for (const ConditionFact& fact : explanation.conditions) {
    const Condition& condition = fact.condition;
    json.open_object();
    write_member(json, "text", fact.text);
    write_member(json, "kind", name_of(condition.kind));
    json.key("lhs");
    write_axis(json, condition.lhs);
    if (condition.kind == ConditionKind::kEqual || condition.kind == ConditionKind::kOneOrEqual) {
      json.key("rhs");
      write_axis(json, condition.rhs);
    }
    if (condition.kind == ConditionKind::kDivides) {
      write_member(json, "divisor", condition.divisor);
    }
    json.close_object();
  }
  json.close_list();
}

void write_dialects(JsonWriter& json, const Explanation& explanation) {
  json.key("dialects");
  json.open_list();
  for (const DialectFact& fact : explanation.dialects) {
    json.open_object();
    write_member(json, "dialect", fact.dialect);
    json.key("shape");
    if (fact.shape) {
      json.value(*fact.shape);
    } else {
      json.null();
    }
    json.key("differs");
    json.value(fact.differs);
    if (!fact.computation.empty()) write_member(json, "computation", fact.computation);
    if (!fact.shape) {
      json.key("error");
      json.open_object();
      write_member(json, "code", fact.error_code);
      write_member(json, "message", fact.message);
      json.close_object();
    }
    json.close_object();
  }
  json.close_list();
}

void write_plan(JsonWriter& json, const PlanFacts& facts) {
  json.open_object();
  write_member(json, "target", facts.target);
  write_member(json, "kernel", facts.kernel);
  json.key("refused");
  json.open_list();
  for (const Refusal& refusal : facts.refused) {
    json.open_object();
    write_member(json, "what", refusal.what);
    write_member(json, "why", refusal.why);
    json.close_object();
  }
  json.close_list();
  write_member(json, "batch", facts.batch);
  write_member(json, "M", facts.M);
  write_member(json, "N", facts.N);
  write_member(json, "K", facts.K);
  json.key("swapped");
  json.value(facts.swapped);
  json.key("packs_lhs");
  json.value(facts.packs_lhs);
  json.key("packs_rhs");
  json.value(facts.packs_rhs);
  json.key("blocking");
  json.open_object();
  write_member(json, "MR", std::int64_t{facts.MR});
  write_member(json, "NR", std::int64_t{facts.NR});
  write_member(json, "MC", std::int64_t{facts.MC});
  write_member(json, "KC", std::int64_t{facts.KC});
  write_member(json, "NC", std::int64_t{facts.NC});
  json.close_object();
  write_member(json, "threads", std::int64_t{facts.threads});
  write_member(json, "work_items", facts.work_items);
  write_member(json, "workspace_bytes", static_cast<std::int64_t>(facts.workspace_bytes));
  write_member(json, "temporary_bytes", static_cast<std::int64_t>(facts.temporary_bytes));
  write_member(json, "block_sums", facts.block_sums);
  write_member(json, "block_sum_bytes", static_cast<std::int64_t>(facts.block_sum_bytes));
  json.key("path");
  json.open_list();
  for (const auto& [first, second] : facts.path) {
    json.open_list();
    json.value(std::int64_t{first});
    json.value(std::int64_t{second});
    json.close_list();
  }
  json.close_list();
  json.close_object();
}

}  // namespace

std::string to_json(const Shape& shape) {
  std::string out;
  JsonWriter(out).value(shape);
  return out;
}

std::string to_json(const Error& error, std::optional<std::int64_t> line, std::string_view fix_text,
                    std::string_view fix_problem) {
  const ErrorPlace& place = error.place();
  std::string out;
  JsonWriter json(out);
  const auto write_number = [&](std::string_view key, std::optional<std::int64_t> number) {
    if (number) write_member(json, key, *number);
  };
  const auto write_extent_member = [&](std::string_view key, std::string_view extent) {
    if (extent.empty()) return;
    json.key(key);
    write_extent(json, extent);
  };
  const auto write_text = [&](std::string_view key, std::string_view text) {
    if (!text.empty()) write_member(json, key, text);
  };
  json.open_object();
  json.key("error");
  json.open_object();
  write_member(json, "code", info(error.code()).name);
  write_member(json, "message", error.message());
  write_number("operand", place.operand);
  write_number("axis", place.axis);
  write_number("other_operand", place.other_operand);
  write_number("other_axis", place.other_axis);
  write_extent_member("extent", place.extent);
  write_extent_member("other_extent", place.other_extent);
  write_text("label", place.label);
  write_text("option", place.option);
  write_text("file", place.file);
  write_number("position", place.position);
  write_number("line", line);
  if (!fix_text.empty() || !fix_problem.empty()) {
    json.key("fix");
    json.open_object();
    write_text("text", fix_text);
    if (!fix_problem.empty()) {
      json.key("problem");
      json.raw(fix_problem);
    }
    json.close_object();
  }
  json.close_object();
  json.close_object();
  return out;
}

std::string to_json(const Explanation& explanation) {
  std::string out;
  JsonWriter json(out);
  json.open_object();
  write_member(json, "operation", explanation.operation);
  json.key("dialect");
  if (explanation.dialect.empty()) {
    json.null();
  } else {
    json.value(std::string_view(explanation.dialect));
  }
  json.key("shape");
  json.value(explanation.shape);
  if (explanation.reported_shape) {
    json.key("reported_shape");
    json.value(*explanation.reported_shape);
  }
  write_member(json, "equation", explanation.equation);
  write_operands(json, explanation);
  json.key("conjugate");
  json.open_list();
  for (const bool conjugate : explanation.conjugate) json.value(conjugate);
  json.close_list();
  write_output(json, explanation);
  write_member(json, "summed_order", explanation.summed_order);
  write_conditions(json, explanation);
  json.key("equivalents");
  json.open_list();
  for (const EquivalentFact& fact : explanation.equivalents) {
    json.open_object();
    write_member(json, "library", fact.library);
    write_member(json, "code", fact.code);
    json.close_object();
  }
  json.close_list();
  write_dialects(json, explanation);
  write_member(json, "notes", explanation.notes);
  write_member(json, "dtype", explanation.dtype);
  write_member(json, "result_dtype", explanation.result_dtype);
  write_member(json, "flops", explanation.flops);
  write_member(json, "bytes", explanation.bytes);
  json.key("plan");
  if (explanation.plan) {
    write_plan(json, *explanation.plan);
  } else {
    json.null();
  }
  json.close_object();
  return out;
}

}  // namespace v0
}  // namespace batchdot
