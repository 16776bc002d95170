// SPDX-License-Identifier: Apache-2.0
// From sums to stored elements, on vectors; the definition is reference_store in reference.h.
// Included once for each target; see targets.h.

#if defined(BATCHDOT_STORE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_STORE_INL_H
#undef BATCHDOT_STORE_INL_H
#else
#define BATCHDOT_STORE_INL_H
#endif

#include <algorithm>
#include <complex>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "hwy/highway.h"
#include "src/kernel/activation-inl.h"
#include "src/kernel/convert.h"
#include "src/kernel/kernels.h"
#include "src/kernel/pack-inl.h"
#include "src/kernel/reference.h"
#include "src/kernel/table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

// convert<T> of a vector of elements.
template <class D>
HWY_INLINE hn::Vec<D> load_elements(D d, const hn::TFromD<D>* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> load_elements(D d, const BFloat16* from) {
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<std::uint16_t, D> narrow;
  const auto bits = hn::LoadU(narrow, reinterpret_cast<const std::uint16_t*>(from));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, bits)));
}
template <class D>
HWY_INLINE hn::Vec<D> load_elements(D d, const Half* from) {
  const hn::Rebind<std::uint16_t, D> narrow;
  const hn::Rebind<hwy::float16_t, D> halves;
  const auto bits = hn::LoadU(narrow, reinterpret_cast<const std::uint16_t*>(from));
  return hn::PromoteTo(d, hn::BitCast(halves, bits));
}

// convert<Element> of a vector, as it is stored: every NaN quiet, its payload nobody's.
template <class D>
HWY_INLINE void store_elements(D d, hn::Vec<D> t, hn::TFromD<D>* to) {
  hn::StoreU(t, d, to);
}
template <class D>
HWY_INLINE void store_elements(D d, hn::Vec<D> t, BFloat16* to) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::uint16_t, D> narrow;
  const auto bits = hn::BitCast(du, t);
  const auto high = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(high, hn::Set(du, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(du, 0x7FFF)), odd));
  const auto quiet = hn::Or(high, hn::Set(du, 0x40));
  const auto is_number = hn::RebindMask(du, hn::Eq(t, t));
  const auto result = hn::IfThenElse(is_number, rounded, quiet);
  hn::StoreU(hn::DemoteTo(narrow, hn::BitCast(di, result)), narrow,
             reinterpret_cast<std::uint16_t*>(to));
}
// The instruction rounds to nearest even and keeps subnormals, as round_to_f16 does.
template <class D>
HWY_INLINE void store_elements(D d, hn::Vec<D> t, Half* to) {
  const hn::Rebind<std::uint16_t, D> narrow;
  const hn::Rebind<hwy::float16_t, D> halves;
  (void)d;
  hn::StoreU(hn::BitCast(narrow, hn::DemoteTo(halves, t)), narrow,
             reinterpret_cast<std::uint16_t*>(to));
}

// The first `count` elements of `from`, in a buffer that a whole vector can be read from.
template <class T>
HWY_INLINE const T* padded(const T* from, std::int64_t count, T* buffer) {
  std::memcpy(static_cast<void*>(buffer), from, static_cast<std::size_t>(count) * sizeof(T));
  return buffer;
}

// An operand of one row: a vector at a time, or one element for all.
template <class D, class Element>
class RowOperand {
 public:
  RowOperand(D d, const Element* row, std::int64_t column)
      : d_(d), row_(row), is_one_(column == 0), one_(hn::Zero(d)) {
    if (row != nullptr && is_one_) one_ = hn::Set(d, convert<hn::TFromD<D>>(*row));
  }
  explicit operator bool() const { return row_ != nullptr; }
  HWY_INLINE hn::Vec<D> at(std::int64_t j, std::int64_t count) const {
    constexpr auto N = static_cast<std::int64_t>(hn::MaxLanes(D()));
    if (is_one_) return one_;
    if (count >= N) return load_elements(d_, row_ + j);
    Element buffer[N] = {};
    return load_elements(d_, padded(row_ + j, count, buffer));
  }

 private:
  D d_;
  const Element* row_;
  bool is_one_;
  hn::Vec<D> one_;
};

template <class Element>
const Element* row_of(const StoreOperand& operand, std::int64_t row) {
  return operand.data == nullptr ? nullptr
                                 : static_cast<const Element*>(operand.data) + row * operand.row;
}

// alpha, beta, scale and bias of `count` sums of a row, from its column `first` on.
template <class T, class Out>
void finish_run(const StoreCall& call, std::int64_t row, std::int64_t first, std::int64_t count,
                const T* sums, const Out* old, T* to) {
  const hn::ScalableTag<T> d;
  using D = hn::ScalableTag<T>;
  constexpr auto N = static_cast<std::int64_t>(HWY_LANES(T));
  const auto alpha = hn::Set(d, factor<T>(call.alpha));
  const auto beta = hn::Set(d, factor<T>(call.beta));
  const RowOperand<D, Out> scale(d, row_of<Out>(call.scale, row), call.scale.column);
  const RowOperand<D, Out> bias(d, row_of<Out>(call.bias, row), call.bias.column);
  const RowOperand<D, Out> before(d, call.beta == 0 ? nullptr : old, 1);
  const RowOperand<D, T> summed(d, sums, 1);
  for (std::int64_t j = 0; j < count; j += N) {
    const std::int64_t left = count - j;
    auto t = summed.at(j, left);
    if (call.alpha != 1) t = hn::Mul(alpha, t);
    if (before) {
      const auto o = before.at(j, left);
      t = hn::Add(t, call.beta == 1 ? o : hn::Mul(beta, o));
    }
    if (scale) t = hn::Mul(scale.at(first + j, left), t);
    if (bias) t = hn::Add(t, bias.at(first + j, left));
    if (left >= N) {
      hn::StoreU(t, d, to + j);
      continue;
    }
    HWY_ALIGN T rest[N];
    hn::Store(t, d, rest);
    std::memcpy(to + j, rest, static_cast<std::size_t>(left) * sizeof(T));
  }
}

// convert<Out> of a run.
template <class T, class Out>
HWY_INLINE void convert_run(const T* from, std::int64_t count, Out* to) {
  const hn::ScalableTag<T> d;
  constexpr auto N = static_cast<std::int64_t>(HWY_LANES(T));
  std::int64_t j = 0;
  for (; j + N <= count; j += N) store_elements(d, hn::LoadU(d, from + j), to + j);
  if (j == count) return;
  T buffer[N] = {};
  Out rest[N];
  store_elements(d, hn::LoadU(d, padded(from + j, count - j, buffer)), rest);
  std::memcpy(static_cast<void*>(to + j), rest, static_cast<std::size_t>(count - j) * sizeof(Out));
}

template <class Out>
HWY_INLINE bool is_whole_lines(const Out* to, std::int64_t count) {
  constexpr std::int64_t kLine = 64;
  return reinterpret_cast<std::uintptr_t>(to) % kLine == 0 &&
         count * static_cast<std::int64_t>(sizeof(Out)) % kLine == 0;
}

// The same past the caches: whole lines of `to`.
template <class T, class Out>
HWY_INLINE void stream_run(const T* from, std::int64_t count, Out* to) {
  const hn::ScalableTag<T> d;
  constexpr auto N = static_cast<std::int64_t>(HWY_LANES(T));
  const hn::Rebind<std::uint16_t, hn::ScalableTag<T>> narrow;
  static_assert(sizeof(Out) == 2);
  for (std::int64_t j = 0; j < count; j += N) {
    HWY_ALIGN Out elements[N];
    store_elements(d, hn::LoadU(d, from + j), elements);
    hn::Stream(hn::Load(narrow, reinterpret_cast<const std::uint16_t*>(elements)), narrow,
               reinterpret_cast<std::uint16_t*>(to + j));
  }
}

// Columns that are worth a vector: in out one after the other, in operands too, or one for all.
template <class T>
bool is_in_runs(const StoreCall& call) {
  const auto is_run = [](const StoreOperand& operand) {
    return operand.data == nullptr || operand.column == 0 || operand.column == 1;
  };
  return call.out_column == 1 && 2 * call.columns >= static_cast<std::int64_t>(HWY_LANES(T)) &&
         is_run(call.scale) && is_run(call.bias);
}

/// StoreCall for real numbers and integers.
template <class T, class Out>
void store_rows(const StoreCall& call) {
  if (!is_in_runs<T>(call)) return reference_store<T, Out>(call);
  const bool is_plain = is_plain_store(call);
  for (std::int64_t row = 0; row < call.rows; ++row) {
    const T* sums = static_cast<const T*>(call.sums) + row * call.sum_row;
    Out* out = static_cast<Out*>(call.out) + row * call.out_row;
    if constexpr (std::is_same_v<T, Out>) {
      if (is_plain) {
        std::memcpy(out, sums, static_cast<std::size_t>(call.columns) * sizeof(T));
      } else {
        finish_run(call, row, 0, call.columns, sums, out, out);
        activate_run(call.activation, out, call.columns);
      }
    } else {
      if (is_plain) {
        if (call.streams && is_whole_lines(out, call.columns)) {
          stream_run(sums, call.columns, out);
        } else {
          convert_run(sums, call.columns, out);
        }
        continue;
      }
      constexpr std::int64_t kChunk = 256;
      HWY_ALIGN T chunk[kChunk];
      for (std::int64_t j = 0; j < call.columns; j += kChunk) {
        const std::int64_t count = std::min(call.columns - j, kChunk);
        finish_run(call, row, j, count, sums + j, out + j, chunk);
        activate_run(call.activation, chunk, count);
        convert_run(chunk, count, out + j);
      }
    }
  }
}

// Complex elements as re and im apart, `left` of them at `from` or one for all.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void load_planes(D d, const std::complex<T>* from, bool is_one, std::int64_t left,
                            hn::Vec<D>& re, hn::Vec<D>& im) {
  constexpr auto N = static_cast<std::int64_t>(hn::MaxLanes(D()));
  if (is_one) {
    re = hn::Set(d, from->real());
    im = hn::Set(d, from->imag());
  } else if (left >= N) {
    hn::LoadInterleaved2(d, reinterpret_cast<const T*>(from), re, im);
  } else {
    std::complex<T> buffer[N] = {};
    hn::LoadInterleaved2(d, reinterpret_cast<const T*>(padded(from, left, buffer)), re, im);
  }
}

/// StoreCall for complex numbers.
template <class T>
void store_complex_rows(const StoreCall& call) {
  using Out = std::complex<T>;
  if (!is_in_runs<T>(call)) return reference_store<T, Out>(call);
  const hn::ScalableTag<T> d;
  using D = hn::ScalableTag<T>;
  constexpr auto N = static_cast<std::int64_t>(HWY_LANES(T));
  const auto alpha = hn::Set(d, factor<T>(call.alpha));
  const auto beta = hn::Set(d, factor<T>(call.beta));
  for (std::int64_t row = 0; row < call.rows; ++row) {
    const T* sums = static_cast<const T*>(call.sums) + row * call.sum_row;
    Out* out = static_cast<Out*>(call.out) + row * call.out_row;
    const bool streams =
        call.streams && reinterpret_cast<std::uintptr_t>(out) % (N * sizeof(T)) == 0;
    const RowOperand<D, T> sums_re(d, sums, 1);
    const RowOperand<D, T> sums_im(d, sums + call.sum_plane, 1);
    const RowOperand<D, T> scale(d, row_of<T>(call.scale, row), call.scale.column);
    const Out* bias = row_of<Out>(call.bias, row);
    for (std::int64_t j = 0; j < call.columns; j += N) {
      const std::int64_t left = call.columns - j;
      auto re = sums_re.at(j, left);
      auto im = sums_im.at(j, left);
      auto more_re = re;
      auto more_im = im;
      if (call.alpha != 1) {
        re = hn::Mul(alpha, re);
        im = hn::Mul(alpha, im);
      }
      if (call.beta != 0) {
        load_planes(d, out + j, false, left, more_re, more_im);
        re = hn::Add(re, call.beta == 1 ? more_re : hn::Mul(beta, more_re));
        im = hn::Add(im, call.beta == 1 ? more_im : hn::Mul(beta, more_im));
      }
      if (scale) {
        const auto s = scale.at(j, left);
        re = hn::Mul(s, re);
        im = hn::Mul(s, im);
      }
      if (bias != nullptr) {
        const bool is_one = call.bias.column == 0;
        load_planes(d, is_one ? bias : bias + j, is_one, left, more_re, more_im);
        re = hn::Add(re, more_re);
        im = hn::Add(im, more_im);
      }
      HWY_ALIGN T rest[2 * N];
      if (left >= N) {
        T* to = reinterpret_cast<T*>(out + j);
        hn::StoreInterleaved2(re, im, d, streams ? rest : to);
        if (!streams) continue;
        hn::Stream(hn::Load(d, rest), d, to);
        hn::Stream(hn::Load(d, rest + N), d, to + N);
        continue;
      }
      hn::StoreInterleaved2(re, im, d, rest);
      std::memcpy(static_cast<void*>(out + j), rest, static_cast<std::size_t>(left) * sizeof(Out));
    }
  }
}

#endif

template <class T, class Out, bool kIsScalar>
StoreFunction store_function() {
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
  if constexpr (!kIsScalar && kIsComplex<Out>) {
    return store_complex_rows<T>;
  } else if constexpr (!kIsScalar && !std::is_same_v<T, std::int64_t>) {
    return store_rows<T, Out>;
  }
#endif
  return reference_store<T, Out>;
}

/// The stores of sums in T.
template <class T, bool kIsScalar>
void fill_stores(ArithmeticKernels& kernels) {
  const auto set = [&]<class Record>(Record) {
    kernels.store[index_of<Record>()] = store_function<T, typename Record::Element, kIsScalar>();
    kernels.transpose[index_of<Record>()] = transpose_elements<typename Record::Element>;
  };
  if constexpr (std::is_same_v<T, float>) {
    set(F32{});
    set(F16{});
    set(BF16{});
  } else {
    set(std::conditional_t<std::is_same_v<T, double>, F64,
                           std::conditional_t<std::is_same_v<T, std::int32_t>, I32, I64>>{});
  }
}

/// The store of complex sums, re and im in T.
template <class T, bool kIsScalar>
void fill_complex_stores(ArithmeticKernels& kernels) {
  using Record = std::conditional_t<std::is_same_v<T, float>, C64, C128>;
  kernels.store[index_of<Record>()] = store_function<T, std::complex<T>, kIsScalar>();
  kernels.transpose[index_of<Record>()] = transpose_elements<std::complex<T>>;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
