// SPDX-License-Identifier: Apache-2.0
#pragma once
// A product by its definition, in wider arithmetic, and the bound of docs/numerics.md that every
// element must keep. It reads index notation by itself and knows nothing of notations, plans,
// kernels.

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/tensor.h"

namespace batchdot::reference {

/// A result in index notation: "bik*,bkj=bij"; `*` behind an operand takes its conjugate.
struct Meaning {
  std::vector<Labels> operands;
  std::vector<bool> conjugate;
  Labels output;
  std::map<Label, std::int64_t> extents = {};  ///< of labels whose axes are 1 everywhere
};

inline Meaning parse_meaning(std::string_view text) {
  Meaning meaning;
  meaning.operands.emplace_back();
  meaning.conjugate.push_back(false);
  bool is_output = false;
  for (const char c : text) {
    if (c == '=') {
      is_output = true;
    } else if (is_output) {
      meaning.output.push_back(static_cast<Label>(c));
    } else if (c == ',') {
      meaning.operands.emplace_back();
      meaning.conjugate.push_back(false);
    } else if (c == '*') {
      meaning.conjugate.back() = true;
    } else {
      meaning.operands.back().push_back(static_cast<Label>(c));
    }
  }
  return meaning;
}

inline Meaning meaning_of(const Contraction& c) {
  Meaning meaning;
  for (const Input& input : c.inputs) {
    meaning.operands.push_back(input.labels);
    meaning.conjugate.push_back(input.conjugate);
  }
  meaning.output = c.output;
  for (std::size_t label = 0; label < c.extents.size(); ++label) {
    meaning.extents[static_cast<Label>(label)] = c.extents[label].extent();
  }
  return meaning;
}

/// A number with the sum of the magnitudes that made it, by component.
struct Exact {
  long double re = 0, im = 0;
  long double re_size = 0, im_size = 0;  ///< sum |a||b| of the theorem
  std::uint64_t whole = 0;               ///< integers: modulo 2^64
};

struct Sums {
  Extents extents;
  std::vector<Exact> elements;  ///< last axis fastest
  std::int64_t n = 0;           ///< of gamma(n), over all steps
  std::int64_t K = 1;           ///< terms of one element
};

inline Exact times(const Exact& a, const Exact& b) {
  Exact product;
  product.re = a.re * b.re;
  product.re_size = a.re_size * b.re_size;
  if (a.im_size != 0 || b.im_size != 0) {
    product.re -= a.im * b.im;
    product.im = a.re * b.im + a.im * b.re;
    product.re_size += a.im_size * b.im_size;
    product.im_size = a.re_size * b.im_size + a.im_size * b.re_size;
  }
  product.whole = a.whole * b.whole;
  return product;
}

/// Half and BFloat16 by their definition: sign, exponent, fraction.
inline long double value_of(std::uint16_t bits, int fraction_bits, int bias) {
  const int exponent = (bits & 0x7FFF) >> fraction_bits;
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const int top = 0x7FFF >> fraction_bits;
  const long double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == top) {
    return fraction != 0 ? std::numeric_limits<long double>::quiet_NaN()
                         : sign * std::numeric_limits<long double>::infinity();
  }
  if (exponent == 0)
    return sign * std::ldexp(static_cast<long double>(fraction), 1 - bias - fraction_bits);
  return sign * std::ldexp(1 + std::ldexp(static_cast<long double>(fraction), -fraction_bits),
                           exponent - bias);
}

template <class Element>
Exact exact_of(Element x) {
  Exact exact;
  if constexpr (std::is_same_v<Element, Half>) {
    exact.re = value_of(x.bits, 10, 15);
  } else if constexpr (std::is_same_v<Element, BFloat16>) {
    exact.re = value_of(x.bits, 7, 127);
  } else if constexpr (std::is_arithmetic_v<Element>) {
    exact.re = static_cast<long double>(x);
    if constexpr (std::is_integral_v<Element>) {
      exact.whole = static_cast<std::uint64_t>(static_cast<std::int64_t>(x));
    }
  } else {
    exact.re = x.real();
    exact.im = x.imag();
  }
  exact.re_size = std::fabs(exact.re);
  exact.im_size = std::fabs(exact.im);
  return exact;
}

/// The elements of a view, last axis fastest.
inline std::vector<Exact> read(const TensorView& view) {
  std::vector<Exact> elements;
  const Extents& extents = view.extents();
  const std::int64_t count = element_count(extents);
  view.dtype().visit([&](auto record) {
    using Element = typename decltype(record)::Element;
    const auto* data = static_cast<const Element*>(view.data);
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t rest = i, offset = 0;
      for (std::size_t axis = extents.size(); axis-- > 0;) {
        offset += rest % extents[axis] * view.strides()[axis];
        rest /= extents[axis];
      }
      elements.push_back(exact_of(data[offset]));
    }
  });
  return elements;
}

namespace detail {

inline bool holds(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// An axis of 1 stretches to whatever its label is elsewhere.
inline std::map<Label, std::int64_t> extents_of(const Meaning& meaning,
                                                std::span<const Extents> operands) {
  std::map<Label, std::int64_t> extents;
  for (const Label label : meaning.output) extents[label] = 1;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    for (std::size_t axis = 0; axis < meaning.operands[i].size(); ++axis) {
      const auto at = extents.emplace(meaning.operands[i][axis], 1).first;
      if (operands[i][axis] != 1) at->second = operands[i][axis];
    }
  }
  for (auto& [label, extent] : extents) {
    if (const auto at = meaning.extents.find(label); at != meaning.extents.end()) {
      extent = at->second;
    }
  }
  return extents;
}

// The additions that one term goes through: docs/numerics.md, "The bound"; steps left to right.
inline std::int64_t chain(std::int64_t K) {
  return std::min<std::int64_t>(K, 128) + (K + 127) / 128;
}

inline std::int64_t chains(const Meaning& meaning, std::map<Label, std::int64_t>& extents) {
  const auto needed_after = [&](std::size_t operand, Label label) {
    for (std::size_t i = operand + 1; i < meaning.operands.size(); ++i) {
      if (holds(meaning.operands[i], label)) return true;
    }
    return holds(meaning.output, label);
  };
  Labels current;
  for (const Label label : meaning.operands[0]) {
    if (!holds(current, label)) current.push_back(label);
  }
  std::int64_t n = 0;
  for (std::size_t i = 1; i < meaning.operands.size() || i == 1; ++i) {
    const Labels next = i < meaning.operands.size() ? meaning.operands[i] : Labels();
    std::int64_t both = 1, lhs = 1, rhs = 1;
    Labels kept, seen;
    for (const Label label : current) {
      if (needed_after(i, label)) {
        kept.push_back(label);
      } else {
        (holds(next, label) ? both : lhs) *= extents[label];
      }
    }
    for (const Label label : next) {
      if (holds(current, label) || holds(seen, label)) continue;
      seen.push_back(label);
      if (needed_after(i, label)) {
        kept.push_back(label);
      } else {
        rhs *= extents[label];
      }
    }
    n += chain(both) + (lhs == 1 ? 0 : chain(lhs)) + (rhs == 1 ? 0 : chain(rhs));
    current = kept;
  }
  return n;
}

}  // namespace detail

/// sum over all labels that the output lacks of the product of all operands.
inline Sums multiply(const Meaning& meaning, const std::vector<std::vector<Exact>>& operands,
                     std::span<const Extents> shapes) {
  std::map<Label, std::int64_t> extents = detail::extents_of(meaning, shapes);
  Labels summed;
  for (const auto& [label, extent] : extents) {
    if (!detail::holds(meaning.output, label)) summed.push_back(label);
  }
  // offsets[i][p]: where operand i stands at position p of these labels.
  const auto offsets = [&](const Labels& labels) {
    std::vector<std::vector<std::int64_t>> all(operands.size());
    for (std::size_t i = 0; i < operands.size(); ++i) {
      all[i] = {0};
      for (const Label label : labels) {
        std::int64_t step = 0, stride = 1;
        for (std::size_t axis = shapes[i].size(); axis-- > 0;) {
          if (meaning.operands[i][axis] == label && shapes[i][axis] != 1) step += stride;
          stride *= shapes[i][axis];
        }
        std::vector<std::int64_t> longer;
        longer.reserve(all[i].size() * static_cast<std::size_t>(extents[label]));
        for (const std::int64_t offset : all[i]) {
          for (std::int64_t k = 0; k < extents[label]; ++k) longer.push_back(offset + k * step);
        }
        all[i] = std::move(longer);
      }
    }
    return all;
  };
  const auto outer = offsets(meaning.output);
  const auto inner = offsets(summed);
  Sums sums;
  for (const Label label : meaning.output) sums.extents.push_back(extents[label]);
  sums.n = detail::chains(meaning, extents);
  sums.K = static_cast<std::int64_t>(inner[0].size());
  sums.elements.resize(outer[0].size());
  for (std::size_t out = 0; out < outer[0].size(); ++out) {
    Exact& sum = sums.elements[out];
    for (std::size_t k = 0; k < inner[0].size(); ++k) {
      Exact term;
      for (std::size_t i = 0; i < operands.size(); ++i) {
        Exact factor = operands[i][static_cast<std::size_t>(outer[i][out] + inner[i][k])];
        if (meaning.conjugate[i]) factor.im = -factor.im;
        term = i == 0 ? factor : times(term, factor);
      }
      sum.re += term.re;
      sum.im += term.im;
      sum.re_size += term.re_size;
      sum.im_size += term.im_size;
      sum.whole += term.whole;
    }
  }
  return sums;
}

inline Sums multiply(const Meaning& meaning, std::span<const TensorView> views) {
  std::vector<std::vector<Exact>> operands;
  std::vector<Extents> shapes;
  for (const TensorView& view : views) {
    operands.push_back(read(view));
    shapes.push_back(view.extents());
  }
  return multiply(meaning, operands, shapes);
}

/// What rounding does in a dtype: of the sum, and of the stored element.
struct Rounding {
  long double unit = 0, smallest = 0;          ///< u and eta of the accumulator
  long double out_unit = 0, out_smallest = 0;  ///< of a narrower result; 0: not narrower
  bool is_complex = false, is_exact = false, flushes = false;
};

template <class Record>
constexpr Rounding rounding_of(Record) {
  using A = typename Record::Accumulator;
  Rounding rounding;
  if constexpr (std::is_integral_v<A>) {
    rounding.is_exact = true;
  } else if constexpr (std::is_same_v<A, double> || std::is_same_v<A, std::complex<double>>) {
    rounding.unit = 0x1p-53L;
    rounding.smallest = 0x1p-1074L;
  } else {
    rounding.unit = 0x1p-24L;
    rounding.smallest = 0x1p-149L;
  }
  rounding.is_complex =
      std::is_same_v<A, std::complex<float>> || std::is_same_v<A, std::complex<double>>;
  if constexpr (std::is_same_v<Record, F16>) {
    rounding.out_unit = 0x1p-11L;
    rounding.out_smallest = 0x1p-24L;
  }
  if constexpr (std::is_same_v<Record, BF16>) {
    rounding.out_unit = 0x1p-8L;
    rounding.out_smallest = 0x1p-133L;
    rounding.flushes = true;
  }
  return rounding;
}

/// How far a computed component may lie from the exact one, and what the reference itself may be
/// off.
inline long double bound(const Rounding& rounding, long double exact, long double size,
                         std::int64_t n, std::int64_t K) {
  const long double terms = rounding.is_complex ? 2 : 1;
  const long double nu = terms * static_cast<long double>(n) * rounding.unit;
  const long double count = terms * static_cast<long double>(K);
  long double allowed = nu / (1 - nu) * size;
  allowed += rounding.flushes ? 2 * count * 0x1p-126L : count * rounding.smallest / 2;
  if (rounding.out_unit != 0) {
    allowed += rounding.out_unit * (std::fabs(exact) + allowed) + rounding.out_smallest / 2;
  }
  return allowed + (count + 4) * 0x1p-64L * size;
}

/// Empty if every element of a product keeps the bound; else the first that does not.
/// \param dtype  of the operands.
inline std::string first_beyond(const Tensor& result, const Sums& sums, DType dtype) {
  std::ostringstream wrong;
  if (!(result.extents() == sums.extents)) {
    wrong << "extents " << to_string(result.extents()) << ", not " << to_string(sums.extents);
    return wrong.str();
  }
  const Rounding rounding = dtype.visit([](auto record) { return rounding_of(record); });
  const std::vector<Exact> computed = read(result);
  for (std::size_t i = 0; i < computed.size(); ++i) {
    const Exact& exact = sums.elements[i];
    const auto fits = [&](long double got, long double wanted, long double size) {
      if (std::isnan(wanted) || std::isnan(got)) return std::isnan(wanted) && std::isnan(got);
      if (std::isinf(wanted) || std::isinf(got)) return wanted == got;
      return std::fabs(got - wanted) <= bound(rounding, wanted, size, sums.n, sums.K);
    };
    const bool is_right =
        rounding.is_exact
            ? (result.dtype() == DType(I64{}) ? computed[i].whole == exact.whole
                                              : static_cast<std::uint32_t>(computed[i].whole) ==
                                                    static_cast<std::uint32_t>(exact.whole))
            : fits(computed[i].re, exact.re, exact.re_size) &&
                  fits(computed[i].im, exact.im, exact.im_size);
    if (is_right) continue;
    wrong.precision(20);
    wrong << "element " << i << " is " << computed[i].re << ' ' << computed[i].im << ", exact "
          << exact.re << ' ' << exact.im << ", n " << sums.n << ", K " << sums.K;
    return wrong.str();
  }
  return {};
}

/// Softmax of one row by its definition. A row of excluded keys (-inf) alone is 0.
inline std::vector<long double> softmax(const std::vector<long double>& row) {
  long double most = -std::numeric_limits<long double>::infinity();
  bool poisoned = false;
  for (const long double t : row) {
    if (std::isnan(t) || t == std::numeric_limits<long double>::infinity()) poisoned = true;
    most = std::max(most, t);
  }
  long double sum = 0;
  for (const long double t : row) sum += t == -INFINITY ? 0 : std::exp(t - most);
  std::vector<long double> weights;
  for (const long double t : row) {
    weights.push_back(t == -INFINITY ? 0 : poisoned ? NAN : std::exp(t - most) / sum);
  }
  return weights;
}

/// How far element j of a softmax may lie from the exact one, to first order and 1 % more. With d
/// the distance of a key from the maximum, in units of u: the difference t - m is off by d, exp by
/// 4 (2 ulp); a block's sum by 16 + 4 additions, each fold by exp, product and sum; the quotient
/// by 1. Distances over several maxima add up to d. The mean of d over the weights is what the sum
/// is off by.
inline long double softmax_bound(const Rounding& rounding, const std::vector<long double>& row,
                                 const std::vector<long double>& weights, std::size_t j) {
  if (row[j] == -INFINITY) return 0;  // excluded: +0 and nothing else
  long double most = -std::numeric_limits<long double>::infinity();
  for (const long double t : row) most = std::max(most, t);
  long double mean = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (weights[i] > 0) mean += weights[i] * (most - row[i]);
  }
  const auto blocks = static_cast<long double>((row.size() + 255) / 256);
  const long double units = (most - row[j]) + 4 + mean + 4 + 20 + 6 * blocks + 1;
  long double allowed = 1.01L * units * rounding.unit * weights[j] + 2 * rounding.smallest;
  if (rounding.out_unit != 0) {
    allowed += rounding.out_unit * (weights[j] + allowed) + rounding.out_smallest / 2;
  }
  return allowed;
}

}  // namespace batchdot::reference
