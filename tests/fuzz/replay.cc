// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz driver without a fuzzer: every file of the folders named, each cut at every byte, and
// each with every byte replaced by a few that matter to our readers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

// Beyond this a seed is run as it is: its neighbours would take longer than they tell.
constexpr std::size_t kNeighboursUpTo = 4096;
constexpr char kReplacements[] = {'\0', '\n', '\'', '(', ',', '-', '.',    '0',
                                  '9',  '=',  '>',  'i', '{', ' ', '\x80', '\xFF'};

// The bytes lie on the heap and end where they end: a sanitizer sees a read past them.
void run(const std::string& bytes) {
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::size_t run_with_neighbours(const std::string& seed) {
  run(seed);
  if (seed.size() > kNeighboursUpTo) return 1;
  std::size_t runs = 1;
  for (std::size_t at = 0; at < seed.size(); ++at, ++runs) run(seed.substr(0, at));
  for (std::size_t at = 0; at < seed.size(); ++at) {
    std::string changed = seed;
    for (const char replacement : kReplacements) {
      changed[at] = replacement;
      run(changed);
      ++runs;
    }
  }
  return runs;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t seeds = 0;
  std::size_t runs = 0;
  for (int i = 1; i < argc; ++i) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const std::filesystem::path& file : files) {
      std::ifstream in(file, std::ios::binary);
      const std::string seed{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
      runs += run_with_neighbours(seed);
      ++seeds;
    }
  }
  std::printf("%zu seeds, %zu runs\n", seeds, runs);
  return seeds == 0 ? 1 : 0;
}
