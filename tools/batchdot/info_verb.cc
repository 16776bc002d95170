// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <ostream>

#include "tools/batchdot/arguments.h"

namespace batchdot::tool {

namespace {

nlohmann::ordered_json document() {
  using Json = nlohmann::ordered_json;
  Json document;
  document["version"] = version();
  document["compiler"] = compiler();
  document["targets"] = Json::array();
  for (const std::string_view target : targets()) document["targets"].push_back(target);
  document["target"] = default_target();
  document["threads"] = default_threads();
  document["dtypes"] = Json::array();
  for_each_dtype([&](auto record) { document["dtypes"].push_back(record.kName); });
  for (const LimitInfo& limit : kLimits) document["limits"][std::string(limit.name)] = limit.most;
  document["operations"] = Json::array();
  for (const Operation& operation : operations()) document["operations"].push_back(operation.name);
  document["dialects"] = Json::array();
  for (const std::string_view dialect : Dialect::names()) document["dialects"].push_back(dialect);
  return document;
}

std::string words_of(const nlohmann::ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_structured()) return value.dump();
  std::string out;
  for (const auto& [key, element] : value.items()) {
    if (!out.empty()) out += ", ";
    if (value.is_object()) out += key + " ";
    out += words_of(element);
  }
  return out;
}

int run(const Arguments& arguments, Session& session) {
  if (!arguments.words.empty()) {
    throw Error(ErrorCode::kUsage, "info: takes no " + arguments.words[0]);
  }
  const nlohmann::ordered_json facts = document();
  if (arguments.has("json")) {
    session.out << facts.dump() << '\n';
    return 0;
  }
  constexpr std::size_t kWidth = 13;
  for (const auto& [key, value] : facts.items()) {
    session.out << key << std::string(kWidth - key.size(), ' ') << words_of(value) << '\n';
  }
  return 0;
}

constexpr VerbOption kOptions[] = {kJsonOption};
constexpr std::string_view kExamples[] = {"info", "info --json"};

}  // namespace

const Verb kInfoVerb = {
    "info",
    "",
    "version, CPU targets and the chosen one, compiler, threads, dtypes, limits",
    "Prints what this build can do on this machine. `targets` are the instruction sets that this "
    "CPU "
    "runs, best first; `target` is the one in use, which BATCHDOT_TARGET picks.",
    kOptions,
    false,
    {},
    kExamples,
    run,
};

}  // namespace batchdot::tool
