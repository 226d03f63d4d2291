// A tiny engine for tests of this room: a version is a folder with the file add.txt, a number that the model adds to
// its input x (FP32, any length). Faults are part of the files, so that tests drive everything from the disk.
#pragma once
#include <atomic>
#include <charconv>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "headrace/base/files.h"
#include "headrace/core/engine.h"

namespace headrace::serving {

class AddServable : public Servable {
 public:
  AddServable(float addend, Duration delay, bool depends_on_values, std::atomic<int>* alive)
      : addend_(addend), delay_(delay), depends_on_values_(depends_on_values), alive_(alive) {
    signatures_.resize(1);
    signatures_[0].inputs = {{"x", DataType::kFloat32, Shape{-1}}};
    signatures_[0].outputs = {{"y", DataType::kFloat32, Shape{-1}}};
    ++*alive_;
  }
  ~AddServable() override { --*alive_; }
  const std::vector<Signature>& signatures() const override { return signatures_; }
  void Infer(const InferRequest& request, InferResponse* response, InferDone done) override {
    if (delay_ > Duration::zero()) Clock::Real()->Sleep(delay_);
    std::vector<float> sums;
    for (const float x : request.inputs[0].values<float>()) sums.push_back(x + addend_);
    response->outputs.push_back(Tensor::Of(request.inputs[0].shape(), std::move(sums)));
    done(OkStatus());
  }
  bool runtime_depends_on_values() const override { return depends_on_values_; }
  size_t memory_bytes() const override { return 1 << 20; }

 private:
  const float addend_;
  const Duration delay_;
  const bool depends_on_values_;
  std::atomic<int>* const alive_;
  std::vector<Signature> signatures_;
};

// The content of add.txt: "3", "3 slow" (each run takes 2 ms), "3 fitful" (says that
// values decide how long it runs), "flaky" (the first two loads are kUnavailable, then 3),
// "broken" (kDataLoss), "large" (estimates 1 GiB).
class AddEngine : public Engine {
 public:
  std::string_view name() const override { return "add"; }
  bool Recognizes(const std::filesystem::path& dir) const override { return std::filesystem::exists(dir / "add.txt"); }
  Result<size_t> EstimateMemory(const std::filesystem::path& dir) const override {
    HR_ASSIGN_OR_UNEXPECTED(const std::string text, ReadFile(dir / "add.txt"));
    return text == "large" ? size_t{1} << 30 : size_t{1} << 20;
  }
  Result<std::unique_ptr<Servable>> Load(const std::filesystem::path& dir, const EngineOptions&) override {
    loads++;
    HR_ASSIGN_OR_UNEXPECTED(const std::string text, ReadFile(dir / "add.txt"));
    if (text == "broken") return std::unexpected(DataLoss("{}: not a number", (dir / "add.txt").string()));
    if (text == "flaky" && ++flaky_loads_ <= 2) return std::unexpected(Unavailable("try again"));
    float addend = 3;
    std::from_chars(text.data(), text.data() + text.size(), addend);
    const Duration delay = text.ends_with("slow") ? Duration(std::chrono::milliseconds(2)) : Duration::zero();
    return std::make_unique<AddServable>(addend, delay, text.ends_with("fitful"), &alive);
  }

  std::atomic<int> alive{0};
  std::atomic<int> loads{0};

 private:
  std::atomic<int> flaky_loads_{0};
};

inline void PublishAdd(const std::filesystem::path& base, std::string_view version, std::string_view content) {
  const TempDir aside(base.parent_path());
  std::filesystem::create_directories(base);
  std::filesystem::create_directories(aside.path() / "v");
  if (!WriteFileAtomically(aside.path() / "v" / "add.txt", content).ok()) std::abort();
  if (!PublishByRename(aside.path() / "v", base / version).ok()) std::abort();
}

inline Deadline In(Duration duration) { return std::chrono::steady_clock::now() + duration; }

}  // namespace headrace::serving
