// SPDX-License-Identifier: Apache-2.0
#pragma once
// How answers and refusals are printed: for people and as JSON.

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "batchdot/batchdot.h"
#include "tools/batchdot/verb.h"

namespace batchdot::tool {

/// {"shape": [...]}, for dot_layer with "reported_shape".
std::string answer_json(const Inference& inference);

/// What is being thrown, as an Error: std::bad_alloc is MEMORY, all that is not ours is INTERNAL.
Error as_error(std::exception_ptr thrown);

/// The refusal of a problem (if there is one), with the fix that fits it. `line` is that of
/// --lines.
std::string refusal_json(const Error& error, const std::optional<Problem>& problem,
                         std::optional<std::int64_t> line = {});

/// "error: ... (CODE)" and a line end, as report() prints it.
std::string error_line(const Error& error, const Session& session);

/// Prints an error: the message on session.err, below it what would fit; as JSON on session.out too
/// if asked for. \return  the exit code
int report(const Error& error, Session& session, bool json);

/// \throws Error  kIo  what was printed so far could not be written.
void flush(std::ostream& out);

}  // namespace batchdot::tool
