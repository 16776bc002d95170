// SPDX-License-Identifier: Apache-2.0
#pragma once
// The words of a command line, sorted into options and the rest, and what they ask for.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/batchdot.h"
#include "tools/batchdot/verb.h"

namespace batchdot::tool {

/// A command line after its verb.
struct Arguments {
  const Verb* verb = nullptr;
  std::vector<std::string> words;                           ///< what is no option
  std::map<std::string, std::string, std::less<>> options;  ///< as typed; a flag has ""

  bool has(std::string_view name) const { return options.find(name) != options.end(); }
  const std::string* find(std::string_view name) const;
};

/// The options that a verb takes: its own, and those of all operations if it takes one.
std::vector<VerbOption> options_of(const Verb& verb);

/// \throws Error  kUsage  an unknown option, one given twice, a missing value.
Arguments parse_arguments(const Verb& verb, std::span<const std::string_view> words);

/// The value of --threads; 0 if it is not given. \throws Error  kUsage, kSyntax.
int threads_of(const Arguments& arguments);

/// A problem as it was typed, with the files its operands lie in.
struct Request {
  std::string verb;
  Problem problem;
  std::vector<std::string> files;                ///< files[operand]; empty where a shape was typed
  std::vector<std::optional<ArrayInfo>> arrays;  ///< of the files, from their headers
  std::optional<DType> raw_as;                   ///< what two opaque bytes are read as

  bool has_files() const;
};

/// Layouts of the operands, where at least one of them is a file and all extents are known: a typed
/// shape beside a file is dense and of the file's type. Else none.
std::vector<Layout> layouts_of(const Request& request);

/// Refuses what the types of the files make computing refuse, whatever the extents are.
/// \throws Error  as check_dtypes().
void check_types(const Request& request);

/// True if the verb of the request takes a changed problem of the same files: `shape` what has a
/// shape and types that go together, each other verb what can be planned too.
bool succeeds(const Request& request, const Problem& changed);

/// The same request with the dtype to compute in that keeps what its files hold, where they have
/// none that the operation takes together; nothing if it takes none of those either.
std::optional<Fix> with_dtype(const Request& request);

/// How the names of files of arrays end, for people: ".npy", and the other ones there are.
std::string endings();

/// True for a word that ends so or holds a '/'.
bool is_file(std::string_view word);

/// Reads OPERATION [EQUATION] SHAPE|FILE... with its options. Sets session.problem, so that an
/// error from here on may come with a fix. \throws Error  kUsage, kSyntax, and for files as
/// inspect_array().
Request read_request(const Arguments& arguments, Session& session);

/// What an operand is called: "operand" where it is the only one, "lhs" and "rhs" of two, else with
/// its number.
std::string operand_name(std::size_t operand, std::size_t count);

/// The same error, with the names of the files that its operands came from.
Error with_files(const Error& error, const std::vector<std::string>& files);

}  // namespace batchdot::tool
