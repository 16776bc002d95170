// SPDX-License-Identifier: Apache-2.0
#pragma once
// Help, printed from the records of verbs, operations and errors.

#include <iosfwd>
#include <span>
#include <string_view>

#include "tools/batchdot/verb.h"

namespace batchdot::tool {

/// All verbs in a line each.
void print_overview(std::ostream& out, std::span<const Verb* const> verbs);
/// A verb with its options; with the options of `operation` where that is given.
void print_verb(std::ostream& out, const Verb& verb, const Operation* operation = nullptr);
void print_operation(std::ostream& out, const Operation& operation);
/// The manual page, for man.
void print_manual(std::ostream& out, std::span<const Verb* const> verbs);

/// The verb of that name. \throws Error  kUsage  there is none.
const Verb& find_verb(std::span<const Verb* const> verbs, std::string_view name);

/// "-o, --output OUT.npy"
std::string spelling(const VerbOption& option);

}  // namespace batchdot::tool
