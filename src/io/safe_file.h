// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files read and written so that nothing half-done is ever seen: regular files only, whole or not
// at all.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "batchdot/error.h"

namespace batchdot {

/// The path for a message: whole, but on one line.
std::string quoted_path(const std::string& path);

/// An Error about a file: its name ends the message and is in place().
Error file_error(ErrorCode code, const char* function, const std::string& what,
                 const std::string& path);

/// An open file that is closed at the end.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();

  bool is_open() const { return number_ >= 0; }
  int number() const { return number_; }

 private:
  int number_ = -1;
};

/// A regular file, open for reading. Never waits for a writer, as a pipe would.
class InputFile {
 public:
  /// \throws Error  kIo  missing or unreadable;  kFileKind  no regular file.
  explicit InputFile(const std::string& path);

  const std::string& path() const { return path_; }
  std::uint64_t size_bytes() const { return size_bytes_; }  ///< when it was opened
  /// Fills `bytes` from `offset` on. \throws Error kIo, also where the file ends before.
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

 private:
  std::string path_;
  Descriptor file_;
  std::uint64_t size_bytes_ = 0;
};

/// How the bytes are kept until they have a name.
enum class Unfinished : std::uint8_t {
  kNameless,  ///< a file without a name: gone with the process, however that ends
  kNamed,     ///< a hidden name in the same folder: where the file system has no nameless files
};

/// A file to be written whole or not at all. The bytes gather in the folder of the target; commit()
/// brings them to disk and gives them the target's name in one step. Without a commit() nothing is
/// left. A symbolic link is followed: what it points to is replaced, and keeps its permissions.
class OutputFile {
 public:
  /// \throws Error  kIo  the folder is missing, or it or the file there may not be written;
  ///                kFileKind  the target is no regular file.
  explicit OutputFile(const std::string& path, Unfinished unfinished = Unfinished::kNameless);

  /// Appends. \throws Error kIo, as on a full disk.
  void write(std::span<const std::byte> bytes);
  /// \throws Error kIo. The target then is what it was, unless only its folder cannot be synced.
  void commit();

 private:
  // The name of the bytes until they have the target's, if they have one; removed at the end.
  struct TemporaryName {
    std::string path;
    TemporaryName() = default;
    TemporaryName(const TemporaryName&) = delete;
    TemporaryName& operator=(const TemporaryName&) = delete;
    ~TemporaryName();
  };

  [[noreturn]] void refuse(const char* what, int error) const;
  void open_named(unsigned mode);
  void take_permissions(unsigned mode, unsigned owner, unsigned group) const;
  bool give_name(const std::string& name) const;

  std::string path_;    // as the caller said it
  std::string target_;  // with the last links followed
  std::string folder_;  // of the target
  TemporaryName temporary_;
  Descriptor file_;
};

}  // namespace batchdot
