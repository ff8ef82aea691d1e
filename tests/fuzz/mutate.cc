// SPDX-License-Identifier: Apache-2.0
// Drives a fuzz target without a fuzzing library: NAME SECONDS SEED FOLDER changes the files of the
// folder again and again, and hands them over. An input that ends the program, or takes more than a
// minute, is in NAME.crash.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "jetcal/base/random.h"
#include "tests/fuzz/fuzz_target.h"

// Called by the sanitizers when they have found something.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kMaxBytes = 1 << 16;
constexpr unsigned kMaxSeconds = 60;  // of one input

Bytes current;      // what the target has
std::string crash;  // where it goes when the program dies

void keep_current() {
  const int file = ::open(crash.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0) {
    static_cast<void>(!::write(file, current.data(), current.size()));
    ::close(file);
  }
}

void on_signal(int number) {
  keep_current();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

std::vector<Bytes> read_seeds(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry);
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> seeds;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return seeds;
}

std::size_t place(jetcal::Rng& rng, std::size_t size) {
  return static_cast<std::size_t>(rng.below(size + 1));
}

// One small change: a bit, a byte, a number, a piece removed, doubled, moved or from another seed.
void change(Bytes& bytes, const std::vector<Bytes>& seeds, jetcal::Rng& rng) {
  const std::size_t at = place(rng, bytes.size());
  const std::size_t length = std::min<std::size_t>(bytes.size() - at, 1 + rng.below(32));
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  switch (rng.below(7)) {
    case 0:
      if (at < bytes.size()) bytes[at] ^= static_cast<std::uint8_t>(1U << rng.below(8));
      break;
    case 1:
      if (at < bytes.size()) bytes[at] = static_cast<std::uint8_t>(rng());
      break;
    case 2: {
      constexpr std::uint8_t kOdd[] = {0,   0xFF, 0x7F, 0x80, '"', '{', '}',  '[',
                                       ']', ',',  '-',  '9',  '.', 'e', '\n', '\r'};
      bytes.insert(begin, kOdd[rng.below(std::size(kOdd))]);
      break;
    }
    case 3:
      bytes.erase(begin, begin + static_cast<std::ptrdiff_t>(length));
      break;
    case 4: {
      const Bytes piece(begin, begin + static_cast<std::ptrdiff_t>(length));
      const std::size_t to = place(rng, bytes.size());
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(to), piece.begin(), piece.end());
      break;
    }
    case 5: {
      const Bytes& other = seeds[rng.below(seeds.size())];
      const std::size_t from = place(rng, other.size());
      const std::size_t count = std::min<std::size_t>(other.size() - from, rng.below(64));
      const auto first = other.begin() + static_cast<std::ptrdiff_t>(from);
      bytes.insert(begin, first, first + static_cast<std::ptrdiff_t>(count));
      break;
    }
    default: {
      const std::string number = std::to_string(rng() >> rng.below(64));
      bytes.insert(begin, number.begin(), number.end());
    }
  }
  if (bytes.size() > kMaxBytes) bytes.resize(kMaxBytes);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s SECONDS SEED FOLDER\n", argv[0]);
    return 2;
  }
  const std::vector<Bytes> seeds = read_seeds(argv[3]);
  if (seeds.empty()) {
    std::fprintf(stderr, "%s: no seeds in %s\n", argv[0], argv[3]);
    return 2;
  }
  crash = std::string(argv[0]) + ".crash";
  for (const int number : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL, SIGALRM})
    std::signal(number, on_signal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(keep_current);
  jetcal::Rng rng(std::strtoull(argv[2], nullptr, 10));
  for (const Bytes& seed : seeds) {
    current = seed;
    ::alarm(kMaxSeconds);
    LLVMFuzzerTestOneInput(current.data(), current.size());
  }
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(std::atof(argv[1]));
  long long runs = 0;
  for (; std::chrono::steady_clock::now() < end; ++runs) {
    current = seeds[rng.below(seeds.size())];
    for (std::uint64_t i = 1 + rng.below(6); i > 0; --i) change(current, seeds, rng);
    // An exact copy, so that reading beyond it is noticed.
    const Bytes exact(current);
    ::alarm(kMaxSeconds);
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
  }
  std::printf("%s: %lld inputs from %zu seeds, nothing found\n", argv[0], runs, seeds.size());
  return 0;
}
