// Sums that come out the same to the last bit, however many threads computed them.
#pragma once
#include <string>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/core/query_engine.h"
#include "headrace/data/source.h"

namespace headrace::data {

// A sub-query that gives `columns` ("<expression> AS <name>") of every row and its place, for OrderedSums.
std::string WithPlace(const ParquetSource& source, const std::vector<std::string>& columns);

// Each of `aggregates` (sums and counts over the columns of `sub_query`, which WithPlace made) over all rows. They are
// taken over row groups, which the engine hands to one thread each, and added in the order of the rows.
Result<std::vector<double>> OrderedSums(QueryEngine& engine, const std::string& sub_query,
                                        const std::vector<std::string>& aggregates);

struct Moments {
  double mean = 0;
  double std_dev = 0;  // of the population
};

// Of the values of each expression over `sub_query` that are not NULL; zeros where there is none.
Result<std::vector<Moments>> ComputeMoments(QueryEngine& engine, const std::string& sub_query,
                                            const std::vector<std::string>& expressions);

}  // namespace headrace::data
