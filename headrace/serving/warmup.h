// Makes a version pay its first-run costs (lazy allocations, cold caches) before a client does.
#pragma once
#include "headrace/core/engine.h"
#include "headrace/serving/runtime_estimate.h"

namespace headrace::serving {

// Runs each signature a few times on zeros and empty strings, one row where the size is free, and notes what the run
// takes. A model may well refuse zeros: that is logged, not an error.
void WarmUpFromSignatures(Servable& servable, RuntimeEstimate* estimate);

// How large a request is, for RuntimeEstimate: the elements of all inputs together, of strings their bytes too.
int64_t InputElements(const InferRequest& request);

// Runs the request and waits for its end.
Status InferAndWait(Servable& servable, const InferRequest& request, InferResponse* response);

}  // namespace headrace::serving
