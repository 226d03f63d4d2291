#include "headrace/data/anomalies.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::data {
namespace {

std::string ValuesText(const Anomaly& anomaly) {
  std::string out;
  for (const auto& [value, count] : anomaly.values)
    out += fmt::format("{}\"{}\" × {}", out.empty() ? "" : ", ", value, count);
  return out;
}

// The same finding in several splits is one line of the table.
bool SameFinding(const Anomaly& a, const Anomaly& b) { return a.column == b.column && a.type == b.type; }

}  // namespace

json::value ToJsonValue(const std::vector<Anomaly>& anomalies) {
  json::array list;
  for (const auto& anomaly : anomalies) {
    json::object item = {{"split", anomaly.split},       {"column", anomaly.column},
                         {"type", anomaly.type},         {"description", anomaly.description},
                         {"expected", anomaly.expected}, {"num_examples", anomaly.num_examples}};
    if (anomaly.count) item["count"] = *anomaly.count;
    if (!anomaly.values.empty()) {
      json::array values;
      for (const auto& [value, count] : anomaly.values) values.push_back({{"value", value}, {"count", count}});
      item["values"] = values;
    }
    list.push_back(item);
  }
  return {{"num_anomalies", anomalies.size()}, {"anomalies", list}};
}

std::string FormatAnomalies(const std::vector<Anomaly>& anomalies) {
  if (anomalies.empty()) return "no anomalies\n";
  std::string out;
  std::vector<bool> told(anomalies.size(), false);
  for (size_t i = 0; i < anomalies.size(); i++) {
    if (told[i]) continue;
    const Anomaly& first = anomalies[i];
    out += fmt::format("{}  {}\n", first.column.empty() ? "(data set)" : first.column, first.type);
    for (size_t j = i; j < anomalies.size(); j++) {
      if (told[j] || !SameFinding(first, anomalies[j])) continue;
      told[j] = true;
      out += fmt::format("    found in {}: {}\n", anomalies[j].split, anomalies[j].description);
      if (!anomalies[j].values.empty()) out += fmt::format("      values: {}\n", ValuesText(anomalies[j]));
    }
    out += fmt::format("    expected: {}\n", first.expected);
  }
  return out;
}

}  // namespace headrace::data
