// SPDX-License-Identifier: Apache-2.0
#include "src/io/safe_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <system_error>
#include <utility>

#include "src/core/text.h"
#include "src/core/utf8.h"

namespace batchdot {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 30;  // Linux moves no more than 2^31 at once
constexpr int kMaxLinks = 40;                              // as many as the kernel follows
constexpr int kMaxNames = 100;
constexpr std::size_t kMaxPathBytes = 4096;

std::string reason(int error) { return std::system_category().message(error); }

// Calls until a signal does not interrupt it.
template <class Call>
auto retried(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

const char* kind_of(unsigned mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "a folder";
    case S_IFIFO:
      return "a pipe";
    case S_IFSOCK:
      return "a socket";
    case S_IFCHR:
    case S_IFBLK:
      return "a device";
    default:
      return "no regular file";
  }
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// What `path` names once its last component is no symbolic link any more. The links of the folders
// before it are left to the kernel.
std::string followed(std::string path) {
  for (int links = 0; links < kMaxLinks; ++links) {
    char pointed[kMaxPathBytes + 1];
    const ssize_t length = readlink(path.c_str(), pointed, sizeof pointed - 1);
    if (length < 0) return path;
    std::string next(pointed, static_cast<std::size_t>(length));
    const bool relative = next.empty() || next[0] != '/';
    path = relative ? folder_of(path) + "/" + next : std::move(next);
  }
  return path;
}

// True if what was written has reached the disk.
bool sync(int descriptor) {
  // EINVAL and ENOTSUP: a file system that has nothing to sync.
  return retried([&] { return fsync(descriptor); }) == 0 || errno == EINVAL || errno == ENOTSUP;
}

// A hidden name in `folder` that nobody else takes: this process, the time, a count.
std::string temporary_name(const std::string& folder) {
  static std::atomic<unsigned> names{0};
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return text(folder, "/.batchdot-", getpid(), "-", now.tv_sec, "-", now.tv_nsec, "-", names++,
              ".tmp");
}

}  // namespace

std::string quoted_path(const std::string& path) { return quoted(path, 0, kMaxPathBytes); }

Error file_error(ErrorCode code, const char* function, const std::string& what,
                 const std::string& path) {
  ErrorPlace place;
  place.file = path;
  return Error(code, text(function, ": ", what, ": ", quoted_path(path)), std::move(place));
}

Descriptor::~Descriptor() {
  if (is_open()) close(number_);
}

InputFile::InputFile(const std::string& path) : path_(path) {
  const auto refuse = [&](ErrorCode code, const std::string& what) {
    throw file_error(code, "read", what, path_);
  };
  if (path_.find('\0') != std::string::npos) refuse(ErrorCode::kIo, "a zero byte in the name");
  // O_NONBLOCK: a pipe without a writer opens at once, to be refused below.
  file_ = Descriptor(
      retried([&] { return open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }));
  struct stat status = {};
  if (!file_.is_open()) {
    const int error = errno;
    if (error == ENXIO && stat(path_.c_str(), &status) == 0) {  // a socket, a device with no driver
      refuse(ErrorCode::kFileKind, text("is ", kind_of(status.st_mode)));
    }
    refuse(ErrorCode::kIo, reason(error));
  }
  if (fstat(file_.number(), &status) != 0) refuse(ErrorCode::kIo, reason(errno));
  if (!S_ISREG(status.st_mode)) refuse(ErrorCode::kFileKind, text("is ", kind_of(status.st_mode)));
  size_bytes_ = static_cast<std::uint64_t>(status.st_size);
}

void InputFile::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t got = retried([&] {
      return pread(file_.number(), bytes.data(), std::min(bytes.size(), kPieceBytes),
                   static_cast<off_t>(offset));
    });
    if (got < 0) throw file_error(ErrorCode::kIo, "read", reason(errno), path_);
    if (got == 0) {
      throw file_error(ErrorCode::kIo, "read",
                       text("ends at byte ", offset, ", had ", size_bytes_, " when it was opened"),
                       path_);
    }
    offset += static_cast<std::uint64_t>(got);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

OutputFile::TemporaryName::~TemporaryName() {
  if (!path.empty()) unlink(path.c_str());
}

void OutputFile::refuse(const char* what, int error) const {
  throw file_error(ErrorCode::kIo, "write", text(what, ": ", reason(error)), path_);
}

OutputFile::OutputFile(const std::string& path, Unfinished unfinished) : path_(path) {
  constexpr const char* kRefusal = "cannot be written";
  if (path_.find('\0') != std::string::npos) refuse("a zero byte in the name", EINVAL);
  if (path_.empty()) refuse(kRefusal, ENOENT);
  struct stat old = {};
  const bool replaces = stat(path_.c_str(), &old) == 0;
  if (!replaces && errno != ENOENT) refuse(kRefusal, errno);
  if (replaces && !S_ISREG(old.st_mode)) {
    throw file_error(ErrorCode::kFileKind, "write", text("is ", kind_of(old.st_mode)), path_);
  }
  if (path_.back() == '/') refuse(kRefusal, EISDIR);
  // A rename would replace even a file that may not be written.
  if (replaces && faccessat(AT_FDCWD, path_.c_str(), W_OK, AT_EACCESS) != 0) {
    refuse(kRefusal, errno);
  }
  target_ = followed(path_);
  folder_ = folder_of(target_);

  const unsigned mode = replaces ? 0600 : 0666;  // less the umask
  // A nameless file gets its name through /proc. If it fails, for whatever reason, it is tried with
  // a name, and the reason that that fails for is the one that counts.
  if (unfinished == Unfinished::kNameless && access("/proc/self/fd", X_OK) == 0) {
    file_ = Descriptor(
        retried([&] { return open(folder_.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, mode); }));
  }
  if (!file_.is_open()) open_named(mode);
  if (replaces) take_permissions(old.st_mode, old.st_uid, old.st_gid);
}

void OutputFile::open_named(unsigned mode) {
  for (int i = 0; i < kMaxNames && !file_.is_open(); ++i) {
    std::string name = temporary_name(folder_);
    file_ = Descriptor(
        retried([&] { return open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode); }));
    if (file_.is_open()) {
      temporary_.path = std::move(name);
    } else if (errno != EEXIST) {
      break;
    }
  }
  if (!file_.is_open()) refuse("cannot make a file in its folder", errno);
}

// As the file that is replaced. What its group may do is given to no other group, where this
// process cannot give the file to that one.
void OutputFile::take_permissions(unsigned mode, unsigned owner, unsigned group) const {
  mode &= 0777;
  struct stat own = {};
  if (fstat(file_.number(), &own) != 0) refuse("cannot keep its permissions", errno);
  if ((own.st_uid != owner || own.st_gid != group) && fchown(file_.number(), owner, group) != 0 &&
      fchown(file_.number(), static_cast<uid_t>(-1), group) != 0) {
    mode &= ~0070U | (mode & 0007U) << 3U;
  }
  if (fchmod(file_.number(), mode) != 0) refuse("cannot keep its permissions", errno);
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = retried(
        [&] { return ::write(file_.number(), bytes.data(), std::min(bytes.size(), kPieceBytes)); });
    if (put <= 0) refuse("cannot be written", put < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

// Names a nameless file. \return false if there is such a name already.
bool OutputFile::give_name(const std::string& name) const {
  const std::string unnamed = text("/proc/self/fd/", file_.number());
  if (linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
    return true;
  }
  if (errno != EEXIST) refuse("cannot be named", errno);
  return false;
}

void OutputFile::commit() {
  if (!sync(file_.number())) refuse("cannot be written", errno);
  const bool nameless = temporary_.path.empty();
  if (!nameless || !give_name(target_)) {
    if (nameless) {  // no call names a file and replaces another at once, so it takes two
      std::string name;
      do {
        name = temporary_name(folder_);
      } while (!give_name(name));
      temporary_.path = std::move(name);
    }
    if (rename(temporary_.path.c_str(), target_.c_str()) != 0) refuse("cannot be renamed", errno);
    temporary_.path.clear();
  }
  // The name, too, has to reach the disk. A folder that may be written but not read stays as it is.
  const Descriptor folder(
      retried([&] { return open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (folder.is_open() && !sync(folder.number())) {
    refuse("is written, but its folder cannot be synced", errno);
  }
}

}  // namespace batchdot
