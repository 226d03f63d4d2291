// The distribution of a numeric column, from its values in ascending order with their counts: one pass gives moments,
// quantiles and histograms, all exact and the same to the last bit however many threads computed them.
#pragma once
#include <string>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/core/query_engine.h"
#include "headrace/data/statistics.h"

namespace headrace::data {

struct Extent {
  int64_t count = 0;  // of values that are not NULL; the others are zeros when it is 0
  double min = 0;
  double max = 0;
};

// Of each expression over `relation` (what follows FROM), in one pass. The expressions yield finite numbers or NULL.
Result<std::vector<Extent>> ComputeExtents(QueryEngine& engine, const std::string& relation,
                                           const std::vector<std::string>& expressions);

// Every field of NumericStatistics but num_nan and num_inf. `extent` is the expression's own, with a count above 0.
Result<NumericStatistics> Summarize(QueryEngine& engine, const std::string& relation, const std::string& expression,
                                    const Extent& extent, int buckets);

// The most frequent texts of `expression`, ties in the order of the text, and how many there are. NULL is not counted.
Result<StringStatistics> CountTexts(QueryEngine& engine, const std::string& relation, const std::string& expression,
                                    int64_t max_values);

}  // namespace headrace::data
