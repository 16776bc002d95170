// SPDX-License-Identifier: Apache-2.0
#include "tests/problems/scalar_program.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "src/kernel/activation.h"
#include "src/kernel/convert.h"
#include "src/kernel/float_mode.h"

namespace batchdot::bits {

namespace {

using kernel::kIsComplex;

bool holds(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// Where each label stands now.
using Index = std::map<Label, std::int64_t>;

template <class T>
T times_plus(T a, T b, T c) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fma(a, b, c);
  } else if constexpr (kIsComplex<T>) {
    auto re = std::fma(a.real(), b.real(), c.real());
    re = std::fma(-a.imag(), b.imag(), re);
    auto im = std::fma(a.real(), b.imag(), c.imag());
    im = std::fma(a.imag(), b.real(), im);
    return T(re, im);
  } else {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) * static_cast<U>(b) + static_cast<U>(c));
  }
}

// fma(x, 1, c); complex: re and im each alone.
template <class T>
T plus_alone(T x, T c) {
  if constexpr (kIsComplex<T>) {
    constexpr typename T::value_type kOne = 1;
    return T(std::fma(x.real(), kOne, c.real()), std::fma(x.imag(), kOne, c.imag()));
  } else {
    return times_plus(x, T{1}, c);
  }
}

template <class T>
T add(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
  } else {
    return a + b;
  }
}

template <class T>
T times(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
  } else {
    return a * b;
  }
}

// Each operator one rounding. tanh and erf are held against MPFR elsewhere.
template <class T>
T activated(Activation activation, T x) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return x != x || x > 0 ? x : T{0};
    case Activation::kGelu:
      if constexpr (std::is_floating_point_v<T>) {
        constexpr T kRootHalf = static_cast<T>(0.70710678118654752440L);
        return (T(0.5) * x) * (1 + kernel::erf_scalar(x * kRootHalf));
      }
      break;
    case Activation::kGeluTanh:
      if constexpr (std::is_floating_point_v<T>) {
        constexpr T kRoot = static_cast<T>(0.79788456080286535588L);
        constexpr T kCubic = static_cast<T>(0.044715L);
        const T square = x * x;
        const T stretched = std::fma(square, kCubic, T{1});
        return (T(0.5) * x) * (1 + kernel::tanh_scalar((x * kRoot) * stretched));
      }
      break;
    case Activation::kTanh:
      if constexpr (std::is_floating_point_v<T>) return kernel::tanh_scalar(x);
      break;
  }
  return x;
}

// Sum over k = 0 .. K-1 of term(k, chain so far): chains of 128, added in order.
template <class T, class Term>
T sum_in_blocks(std::int64_t K, Rule rule, Term term) {
  T sum{};
  std::int64_t k = 0;
  do {
    const std::int64_t end = std::min(K, k + 128);
    T block{};
    if (rule == Rule::kPlain) {
      for (std::int64_t i = k; i < end; ++i) block = term(i, block);
    } else {
      for (std::int64_t i = k; i < end; i += 2) {
        block = term(i + 1, block);  // beyond K: +0 * +0
        block = term(i, block);
      }
    }
    sum = k == 0 ? block : add(sum, block);
    k = end;
  } while (k < K);
  return sum;
}

class Program {
 public:
  Program(const Contraction& c, std::span<const TensorView> operands, const LastSteps& last)
      : c_(c), operands_(operands), last_(last) {}

  template <class Record>
  Tensor run() {
    using T = typename Record::Accumulator;
    Labelled<T> current = read<Record>(0);
    if (c_.inputs.size() == 1) {
      if (c_.contracting_order.empty() && is_plain()) return copy<Record>();
      return finish<Record>(sum_alone(current, c_.contracting_order));
    }
    for (std::size_t i = 1; i < c_.inputs.size(); ++i) {
      const Labelled<T> next = read<Record>(i);
      Labels order;
      for (const Label label : c_.contracting_order) {
        bool needed = false;
        for (std::size_t later = i + 1; later < c_.inputs.size(); ++later) {
          needed = needed || holds(c_.inputs[later].labels, label);
        }
        const bool here = holds(current.labels, label) || holds(next.labels, label);
        if (here && !needed) order.push_back(label);
      }
      current = multiply(current, next, order);
    }
    return finish<Record>(current);
  }

 private:
  std::int64_t extent(Label label) const { return c_.extents[label].extent(); }
  std::int64_t count(const Labels& labels) const {
    std::int64_t product = 1;
    for (const Label label : labels) product *= extent(label);
    return product;
  }

  // Calls visit(index) for every position over labels, the last one fastest.
  template <class Visit>
  void for_each(const Labels& labels, Index index, const Visit& visit) const {
    const std::int64_t n = count(labels);
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t rest = i;
      for (std::size_t l = labels.size(); l-- > 0;) {
        index[labels[l]] = rest % extent(labels[l]);
        rest /= extent(labels[l]);
      }
      visit(index);
    }
  }

  // How far a position is from the first element. Labels that the index lacks count as 0: the
  // distances of two indices of different labels add up to that of both.
  template <class T>
  std::size_t offset(const Labelled<T>& tensor, const Index& index) const {
    std::int64_t offset = 0;
    for (const Label label : tensor.labels) {
      const auto found = index.find(label);
      offset = offset * extent(label) + (found == index.end() ? 0 : found->second);
    }
    return static_cast<std::size_t>(offset);
  }
  // Those of all positions over `order`: of each k.
  template <class T>
  std::vector<std::size_t> offsets(const Labelled<T>& tensor, const Labels& order) const {
    std::vector<std::size_t> all;
    for_each(order, {}, [&](const Index& index) { all.push_back(offset(tensor, index)); });
    return all;
  }

  template <class Element>
  Element element_of(std::size_t operand, const Index& index) const {
    const Layout& layout = operands_[operand].layout;
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < layout.extents.size(); ++axis) {
      const std::int64_t i = index.at(c_.inputs[operand].labels[axis]);
      offset += (layout.extents[axis] == 1 ? 0 : i) * layout.strides[axis];
    }
    return static_cast<const Element*>(operands_[operand].data)[offset];
  }

  template <class Record>
  Labelled<typename Record::Accumulator> read(std::size_t operand) const {
    using T = typename Record::Accumulator;
    Labelled<T> tensor;
    tensor.is_bf16 = std::is_same_v<Record, BF16>;
    for (const Label label : c_.inputs[operand].labels) {
      if (!holds(tensor.labels, label)) tensor.labels.push_back(label);
    }
    for_each(tensor.labels, {}, [&](const Index& index) {
      T x = kernel::convert<T>(element_of<typename Record::Element>(operand, index));
      if constexpr (kIsComplex<T>) {
        if (c_.inputs[operand].conjugate) x = T(x.real(), -x.imag());
      }
      tensor.elements.push_back(x);
    });
    return tensor;
  }

  template <class T>
  Labelled<T> sum_alone(const Labelled<T>& tensor, const Labels& order) const {
    Labelled<T> result;
    for (const Label label : tensor.labels) {
      if (!holds(order, label)) result.labels.push_back(label);
    }
    const std::vector<std::size_t> ks = offsets(tensor, order);
    for_each(result.labels, {}, [&](const Index& index) {
      const std::size_t first = offset(tensor, index);
      result.elements.push_back(sum_in_blocks<T>(
          static_cast<std::int64_t>(ks.size()), Rule::kPlain, [&](std::int64_t k, T chain) {
            return plus_alone(tensor.elements[first + ks[static_cast<std::size_t>(k)]], chain);
          }));
    });
    return result;
  }

  template <class T>
  Labelled<T> multiply(const Labelled<T>& lhs, const Labelled<T>& rhs, const Labels& order) const {
    Labels contracting, lhs_alone, rhs_alone;
    for (const Label label : order) {
      const bool in_lhs = holds(lhs.labels, label);
      const bool in_rhs = holds(rhs.labels, label);
      (in_lhs && in_rhs ? contracting : in_lhs ? lhs_alone : rhs_alone).push_back(label);
    }
    const Labelled<T> a = lhs_alone.empty() ? lhs : sum_alone(lhs, lhs_alone);
    const Labelled<T> b = rhs_alone.empty() ? rhs : sum_alone(rhs, rhs_alone);
    const Rule rule = a.is_bf16 && b.is_bf16 ? Rule::kPairs : Rule::kPlain;
    Labelled<T> result;
    for (const Labelled<T>* tensor : {&a, &b}) {
      for (const Label label : tensor->labels) {
        if (!holds(contracting, label) && !holds(result.labels, label)) {
          result.labels.push_back(label);
        }
      }
    }
    const std::vector<std::size_t> ks_of_a = offsets(a, contracting);
    const std::vector<std::size_t> ks_of_b = offsets(b, contracting);
    const auto K = static_cast<std::int64_t>(ks_of_a.size());
    const kernel::FloatModeGuard mode(rule == Rule::kPairs ? kernel::FloatMode::kFlush
                                                           : kernel::FloatMode::kDefault);
    for_each(result.labels, {}, [&](const Index& index) {
      const std::size_t first_of_a = offset(a, index);
      const std::size_t first_of_b = offset(b, index);
      result.elements.push_back(sum_in_blocks<T>(K, rule, [&](std::int64_t k, T chain) {
        if (k >= K) return times_plus(T{}, T{}, chain);
        const auto i = static_cast<std::size_t>(k);
        return times_plus(a.elements[first_of_a + ks_of_a[i]], b.elements[first_of_b + ks_of_b[i]],
                          chain);
      }));
    });
    return result;
  }

  bool is_plain() const {
    const Epilogue& e = last_.epilogue;
    return e.alpha == 1 && e.beta == 0 && !e.scale && !e.bias && e.activation == Activation::kNone;
  }

  // The element of a tensor whose axes carry these labels.
  template <class Element>
  static Element element_of(const TensorView& view, const Labels& labels, const Index& index) {
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < labels.size(); ++axis) {
      offset += index.at(labels[axis]) * view.strides()[axis];
    }
    return static_cast<const Element*>(view.data)[offset];
  }

  // t = alpha * sum;  t = t + (beta * old);  t = scale * t;  t = t + bias;  activation.
  template <class T>
  T finished(T t, T old, T scale, T bias) const {
    const Epilogue& e = last_.epilogue;
    const auto whole = [](double x) {  // of integers a factor is a whole number
      if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<std::int64_t>(x));
      return static_cast<T>(x);
    };
    if (e.alpha != 1) t = times(whole(e.alpha), t);
    if (e.beta == 1) t = add(t, old);
    if (e.beta != 0 && e.beta != 1) t = add(t, times(whole(e.beta), old));
    if (e.scale) t = times(scale, t);
    if (e.bias) t = add(t, bias);
    return activated(e.activation, t);
  }

  template <class Record>
  Tensor finish(const Labelled<typename Record::Accumulator>& sums) const {
    using T = typename Record::Accumulator;
    using Out = typename Record::Result::Element;
    const Epilogue& e = last_.epilogue;
    Tensor result(DType(typename Record::Result{}), result_shape(c_).extents());
    Out* to = result.elements<Out>().data();
    const kernel::FloatModeGuard mode(kernel::FloatMode::kDefault);
    for_each(c_.output, {}, [&](const Index& index) {
      const T sum = sums.elements[offset(sums, index)];
      const Out old = e.beta == 0 ? Out{} : element_of<Out>(last_.old, c_.output, index);
      const Out bias = e.bias ? element_of<Out>(last_.bias, e.bias->labels, index) : Out{};
      if constexpr (kIsComplex<T>) {
        using Real = typename T::value_type;
        const Real s = e.scale ? element_of<Real>(last_.scale, e.scale->labels, index) : Real{};
        *to++ = Out(finished(sum.real(), old.real(), s, bias.real()),
                    finished(sum.imag(), old.imag(), s, bias.imag()));
      } else {
        const Out s = e.scale ? element_of<Out>(last_.scale, e.scale->labels, index) : Out{};
        *to++ = kernel::convert<Out>(finished(sum, kernel::convert<T>(old), kernel::convert<T>(s),
                                              kernel::convert<T>(bias)));
      }
    });
    return result;
  }

  template <class Record>
  Tensor copy() const {
    using Element = typename Record::Element;
    Tensor result(DType(Record{}), result_shape(c_).extents());
    Element* to = result.elements<Element>().data();
    for_each(c_.output, {}, [&](const Index& index) { *to++ = element_of<Element>(0, index); });
    return result;
  }

  const Contraction& c_;
  std::span<const TensorView> operands_;
  const LastSteps& last_;
};

// The bits of one element, every NaN as one value.
template <class Element>
std::uint64_t bits_of(Element x) {
  if constexpr (std::is_floating_point_v<Element>) {
    if (x != x) x = std::numeric_limits<Element>::quiet_NaN();
    std::uint64_t bits = 0;
    std::memcpy(&bits, &x, sizeof x);
    return bits;
  } else if constexpr (std::is_same_v<Element, Half> || std::is_same_v<Element, BFloat16>) {
    return std::isnan(kernel::widen(x)) ? 0xFFFF : x.bits;
  } else {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(x));
  }
}

template <class Visit>
void for_each_bits(const Tensor& tensor, const Visit& visit) {
  tensor.dtype().visit([&](auto record) {
    using Element = typename decltype(record)::Element;
    for (const Element& x : tensor.elements<Element>()) {
      if constexpr (kIsComplex<Element>) {
        visit(bits_of(x.real()));
        visit(bits_of(x.imag()));
      } else {
        visit(bits_of(x));
      }
    }
  });
}

}  // namespace

Tensor scalar_program(const Contraction& c, std::span<const TensorView> operands,
                      const LastSteps& last) {
  return operands[0].dtype().visit([&](auto record) {
    if constexpr (record.kComputes) {
      return Program(c, operands, last).run<decltype(record)>();
    } else {
      return Tensor();
    }
  });
}

Tensor dense(const TensorView& view) {
  Tensor result(view.dtype(), view.extents());
  const std::size_t bytes = view.dtype().size_bytes();
  auto* to = static_cast<std::byte*>(result.data());
  const std::size_t rank = view.extents().size();
  for (std::int64_t i = 0; i < element_count(view.extents()); ++i, to += bytes) {
    std::int64_t offset = 0, rest = i;
    for (std::size_t axis = rank; axis-- > 0; rest /= view.extents()[axis]) {
      offset += rest % view.extents()[axis] * view.strides()[axis];
    }
    std::memcpy(
        to, static_cast<const std::byte*>(view.data) + offset * static_cast<std::int64_t>(bytes),
        bytes);
  }
  return result;
}

std::uint64_t digest(const Tensor& tensor) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for_each_bits(tensor, [&](std::uint64_t bits) {
    for (int byte = 0; byte < 8; ++byte) {
      hash = (hash ^ ((bits >> (8 * byte)) & 0xFF)) * 0x100000001b3u;
    }
  });
  return hash;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (!(a.dtype() == b.dtype()) || !(a.extents() == b.extents())) return false;
  std::vector<std::uint64_t> left, right;
  for_each_bits(a, [&](std::uint64_t bits) { left.push_back(bits); });
  for_each_bits(b, [&](std::uint64_t bits) { right.push_back(bits); });
  return left == right;
}

}  // namespace batchdot::bits
