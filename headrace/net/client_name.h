// Who a request comes from.
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace headrace::net {

// The name of an authenticated client; null: not known. Copies share it, and it outlives the rules that it comes from.
using ClientName = std::shared_ptr<const std::string>;

inline std::string_view TextOf(const ClientName& name) { return name ? std::string_view(*name) : std::string_view(); }

}  // namespace headrace::net
