#include "headrace/base/metrics.h"

#include <prometheus/text_serializer.h>

namespace headrace {

Counter* Metrics::GetCounter(const std::string& name, const std::string& help, const Labels& labels) {
  return &prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add(labels);
}

Gauge* Metrics::GetGauge(const std::string& name, const std::string& help, const Labels& labels) {
  return &prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add(labels);
}

Histogram* Metrics::GetHistogram(const std::string& name, const std::string& help, const std::vector<double>& buckets,
                                 const Labels& labels) {
  return &prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add(labels, buckets);
}

std::string Metrics::Expose() const { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

std::vector<double> ExponentialBuckets(double start, double factor, size_t count) {
  std::vector<double> bounds(count);
  for (auto& bound : bounds) {
    bound = start;
    start *= factor;
  }
  return bounds;
}

}  // namespace headrace
