// SPDX-License-Identifier: Apache-2.0
// Fills the operands that all workers read, and judges what they wrote: elements of the result are
// computed again in higher precision. Also measures what the machine can do at most.
//
//     fill DTYPE EQUATION SHAPE SHAPE -> ok; also computes the elements that are looked at
//     spoil                           -> ok; fills the result with NaN before somebody writes it
//     check OUT_DTYPE                 -> ok WORST | wrong WORST WHERE: error as part of the bound
//     bound THREADS [cpu-time]        -> one line of JSON
//     quit

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "bench/bound.h"
#include "bench/problem.h"

namespace bench {

namespace {

using Exact = std::complex<long double>;

float float_of_half(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const float size = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                   : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return (bits & 0x8000) != 0 ? -size : size;
}

Exact element(const std::string& dtype, const std::byte* data, std::int64_t i) {
  const auto read = [&](auto value) {
    std::memcpy(&value, data + static_cast<std::size_t>(i) * sizeof value, sizeof value);
    return value;
  };
  if (dtype == "f32") return read(float{});
  if (dtype == "f64") return read(double{});
  if (dtype == "i8") return static_cast<long double>(read(std::int8_t{}));
  if (dtype == "i32") return static_cast<long double>(read(std::int32_t{}));
  if (dtype == "i64") return static_cast<long double>(read(std::int64_t{}));
  if (dtype == "f16") return float_of_half(read(std::uint16_t{}));
  if (dtype == "bf16") {
    return std::bit_cast<float>(static_cast<std::uint32_t>(read(std::uint16_t{})) << 16);
  }
  if (dtype == "complex64") {
    const auto value = read(std::complex<float>{});
    return {value.real(), value.imag()};
  }
  const auto value = read(std::complex<double>{});
  return {value.real(), value.imag()};
}

std::uint64_t mix(std::uint64_t x) {  // splitmix64, Steele and others 2014
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

float unit(std::uint64_t random) {  // in [-1, 1), exact in 11 bits: no narrow type rounds it away
  return static_cast<float>(static_cast<std::int64_t>(random >> 53)) / 1024.0f - 1.0f;
}

void fill(const std::string& dtype, std::byte* data, std::int64_t count, std::uint64_t seed) {
  const auto write = [&](auto zero, auto make) {
    using T = decltype(zero);
    T* const elements = reinterpret_cast<T*>(data);
    for (std::int64_t i = 0; i < count; ++i) {
      elements[i] = make(mix(seed + static_cast<std::uint64_t>(i)));
    }
  };
  const auto small = [](std::uint64_t random, int range) {
    return static_cast<int>(random % (2 * static_cast<unsigned>(range))) - range;
  };
  if (dtype == "f32") write(float{}, unit);
  if (dtype == "f64") write(double{}, [](std::uint64_t x) { return double{unit(x)}; });
  if (dtype == "complex64") {
    write(std::complex<float>{},
          [](std::uint64_t x) { return std::complex<float>(unit(x), unit(x << 11)); });
  }
  if (dtype == "complex128") {
    write(std::complex<double>{},
          [](std::uint64_t x) { return std::complex<double>(unit(x), unit(x << 11)); });
  }
  if (dtype == "i8") {
    write(std::int8_t{}, [&](std::uint64_t x) { return static_cast<std::int8_t>(small(x, 128)); });
  }
  if (dtype == "i32") {
    write(std::int32_t{}, [&](std::uint64_t x) { return std::int32_t{small(x, 1000)}; });
  }
  if (dtype == "i64") {
    write(std::int64_t{}, [&](std::uint64_t x) { return std::int64_t{small(x, 1000)}; });
  }
  if (dtype == "bf16") {  // the upper half of a float with a short fraction
    write(std::uint16_t{}, [](std::uint64_t x) {
      return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(unit(x)) >> 16);
    });
  }
  if (dtype == "f16") {  // signs and exponents of 2^-4 to 2^-1, any fraction
    write(std::uint16_t{}, [](std::uint64_t x) {
      return static_cast<std::uint16_t>((x & 0x83ff) | ((11 + (x >> 62)) << 10));
    });
  }
}

// The rounding of one operation in a type that sums or stores.
double roundoff(const std::string& dtype) {
  if (dtype == "bf16") return std::ldexp(1.0, -8);
  if (dtype == "f16") return std::ldexp(1.0, -11);
  if (dtype == "f64" || dtype == "complex128") return std::ldexp(1.0, -53);
  if (dtype[0] == 'i') return 0;
  return std::ldexp(1.0, -24);
}

struct Sample {
  std::int64_t at;  // in out
  Exact value;
  long double sizes;  // the sum of |lhs| * |rhs|
};

// The offset in one tensor of the item that an index into the product of modes names.
std::int64_t offset(const Modes& modes, std::int64_t index, std::int64_t Mode::*stride) {
  std::int64_t result = 0;
  for (std::size_t i = modes.size(); i-- > 0;) {
    result += index % modes[i].extent * (modes[i].*stride);
    index /= modes[i].extent;
  }
  return result;
}

std::vector<Sample> samples_of(const Problem& problem) {
  std::vector<Sample> samples;
  const std::int64_t B = extent_of(problem.batch), M = extent_of(problem.m);
  const std::int64_t N = extent_of(problem.n), K = extent_of(problem.k);
  constexpr std::int64_t kMost = 600;
  const std::int64_t total = B * M * N;
  for (std::int64_t i = 0; i < std::min(total, kMost); ++i) {
    const auto random = static_cast<std::int64_t>(mix(static_cast<std::uint64_t>(i)) >> 2);
    const std::int64_t index = total <= kMost ? i
                               : i == 0       ? 0
                               : i == 1       ? total - 1
                                              : random % total;
    const std::int64_t b = index / (M * N), m = index / N % M, n = index % N;
    const std::int64_t lhs = offset(problem.batch, b, &Mode::a) + offset(problem.m, m, &Mode::a);
    const std::int64_t rhs = offset(problem.batch, b, &Mode::b) + offset(problem.n, n, &Mode::b);
    Sample sample = {offset(problem.batch, b, &Mode::c) + offset(problem.m, m, &Mode::c) +
                         offset(problem.n, n, &Mode::c),
                     0, 0};
    for (std::int64_t k = 0; k < K; ++k) {
      const Exact x = element(problem.dtype, problem.lhs, lhs + offset(problem.k, k, &Mode::a));
      const Exact y = element(problem.dtype, problem.rhs, rhs + offset(problem.k, k, &Mode::b));
      sample.value += x * y;
      sample.sizes += std::abs(x) * std::abs(y);
    }
    samples.push_back(sample);
  }
  return samples;
}

std::string check(const Problem& problem, const std::vector<Sample>& samples,
                  const std::string& out_dtype) {
  const auto K = static_cast<double>(extent_of(problem.k));
  const double sum_roundoff = std::min(roundoff(problem.dtype), std::ldexp(1.0, -24));
  double worst = 0;
  std::int64_t where = -1;
  for (const Sample& sample : samples) {
    const Exact got = element(out_dtype, problem.out, sample.at);
    const double error = static_cast<double>(std::abs(got - sample.value));
    // Twice gamma(K) of Higham, whatever the order of the additions; complex products have two.
    const double bound = 2 * (2 * K + 4) * sum_roundoff * static_cast<double>(sample.sizes) +
                         2 * roundoff(out_dtype) * static_cast<double>(std::abs(sample.value));
    const double part = error == 0 ? 0 : bound == 0 ? INFINITY : error / bound;
    if (part <= worst) continue;  // a NaN is not
    worst = part;
    where = sample.at;
  }
  if (worst <= 1) return "ok " + std::to_string(worst);
  return "wrong " + std::to_string(worst) + " at element " + std::to_string(where);
}

void spoil(const Problem& problem) {
  const std::size_t bytes = static_cast<std::size_t>(count_of(problem.shapes[2])) *
                            std::max<std::size_t>(bytes_of(problem.dtype), 4);
  std::memset(problem.out, 0xff, bytes);  // NaN in every type that has one, and -1
}

int serve(int descriptor, std::size_t bytes) {
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    return 1;
  }
  Problem problem;
  std::vector<Sample> samples;
  for (std::string line; std::getline(std::cin, line);) {
    const std::string word = line.substr(0, line.find(' '));
    const std::string rest = line.size() > word.size() ? line.substr(word.size() + 1) : "";
    try {
      if (word == "fill") {
        problem = read_problem(rest, static_cast<std::byte*>(memory), bytes);
        fill(problem.dtype, problem.lhs, count_of(problem.shapes[0]), 1);
        fill(problem.dtype, problem.rhs, count_of(problem.shapes[1]), std::uint64_t{1} << 40);
        samples = samples_of(problem);
        std::cout << "ok" << std::endl;
      } else if (word == "spoil") {
        spoil(problem);
        std::cout << "ok" << std::endl;
      } else if (word == "check") {
        std::cout << check(problem, samples, rest) << std::endl;
      } else if (word == "bound") {
        const bool cpu_time = rest.find("cpu-time") != std::string::npos;
        std::cout << bounds_as_json(std::stoi(rest), cpu_time) << std::endl;
      } else if (word == "quit") {
        break;
      } else {
        std::cout << "no such command: " << line << std::endl;
      }
    } catch (const std::exception& error) {
      std::cout << "no " << error.what() << std::endl;
    }
  }
  return 0;
}

}  // namespace

}  // namespace bench

int main(int count, char** words) {
  if (count != 3) {
    std::fprintf(stderr, "usage: %s FILE_DESCRIPTOR BYTES\n", words[0]);
    return 2;
  }
  return bench::serve(std::stoi(words[1]), std::stoull(words[2]));
}
