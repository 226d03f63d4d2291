// bench_raw_onnxruntime MODEL DIM...: microseconds of CPU that one inference of this shape takes in ONNX Runtime alone,
// the least of ten rounds.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>

#include "bench/serving/native/model.h"

namespace {

double ThreadCpuMicros() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: bench_raw_onnxruntime MODEL DIM...\n");
    return 2;
  }
  bench::Model model(argv[1]);
  std::vector<int64_t> shape;
  size_t count = 1;
  for (int i = 2; i < argc; i++) {
    shape.push_back(std::atoll(argv[i]));
    count *= static_cast<size_t>(shape.back());
  }
  std::vector<float> x(count, 0.5f);
  for (int i = 0; i < 50; i++) model.Run(x, shape);
  double best = std::numeric_limits<double>::max();
  for (int round = 0; round < 10; round++) {
    const double start = ThreadCpuMicros();
    double now = start;
    int runs = 0;
    for (; now - start < 2e5; now = ThreadCpuMicros(), runs++) model.Run(x, shape);
    best = std::min(best, (now - start) / runs);
  }
  std::printf("%.2f\n", best);
}
