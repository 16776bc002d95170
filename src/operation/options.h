// SPDX-License-Identifier: Apache-2.0
#pragma once
// Options by name: found, checked, read.

#include <string>
#include <string_view>

#include "batchdot/operation.h"

namespace batchdot::operation {

/// The option of that name, null if the operation has none such.
const OptionInfo* find_option(const Operation& operation, std::string_view name);

/// The option whose name in JSON is `key` ("lhs_batch" for "lhs-batch"), null if there is none.
const OptionInfo* find_option_by_key(const Operation& operation, std::string_view key);

/// The name in JSON: '_' for '-'.
std::string key_of(const OptionInfo& option);

/// \throws Error  kUsage  an option that the operation does not have, or a value of another kind.
void check_options(const Operation& operation, const Problem& problem);

/// The value of an option, null where it is not given.
template <class T>
const T* option(const Problem& problem, std::string_view name) {
  const auto found = problem.options.find(name);
  return found == problem.options.end() ? nullptr : std::get_if<T>(&found->second);
}
inline bool flag(const Problem& problem, std::string_view name) {
  const bool* value = option<bool>(problem, name);
  return value != nullptr && *value;
}

/// The dtype asked for, if any. \throws Error  kUsage  no such dtype.
std::optional<DType> dtype_of(const Problem& problem);

/// The dialect asked for, else the default one. \throws Error  kUsage  no such dialect.
Dialect dialect_of(const Problem& problem);

/// \throws Error  kNotImplemented  the dialect has no products of complex numbers.
void check_dialect_takes(const Problem& problem, DType dtype);

}  // namespace batchdot::operation
