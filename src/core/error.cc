// SPDX-License-Identifier: Apache-2.0
#include "batchdot/error.h"

#include <utility>

namespace batchdot::inline v0 {

namespace {

constexpr std::string_view kValue = "ValueError";

constexpr ErrorCodeInfo kCodes[] = {
    {ErrorCode::kRank, "RANK", 4, kValue, "An operand has too few or too many axes."},
    {ErrorCode::kAxisRange, "AXIS_RANGE", 4, "IndexError", "An axis is out of range."},
    {ErrorCode::kNegAxis, "NEG_AXIS", 4, "IndexError",
     "An axis is negative where the operation takes none."},
    {ErrorCode::kAxis0, "AXIS0", 4, kValue, "The batch axis is to be contracted."},
    {ErrorCode::kAxesType, "AXES_TYPE", 4, "TypeError", "The axes are of the wrong type."},
    {ErrorCode::kAxesLen, "AXES_LEN", 4, kValue, "There are too few or too many axes."},
    {ErrorCode::kAxesNested, "AXES_NESTED", 4, kValue,
     "The axes are nested lists where the dialect takes none."},
    {ErrorCode::kAxesDup, "AXES_DUP", 4, kValue, "An axis is named twice."},
    {ErrorCode::kDim, "DIM", 4, kValue, "Contracted extents differ."},
    {ErrorCode::kBatch, "BATCH", 4, kValue, "Extents of batch axes differ."},
    {ErrorCode::kBatchDim, "BATCHDIM", 4, kValue, "Extents of leading axes do not fit."},
    {ErrorCode::kBroadcast, "BROADCAST", 4, kValue, "Extents of elementwise axes do not fit."},
    {ErrorCode::kSqueeze, "SQUEEZE", 4, kValue,
     "An axis that the dialect drops is not there or not 1."},
    {ErrorCode::kEmptyReshape, "EMPTY_RESHAPE", 4, kValue,
     "A historical reshape cannot infer its size from an empty tensor."},
    {ErrorCode::kNotImplemented, "NOT_IMPLEMENTED", 4, kValue, "The dialect has no such case."},
    {ErrorCode::kInputs, "INPUTS", 4, kValue, "A Dot layer is given other than two inputs."},
    {ErrorCode::kCondition, "CONDITION", 4, kValue,
     "A condition on unknown dims fails at run time."},
    {ErrorCode::kDType, "DTYPE", 4, "TypeError",
     "Element types do not go together, or the operation does not take them."},
    {ErrorCode::kOverlap, "OVERLAP", 4, kValue, "The result overlaps an operand or itself."},
    {ErrorCode::kFeed, "FEED", 4, kValue,
     "An operand is missing or surplus, or of another shape or dtype than declared."},
    {ErrorCode::kDevice, "DEVICE", 4, kValue, "The CPU cannot read this memory."},
    {ErrorCode::kSyntax, "SYNTAX", 2, kValue,
     "An equation, shape, option or JSON line cannot be read."},
    {ErrorCode::kLabel, "LABEL", 2, kValue,
     "einsum: an output label repeats, or no operand has it."},
    {ErrorCode::kUsage, "USAGE", 2, kValue,
     "An unknown verb, operation, option, dialect or target, or options that exclude each other."},
    {ErrorCode::kFileFormat, "FILE_FORMAT", 3, kValue, "The file is no array file we read."},
    {ErrorCode::kFileKind, "FILE_KIND", 3, kValue, "The path is no regular file."},
    {ErrorCode::kLimit, "LIMIT", 5, kValue, "Over a limit of the table in the docs."},
    {ErrorCode::kOverflow, "OVERFLOW", 5, kValue, "A size is beyond 2^63 - 1."},
    {ErrorCode::kMemory, "MEMORY", 5, "MemoryError", "Out of memory."},
    {ErrorCode::kIo, "IO", 6, "OSError", "A file is missing, unreadable or unwritable."},
    {ErrorCode::kInterrupted, "INTERRUPTED", 130, "KeyboardInterrupt", "Stopped by the user."},
    {ErrorCode::kInternal, "INTERNAL", 1, "RuntimeError", "A bug of ours that was noticed."},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < std::size(kCodes); ++i) {
    if (static_cast<std::size_t>(kCodes[i].code) != i) return false;
  }
  return std::size(kCodes) == static_cast<std::size_t>(ErrorCode::kInternal) + 1;
}
static_assert(in_order(), "kCodes has a row for every code, in the order of ErrorCode");

}  // namespace

std::span<const ErrorCodeInfo> error_codes() { return kCodes; }

const ErrorCodeInfo& info(ErrorCode code) { return kCodes[static_cast<std::size_t>(code)]; }

Error::Error(ErrorCode code, std::string message, ErrorPlace place)
    : code_(code), message_(std::move(message)), place_(std::move(place)) {}
Error::Error(const Error&) = default;
Error& Error::operator=(const Error&) = default;
Error::~Error() = default;

}  // namespace batchdot::inline v0
