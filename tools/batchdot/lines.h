// SPDX-License-Identifier: Apache-2.0
#pragma once
// --lines: one problem a line on stdin, one answer a line on stdout.

#include <string>
#include <string_view>

#include "batchdot/batchdot.h"
#include "tools/batchdot/verb.h"

namespace batchdot::tool {

/// Answers every line of session.input until it ends; a bad line is answered by its error. All
/// answers to what has been read are written out before more input is waited for. \param answer the
/// JSON document for one problem; may throw. \throws Error  kIo  stdin cannot be read or stdout not
/// be written.
void answer_lines(Session& session, std::string (*answer)(const Problem& problem));

}  // namespace batchdot::tool
