// Counters, gauges and histograms, exported as Prometheus text (exposition format 0.0.4) by Expose().
//
// Look a series up once, with its labels, and keep the pointer: it lives as long as the Metrics object. All operations
// are thread-safe; incrementing a kept counter takes no lock.
#pragma once
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <vector>

namespace headrace {

using Labels = std::map<std::string, std::string>;
using Counter = prometheus::Counter;
using Gauge = prometheus::Gauge;
using Histogram = prometheus::Histogram;

class Metrics {
 public:
  // `name` is a Prometheus metric name; `help` is one sentence. Asking again for the same name and labels gives the
  // same series. Asking for a name as another kind is a programming error and aborts.
  Counter* GetCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge* GetGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // `buckets` are ascending upper bounds; +Inf is added.
  Histogram* GetHistogram(const std::string& name, const std::string& help, const std::vector<double>& buckets,
                          const Labels& labels = {});
  std::string Expose() const;

 private:
  prometheus::Registry registry_;
};

// start, start·factor, start·factor², … (`count` bounds).
std::vector<double> ExponentialBuckets(double start, double factor, size_t count);

}  // namespace headrace
