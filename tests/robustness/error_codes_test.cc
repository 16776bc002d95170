// SPDX-License-Identifier: Apache-2.0
// A table of every error code and a call that is refused with it. A code without a row fails.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>

#include "batchdot/batchdot.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

namespace fs = std::filesystem;

// A folder of its own, gone with the test.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("batchdot-codes-" + std::to_string(getpid()))) {
    fs::create_directory(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name, const std::string& content = {}) const {
    const std::string path = path_ / name;
    if (!content.empty()) std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::string path() const { return path_; }

 private:
  fs::path path_;
};

using Call = std::function<void()>;
using Row = std::pair<ErrorCode, Call>;

void dot_of(const Shape& lhs, const Shape& rhs, const Axes& axes, const char* dialect = "keras-3") {
  batch_dot(lhs, rhs, axes, Dialect(dialect));
}
void einsum_of(std::string_view equation, std::vector<Shape> shapes) { einsum(equation, shapes); }

std::vector<Layout> two_layouts() { return {Layout(F32{}, {2, 3}), Layout(F32{}, {3, 4})}; }
Contraction two_matrices() { return matmul(Shape{2, 3}, Shape{3, 4}); }

// A finished run of two matrices, but for what `change` does to its views.
void run_with(const std::function<void(std::vector<TensorView>&, MutableTensorView&)>& change) {
  static const Tensor lhs(F32{}, {2, 3}), rhs(F32{}, {3, 4});
  Tensor out(F32{}, {2, 4});
  std::vector<TensorView> views = {lhs, rhs};
  MutableTensorView out_view = out.mutable_view();
  const Plan plan = Plan::make(two_matrices(), two_layouts());
  change(views, out_view);
  plan.run(views, out_view);
}

std::vector<Row> table(const Folder& folder) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  return {
      {ErrorCode::kRank, [] { dot_of({4}, {4}, 1); }},
      {ErrorCode::kRank, [] { softmax(Tensor(F32{}, {})); }},
      {ErrorCode::kAxisRange,
       [] {
         dot_of({2, 3, 4}, {2, 3, 4}, 3);
       }},
      {ErrorCode::kAxisRange, [] { softmax(Tensor(F32{}, {3}), 1); }},
      {ErrorCode::kNegAxis,
       [] {
         dot_general(Shape{2, 3}, Shape{3, 4}, {{}, {}, {-1}, {0}});
       }},
      {ErrorCode::kAxis0,
       [] {
         dot_of({2, 3}, {2, 3}, 0);
       }},
      {ErrorCode::kAxesType,
       [] {
         dot_of({2, 3, 4}, {2, 4, 5}, {2, 1}, "keras-0.3");
       }},
      {ErrorCode::kAxesLen,
       [] {
         dot_of({2, 3}, {2, 3}, {1, 1, 1});
       }},
      {ErrorCode::kAxesNested,
       [] {
         dot_of({2, 3}, {2, 3}, {{1}, {1}});
       }},
      {ErrorCode::kAxesDup,
       [] {
         const std::int64_t twice[] = {1, 1}, both[] = {0, 1};
         tensordot(Shape{2, 3}, Shape{3, 3}, twice, both);
       }},
      {ErrorCode::kDim,
       [] {
         matmul(Shape{2, 3}, Shape{4, 5});
       }},
      {ErrorCode::kBatch,
       [] {
         dot_of({2, 3}, {4, 3}, 1);
       }},
      {ErrorCode::kBatchDim,
       [] {
         dot_of({2, 3, 4}, {5, 4, 6}, {2, 1}, "keras-2.2");
       }},
      {ErrorCode::kBroadcast,
       [] {
         matmul(Shape{2, 3, 4}, Shape{3, 4, 5});
       }},
      {ErrorCode::kSqueeze,
       [] {
         dot_of({2, 3, 4, 5}, {2, 3, 5}, {3, 2}, "keras-2.2");
       }},
      {ErrorCode::kEmptyReshape,
       [] {
         batch_dot(Tensor(F32{}, {2, 3, 0, 0}), Tensor(F32{}, {2, 0, 5}), {3, 1});
       }},
      {ErrorCode::kNotImplemented,
       [] {
         dot_of({2, 3, 4, 5}, {2, 3, 5, 6}, {3, 2}, "tfjs");
       }},
      {ErrorCode::kInputs,
       [] { infer(parse_problem(R"({"operation":"dot_layer","shapes":[[4,5]],"axes":1})")); }},
      {ErrorCode::kCondition,
       [] {
         const Tensor lhs(F32{}, {2, 3}), rhs(F32{}, {4, 5});
         evaluate(matmul(Shape{2, {}}, Shape{{}, 5}), std::vector<TensorView>{lhs, rhs});
       }},
      {ErrorCode::kDType,
       [] {
         matmul(Tensor(F32{}, {2, 2}), Tensor(F64{}, {2, 2}));
       }},
      {ErrorCode::kDType,
       [] {
         matmul(Tensor(Bool{}, {2, 2}), Tensor(Bool{}, {2, 2}));
       }},
      {ErrorCode::kDType,
       [] {
         softmax(Tensor(I32{}, {2, 2}));
       }},
      {ErrorCode::kDType,  // whatever it is to be computed in
       [] {
         PlanOptions options;
         options.compute_dtype = F32{};
         Plan::softmax(Layout(C64{}, {2, 2}), 1, {}, options);
       }},
      {ErrorCode::kOverlap,
       [] {
         run_with([](auto& views, auto& out) { out.data = const_cast<void*>(views[0].data); });
       }},
      {ErrorCode::kOverlap,
       [] {
         Plan::make(two_matrices(), two_layouts(), Layout(F32{}, {2, 4}, {3, 1}));
       }},
      {ErrorCode::kOverlap,
       [] {
         Plan::make(two_matrices(), two_layouts(), Layout(F32{}, {2, 4}, {0, 1}));
       }},
      {ErrorCode::kFeed, [] { run_with([](auto& views, auto&) { views.pop_back(); }); }},
      {ErrorCode::kFeed, [] { run_with([](auto& views, auto&) { views.push_back(views[0]); }); }},
      {ErrorCode::kFeed, [] { run_with([](auto& views, auto&) { views[0].data = nullptr; }); }},
      {ErrorCode::kFeed,
       [] { run_with([](auto& views, auto&) { views[0].layout.extents[0] = 3; }); }},
      {ErrorCode::kFeed,
       [] { run_with([](auto& views, auto&) { views[0].layout.strides[0] = 4; }); }},
      {ErrorCode::kFeed,
       [] { run_with([](auto& views, auto&) { views[1].layout.dtype = I32{}; }); }},
      {ErrorCode::kFeed,
       [] { run_with([](auto&, auto& out) {
              out.layout.extents = Extents{4, 2};
            }); }},
      {ErrorCode::kFeed,  // not aligned to its element
       [] {
         run_with([](auto& views, auto&) {
           views[0].data = static_cast<const std::byte*>(views[0].data) + 2;
         });
       }},
      {ErrorCode::kFeed,
       [] {
         const Plan plan =
             Plan::make(einsum("ij,jk,kl->il", std::vector<Shape>{{2, 3}, {3, 4}, {4, 5}}),
                        std::vector<Layout>{Layout(F32{}, {2, 3}), Layout(F32{}, {3, 4}),
                                            Layout(F32{}, {4, 5})});
         const Tensor a(F32{}, {2, 3}), b(F32{}, {3, 4}), c(F32{}, {4, 5});
         Tensor out(F32{}, {2, 5});
         plan.run(std::vector<TensorView>{a, b, c}, out.mutable_view(), {}, {});  // no workspace
       }},
      {ErrorCode::kDevice,
       [] { run_with([](auto& views, auto&) { views[1].device = Device::kCuda; }); }},
      {ErrorCode::kDevice, [] { run_with([](auto&, auto& out) { out.device = Device::kOther; }); }},
      {ErrorCode::kSyntax, [] { parse_shape("2,,3"); }},
      {ErrorCode::kSyntax,
       [] {
         einsum_of("i1->i", {{2, 3}});
       }},
      {ErrorCode::kLabel,
       [] {
         einsum_of("ij->ik", {{2, 3}});
       }},
      {ErrorCode::kLabel,
       [] {
         einsum_of("ij->ii", {{2, 3}});
       }},
      {ErrorCode::kUsage, [] { Dialect("keras-9"); }},
      {ErrorCode::kUsage, [] { find_operation("no_such_operation"); }},
      {ErrorCode::kUsage,
       [] {
         PlanOptions options;
         options.target = "AVX9";
         Plan::make(two_matrices(), two_layouts(), {}, {}, options);
       }},
      {ErrorCode::kUsage, [] { ThreadPool(0); }},
      {ErrorCode::kFileFormat,
       [&folder] { read_array(folder.file("text.npy", "this is no array")); }},
      {ErrorCode::kFileKind, [&folder] { read_array(folder.path()); }},
      {ErrorCode::kLimit, [] { Tensor(F32{}, Extents(Limits::kRank + 1, 1)); }},
      {ErrorCode::kLimit, [] { Dim(-1); }},
      {ErrorCode::kOverflow,
       [] {
         Tensor(F32{}, {kMost, 2});
       }},
      {ErrorCode::kOverflow, [] { parse_shape("9223372036854775808"); }},
      {ErrorCode::kMemory, [] { Tensor::uninitialized(I8{}, {std::int64_t{1} << 62}); }},
      {ErrorCode::kIo, [&folder] { read_array(folder.file("missing.npy")); }},
      {ErrorCode::kIo,
       [&folder] { write_array(folder.file("nowhere") + "/a.npy", Tensor(F32{}, {2})); }},
      {ErrorCode::kInterrupted,
       [] {
         const Tensor lhs(F32{}, {2, 3}), rhs(F32{}, {3, 4});
         Tensor out(F32{}, {2, 4});
         const Plan plan = Plan::make(two_matrices(), two_layouts());
         const std::unique_ptr<std::byte, void (*)(void*)> memory(
             static_cast<std::byte*>(std::aligned_alloc(64, plan.workspace_bytes() + 64)),
             std::free);
         const std::atomic<bool> stop{true};
         RunControl control;
         control.stop = &stop;
         plan.run(std::vector<TensorView>{lhs, rhs}, out.mutable_view(),
                  {memory.get(), plan.workspace_bytes()}, {}, control);
       }},
      // No call of ours is known to give INTERNAL: the row holds what a caller would catch.
      {ErrorCode::kInternal,
       [] { throw Error(ErrorCode::kInternal, "test: a bug that was noticed"); }},
  };
}

TEST(ErrorCodes, EachIsGivenBySomeCall) {
  const Folder folder;
  std::map<ErrorCode, int> rows;
  for (const auto& [code, call] : table(folder)) {
    ++rows[code];
    const Error error = refusal_of(call);
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_EQ(error.message().find('\n'), std::string::npos) << error.what();
    EXPECT_NE(error.message().find(": "), std::string::npos) << error.what();
    // JSON names the code as the table does.
    const std::string json = to_json(error);
    EXPECT_NE(json.find("\"code\": \"" + std::string(info(code).name) + "\""), std::string::npos)
        << json;
  }
  for (const ErrorCodeInfo& row : error_codes()) {
    EXPECT_GT(rows[row.code], 0) << row.name << " has no row in this test";
  }
}

// A view that begins where another ends is no overlap; one element further it is.
TEST(Overlap, IsToldByTheByte) {
  Tensor memory(F32{}, {6 + 12 + 8});
  auto* elements = memory.elements<float>().data();
  const Plan plan = Plan::make(two_matrices(), two_layouts());
  const auto run = [&](std::ptrdiff_t lhs, std::ptrdiff_t rhs, std::ptrdiff_t out) {
    const std::vector<TensorView> views = {{elements + lhs, {2, 3}}, {elements + rhs, {3, 4}}};
    plan.run(views, MutableTensorView(elements + out, {2, 4}));
  };
  EXPECT_NO_THROW(run(0, 6, 18));
  EXPECT_NO_THROW(run(8, 14, 0));
  EXPECT_NO_THROW(run(0, 0, 18));  // operands may overlap each other
  const struct { std::ptrdiff_t lhs, rhs, out; } kOverlaps[] = {{0, 6, 17}, {7, 13, 0}, {0, 14, 5}};
  for (const auto& at : kOverlaps) {
    const Error error = refusal_of([&] { run(at.lhs, at.rhs, at.out); });
    EXPECT_EQ(error.code(), ErrorCode::kOverlap);
    EXPECT_TRUE(error.place().operand.has_value());
  }
}

TEST(Overlap, OfAResultWithItself) {
  const auto code = [](const Strides& strides) {
    const Contraction c = einsum("ij->ij", std::vector<Shape>{{3, 4}});
    const std::vector<Layout> layouts = {Layout(F32{}, {3, 4})};
    try {
      Plan::make(c, layouts, Layout(F32{}, {3, 4}, strides));
      return std::string_view("none");
    } catch (const Error& error) {
      return info(error.code()).name;
    }
  };
  EXPECT_EQ(code({4, 1}), "none");
  EXPECT_EQ(code({1, 3}), "none");
  EXPECT_EQ(code({-4, -1}), "none");
  EXPECT_EQ(code({7, 2}), "none");
  EXPECT_EQ(code({3, 1}), "OVERLAP");
  EXPECT_EQ(code({0, 1}), "OVERLAP");
  EXPECT_EQ(code({4, 0}), "OVERLAP");
  EXPECT_EQ(code({-3, 1}), "OVERLAP");
}

// A refused run has written nothing.
TEST(ErrorCodes, ARefusalLeavesOutAsItWas) {
  const Tensor lhs(F32{}, {2, 3});
  Tensor out(F32{}, {2, 4});
  for (float& x : out.elements<float>()) x = 7;
  const Plan plan = Plan::make(two_matrices(), two_layouts());
  refusal_of([&] { plan.run(std::vector<TensorView>{lhs, lhs}, out.mutable_view()); });
  for (const float x : out.elements<float>()) EXPECT_EQ(x, 7);
}

}  // namespace
}  // namespace batchdot
