// SPDX-License-Identifier: Apache-2.0
#include "src/io/safe_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <string_view>
#include <thread>

#include "src/io/file_test_support.h"

namespace batchdot {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

void write_file(const std::string& path, const std::string& text, Unfinished unfinished) {
  OutputFile file(path, unfinished);
  file.write(bytes_of(text));
  file.commit();
}

unsigned mode_of(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

void expect_error(const std::optional<Error>& error, ErrorCode code, const std::string& message,
                  const std::string& path) {
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), code) << error->what();
  EXPECT_EQ(error->message(), message + ": '" + path + "'");
  EXPECT_EQ(error->place().file, path);
}

// The exit status of `body` in a forked child, so that what it does to its process is undone.
template <class Body>
int status_of_child(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(InputFile, ReadsAnyPart) {
  const TestFolder folder;
  put_file(folder / "f", "0123456789");
  const InputFile file(folder / "f");
  EXPECT_EQ(file.size_bytes(), 10u);
  std::string part(4, '.');
  file.read(3, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ(part, "3456");
  file.read(10, {});
}

TEST(InputFile, NoticesAFileThatBecomesShorter) {
  const TestFolder folder;
  const std::string path = folder / "f";
  put_file(path, "0123456789");
  const InputFile file(path);
  fs::resize_file(path, 6);
  std::string part(8, '.');
  expect_error(error_of([&] { file.read(1, std::as_writable_bytes(std::span(part))); }),
               ErrorCode::kIo, "read: ends at byte 6, had 10 when it was opened", path);
}

TEST(InputFile, RefusesWhatIsNoRegularFileAtOnce) {
  const TestFolder folder;
  fs::create_directory(folder / "folder");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0666), 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (folder / "socket").c_str(), sizeof address.sun_path - 1);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  fs::create_symlink("pipe", folder / "link");
  const struct {
    std::string path, what;
  } kCases[] = {{folder / "folder", "a folder"}, {folder / "pipe", "a pipe"},
                {folder / "link", "a pipe"},     {folder / "socket", "a socket"},
                {"/dev/null", "a device"},       {"/", "a folder"}};
  for (const auto& c : kCases) {
    expect_error(error_of([&] { InputFile file(c.path); }), ErrorCode::kFileKind,
                 "read: is " + c.what, c.path);
    expect_error(error_of([&] { OutputFile file(c.path); }), ErrorCode::kFileKind,
                 "write: is " + c.what, c.path);
  }
  close(listener);
}

TEST(InputFile, SaysWhyItCannotBeOpenedInOneLine) {
  const TestFolder folder;
  const std::string missing = folder / "miss\ning";
  const auto error = error_of([&] { InputFile file(missing); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kIo);
  EXPECT_EQ(error->message(),
            "read: No such file or directory: '" + folder.path() + "/miss\\x0aing'");
  EXPECT_EQ(error->place().file, missing);
}

TEST(OutputFile, WritesWholeFilesInBothWays) {
  for (const Unfinished unfinished : {Unfinished::kNameless, Unfinished::kNamed}) {
    const TestFolder folder;
    const std::string path = folder / "out";
    umask(0027);
    for (const std::string text : {"first", "second, longer", "", "4"}) {
      OutputFile file(path, unfinished);
      file.write(bytes_of(text.substr(0, text.size() / 2)));
      file.write({});
      file.write(bytes_of(text.substr(text.size() / 2)));
      EXPECT_NE(file_bytes(path), text) << "nothing is seen before the commit";
      if (unfinished == Unfinished::kNamed) {
        EXPECT_EQ(folder.names()[0].rfind(".batchdot-", 0), 0u);
      }
      file.commit();
      EXPECT_EQ(file_bytes(path), text);
      EXPECT_EQ(folder.names(), Names{"out"});
      EXPECT_EQ(mode_of(path), 0640u);
    }
    umask(0022);
  }
}

TEST(OutputFile, LeavesNothingWithoutACommit) {
  for (const Unfinished unfinished : {Unfinished::kNameless, Unfinished::kNamed}) {
    const TestFolder folder;
    put_file(folder / "old", "old");
    for (const char* name : {"old", "new"}) {
      try {
        OutputFile file(folder / name, unfinished);
        file.write(bytes_of("half"));
        throw 1;
      } catch (int) {
      }
    }
    EXPECT_EQ(folder.names(), Names{"old"});
    EXPECT_EQ(file_bytes(folder / "old"), "old");
  }
}

TEST(OutputFile, KeepsThePermissionsOfWhatItReplaces) {
  for (const Unfinished unfinished : {Unfinished::kNameless, Unfinished::kNamed}) {
    const TestFolder folder;
    const std::string path = folder / "out";
    put_file(path, "old");
    for (const unsigned mode : {0600u, 0666u, 0751u}) {
      ASSERT_EQ(chmod(path.c_str(), mode), 0);
      write_file(path, "new", unfinished);
      EXPECT_EQ(mode_of(path), mode);
    }
    if (geteuid() == 0) {
      ASSERT_EQ(chown(path.c_str(), 12, 34), 0);
      write_file(path, "newer", unfinished);
      struct stat status = {};
      ASSERT_EQ(stat(path.c_str(), &status), 0);
      EXPECT_EQ(status.st_uid, 12u);
      EXPECT_EQ(status.st_gid, 34u);
    }
  }
}

TEST(OutputFile, WritesThroughLinks) {
  for (const Unfinished unfinished : {Unfinished::kNameless, Unfinished::kNamed}) {
    const TestFolder folder;
    fs::create_directory(folder / "real");
    put_file(folder / "real/there", "old");
    fs::create_symlink("real/there", folder / "link");
    fs::create_symlink(folder / "link", folder / "link to link");
    fs::create_symlink("real/missing", folder / "dangling");
    fs::create_symlink("real", folder / "linked folder");
    for (const char* name : {"link", "link to link", "linked folder/there"}) {
      write_file(folder / name, name, unfinished);
      EXPECT_EQ(file_bytes(folder / "real/there"), name);
    }
    write_file(folder / "dangling", "made", unfinished);
    EXPECT_EQ(file_bytes(folder / "real/missing"), "made");
    EXPECT_EQ(folder.names(), (Names{"dangling", "link", "link to link", "linked folder", "real"}));
    for (const char* name : {"dangling", "link", "link to link"}) {
      EXPECT_TRUE(fs::is_symlink(folder / name));
    }
    fs::create_symlink("round", folder / "round");
    expect_error(error_of([&] { OutputFile file(folder / "round", unfinished); }), ErrorCode::kIo,
                 "write: cannot be written: Too many levels of symbolic links", folder / "round");
  }
}

TEST(OutputFile, SaysWhyItCannotBeWritten) {
  const TestFolder folder;
  put_file(folder / "file", "old");
  const std::string long_name = folder / std::string(300, 'n');
  const struct {
    std::string path, what;
  } kCases[] = {
      {folder / "nowhere/out", "cannot make a file in its folder: No such file or directory"},
      {folder / "file/out", "cannot be written: Not a directory"},
      {folder / "out/", "cannot be written: Is a directory"},
      {"", "cannot be written: No such file or directory"},
      {long_name, "cannot be written: File name too long"},
  };
  for (const auto& c : kCases) {
    for (const Unfinished unfinished : {Unfinished::kNameless, Unfinished::kNamed}) {
      expect_error(error_of([&] { OutputFile file(c.path, unfinished); }), ErrorCode::kIo,
                   "write: " + c.what, c.path);
    }
  }
  EXPECT_EQ(error_of([&] { OutputFile file(std::string("a\0b", 3)); })->code(), ErrorCode::kIo);
  EXPECT_EQ(error_of([&] { InputFile file(std::string("a\0b", 3)); })->code(), ErrorCode::kIo);
  EXPECT_EQ(folder.names(), Names{"file"});
}

// Root may write everything, so a child that is nobody tries.
TEST(OutputFile, RespectsReadOnlyFilesAndFolders) {
  const TestFolder folder;
  put_file(folder / "read_only", "old");
  fs::create_directory(folder / "closed");
  ASSERT_EQ(chmod(folder.path().c_str(), 0777), 0);
  ASSERT_EQ(chmod((folder / "read_only").c_str(), 0444), 0);
  ASSERT_EQ(chmod((folder / "closed").c_str(), 0555), 0);
  put_file(folder / "secret", "s");
  ASSERT_EQ(chmod((folder / "secret").c_str(), 0000), 0);
  const int status = status_of_child([&] {
    if (geteuid() == 0 && (setegid(65534) != 0 || seteuid(65534) != 0)) return 1;
    for (const Unfinished unfinished : {Unfinished::kNameless, Unfinished::kNamed}) {
      const auto refusal = [&](const char* name) {
        try {
          OutputFile file(folder / name, unfinished);
        } catch (const Error& error) {
          return std::string(error.what());
        }
        return std::string();
      };
      if (refusal("read_only").find("cannot be written: Permission denied") == std::string::npos ||
          refusal("closed/out").find("cannot make a file in its folder: Permission denied") ==
              std::string::npos) {
        return 2;
      }
    }
    try {
      InputFile file(folder / "secret");
      return 3;
    } catch (const Error& error) {
      return error.code() == ErrorCode::kIo &&
                     std::string_view(error.what()).find("read: Permission denied: ") == 0
                 ? 0
                 : 4;
    }
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(file_bytes(folder / "read_only"), "old");
  EXPECT_EQ(folder.names(), (Names{"closed", "read_only", "secret"}));
}

// Writes more and more until it fails, and says how it failed.
std::string failure_of_filling(const std::string& path, Unfinished unfinished) {
  try {
    OutputFile file(path, unfinished);
    const std::string piece(1 << 16, 'x');
    for (int i = 0; i < 1000; ++i) file.write(bytes_of(piece));
    return "no failure";
  } catch (const Error& error) {
    return std::string(info(error.code()).name) + " " + error.what();
  }
}

TEST(OutputFile, LeavesNothingWhereALimitCutsItShort) {
  for (const Unfinished unfinished : {Unfinished::kNameless, Unfinished::kNamed}) {
    const TestFolder folder;
    put_file(folder / "out", "old");
    EXPECT_EQ(status_of_child([&] {
                signal(SIGXFSZ, SIG_IGN);
                const rlimit limit = {1 << 20, 1 << 20};
                if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
                const std::string expected =
                    "IO write: cannot be written: File too large: '" + (folder / "out") + "'";
                return failure_of_filling(folder / "out", unfinished) == expected ? 0 : 2;
              }),
              0);
    EXPECT_EQ(folder.names(), Names{"out"});
    EXPECT_EQ(file_bytes(folder / "out"), "old");
  }
}

TEST(OutputFile, LeavesNothingOnAFullDisk) {
  const TestFolder folder;
  if (mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "cannot mount a small disk here: " << std::strerror(errno);
  }
  for (const Unfinished unfinished : {Unfinished::kNameless, Unfinished::kNamed}) {
    put_file(folder / "out", "old");
    EXPECT_EQ(failure_of_filling(folder / "out", unfinished),
              "IO write: cannot be written: No space left on device: '" + (folder / "out") + "'");
    EXPECT_EQ(folder.names(), Names{"out"});
    EXPECT_EQ(file_bytes(folder / "out"), "old");
    write_file(folder / "out", "there is room again", unfinished);
  }
  EXPECT_EQ(umount(folder.path().c_str()), 0);
}

// A nameless file dies with the process, whatever ends it.
TEST(OutputFile, LeavesNothingWhenTheProcessIsKilled) {
  const TestFolder folder;
  const int probe = open(folder.path().c_str(), O_TMPFILE | O_WRONLY, 0600);
  if (probe < 0) GTEST_SKIP() << "no nameless files in " << folder.path();
  close(probe);
  EXPECT_EQ(status_of_child([&] {
              OutputFile file(folder / "out");
              file.write(bytes_of("half"));
              return raise(SIGKILL);
            }),
            -SIGKILL);
  EXPECT_EQ(folder.names(), Names{});
}

// Whoever reads sees one writer's file, whole.
TEST(OutputFile, IsReplacedInOneStepByManyWriters) {
  for (const Unfinished unfinished : {Unfinished::kNameless, Unfinished::kNamed}) {
    const TestFolder folder;
    const std::string path = folder / "out";
    std::vector<std::thread> writers;
    std::atomic<int> wrong{0};
    for (const char letter : {'a', 'b', 'c'}) {
      writers.emplace_back([&, letter] {
        for (int i = 0; i < 30; ++i) {
          write_file(path, std::string(20000, letter), unfinished);
          const std::string seen = file_bytes(path);
          if (seen.size() != 20000 || std::count(seen.begin(), seen.end(), seen[0]) != 20000) {
            ++wrong;
          }
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(folder.names(), Names{"out"});
  }
}

}  // namespace
}  // namespace batchdot
